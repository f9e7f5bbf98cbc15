#include "actors/faults/supervised_subject.hpp"

#include <algorithm>
#include <caf/event_based_actor.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <cassert>
#include <utility>

#include "actors/faults/errc.hpp"
#include "actors/supervision/supervisor.hpp"

namespace swarm::faults {

namespace {

using supervision::children_atom;
using supervision::children_status;
using supervision::restart_atom;
using supervision::terminate_atom;

class supervised_subject : public subject {
 public:
  supervised_subject(caf::actor_system& system, supervised_options options)
      : system_(system), options_(std::make_shared<const supervised_options>(std::move(options))) {}

  void kill() override {
    ask([o = options_](caf::event_based_actor* self) {
      self->request(o->supervisor, o->timeout, children_atom::value)
          .then([=](const children_status& all) { kill_child(self, o, all); }, complain(o));
    });
  }

  void restart(bool with_state) override {
    if (options_->prepare) options_->prepare(with_state);
    ask([o = options_](caf::event_based_actor* self) {
      self->request(o->supervisor, o->timeout, restart_atom::value, o->child)
          .then([](const caf::actor&) {}, complain(o));
    });
  }

  void leave() override {
    ask([o = options_](caf::event_based_actor* self) { terminate(self, o); });
  }

  void freeze() override {
    if (options_->links != nullptr) options_->links->freeze();
  }
  void thaw() override {
    if (options_->links != nullptr) options_->links->thaw();
  }
  void slow(double factor) override {
    if (options_->links != nullptr) options_->links->slow(factor, options_->service);
  }

 private:
  using options_ptr = std::shared_ptr<const supervised_options>;

  static std::function<void(const caf::error&)> complain(options_ptr o) {
    return [o = std::move(o)](const caf::error& why) {
      if (o->on_error) o->on_error(why);
    };
  }

  static void terminate(caf::event_based_actor* self, const options_ptr& o) {
    self->request(o->supervisor, o->timeout, terminate_atom::value, o->child)
        .then([] {}, complain(o));
  }

  static void kill_child(caf::event_based_actor* self, const options_ptr& o,
                         const children_status& all) {
    const auto found = std::find_if(all.begin(), all.end(),
                                    [&](const auto& child) { return child.id == o->child; });
    const bool running = found != all.end() && found->handle;
    // The kill overtakes whatever waits in the mailbox, and the supervisor's request to stop.
    if (running) caf::anon_send_exit(found->handle, caf::exit_reason::kill);
    if (o->hold_down)
      terminate(self, o);
    else if (!running)
      complain(o)(make_error(errc::no_such_child));
  }

  /// One short-lived actor per command: it ends with the answer.
  template <class Command>
  void ask(Command command) {
    system_.spawn<caf::hidden>(
        [command = std::move(command)](caf::event_based_actor* self) { command(self); });
  }

  caf::actor_system& system_;
  const options_ptr options_;
};

}  // namespace

std::unique_ptr<subject> make_supervised_subject(caf::actor_system& system,
                                                 supervised_options options) {
  assert(options.supervisor);
  return std::make_unique<supervised_subject>(system, std::move(options));
}

}  // namespace swarm::faults
