#include "actors/supervision/supervisor.hpp"

#include <algorithm>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/exit_reason.hpp>
#include <caf/response_promise.hpp>
#include <caf/send.hpp>
#include <caf/system_messages.hpp>
#include <caf/unit.hpp>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>

#include "actors/planted_bug.hpp"

namespace swarm::supervision {

namespace {

using wakeup_atom = caf::atom_constant<caf::atom("wakeup")>;

exit_kind kind_of(const caf::error& reason) {
  const bool clean = !reason || reason == caf::exit_reason::user_shutdown;
  return clean ? exit_kind::clean : exit_kind::failed;
}

bool usable(const child_spec& spec) {
  return !spec.id.empty() && spec.factory && spec.shutdown_timeout.count() >= 0;
}

class supervisor : public caf::event_based_actor {
 public:
  supervisor(caf::actor_config& config, supervisor_options options,
             std::vector<child_spec> children)
      : caf::event_based_actor(config),
        name_(std::move(options.name)),
        listener_(std::move(options.listener)),
        policy_(options.policy, std::mt19937_64{options.seed}) {
    for (auto& spec : children)
      add(std::move(spec));
  }

  const char* name() const override { return name_.c_str(); }

  caf::behavior make_behavior() override {
    set_down_handler([this](caf::down_msg& down) { on_down(down); });
    set_exit_handler([this](caf::exit_msg& exit) { on_exit_message(exit); });
    set_default_handler(caf::drop);
    // Through the mailbox: an actor cannot quit while its behavior is being made.
    // First in it, so that nobody sees children that were never started.
    send<caf::message_priority::high>(this, wakeup_atom::value, std::int64_t{0});
    wakeup_ = monotonic_time{0};
    return {
        [this](children_atom) { return status(); },
        [this](terminate_atom, const std::string& id) { return on_terminate(id); },
        [this](restart_atom, const std::string& id) { return on_restart(id); },
        [this](add_atom, child_spec& spec) { return on_add(std::move(spec)); },
        [this](wakeup_atom, std::int64_t when_ns) {
          if (!wakeup_ || wakeup_->count() != when_ns) return;
          wakeup_.reset();
          pump();
        },
    };
  }

  void on_exit() override {
    // None is left after an ordered stop.
    for (auto it = children_.rbegin(); it != children_.rend(); ++it)
      if (it->second.handle) exit(it->second.handle, caf::exit_reason::kill);
    refuse_waiting(make_error(errc::shutting_down));
    children_.clear();
    listener_ = nullptr;
  }

 private:
  struct child {
    child_spec spec;
    caf::actor handle;       // while it lives
    caf::actor_addr latest;  // of the latest incarnation
    std::uint64_t starts = 0;
    std::vector<caf::response_promise> awaiting_down;
    std::vector<caf::response_promise> awaiting_start;
  };

  child_key add(child_spec spec) {
    const auto key = policy_.add(spec.restart, spec.shutdown_timeout);
    children_[key].spec = std::move(spec);
    return key;
  }

  monotonic_time now() const {
    return std::chrono::duration_cast<monotonic_time>(clock().now().time_since_epoch());
  }

  std::optional<child_key> find(const std::string& id) const {
    for (const auto& [key, c] : children_)
      if (c.spec.id == id) return key;
    return std::nullopt;
  }

  children_status status() const {
    children_status result;
    for (const auto& [key, c] : children_)
      result.push_back({c.spec.id, c.handle, policy_.state(key), restarts(c)});
    return result;
  }

  static std::uint64_t restarts(const child& c) { return c.starts > 0 ? c.starts - 1 : 0; }

  void report(event_kind kind, const child& c, std::string reason = {},
              std::chrono::nanoseconds delay = {}) {
    if (!listener_) return;
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(delay).count();
    listener_({kind, name_, c.spec.id, restarts(c), ms, std::move(reason)});
  }

  // A kill overtakes what waits in the mailbox; a request to stop does not. Neither a sender nor a
  // context: an actor that ends because nobody holds it has none to give.
  void exit(const caf::actor& whom, caf::exit_reason reason) {
    const auto priority = reason == caf::exit_reason::kill ? caf::message_priority::high
                                                           : caf::message_priority::normal;
    whom->eq_impl(caf::make_message_id(priority), nullptr, nullptr,
                  caf::exit_msg{address(), reason});
  }

  caf::result<void> on_terminate(const std::string& id) {
    const auto key = find(id);
    if (!key) return make_error(errc::unknown_child);
    auto promise = make_response_promise();
    auto& c = children_.at(*key);
    policy_.terminate(*key);
    refuse(c.awaiting_start, make_error(errc::shutting_down));
    if (c.handle)
      c.awaiting_down.push_back(promise);
    else
      promise.deliver(caf::unit);
    forget_if_gone(*key);
    pump();
    return caf::delegated<void>{};
  }

  caf::result<caf::actor> on_restart(const std::string& id) {
    const auto key = find(id);
    if (!key) return make_error(errc::unknown_child);
    if (policy_.closing()) return make_error(errc::shutting_down);
    children_.at(*key).awaiting_start.push_back(make_response_promise());
    policy_.restart(*key, now());
    pump();
    return caf::delegated<caf::actor>{};
  }

  caf::result<caf::actor> on_add(child_spec spec) {
    if (!usable(spec)) return make_error(errc::bad_child);
    if (policy_.closing()) return make_error(errc::shutting_down);
    if (find(spec.id)) return make_error(errc::duplicate_child);
    if (children_.size() >= children_max) return make_error(errc::too_many_children);
    children_.at(add(std::move(spec))).awaiting_start.push_back(make_response_promise());
    pump();
    return caf::delegated<caf::actor>{};
  }

  void on_exit_message(const caf::exit_msg& message) {
    if (!message.reason) return;
    // A child that linked itself: its down message tells the same.
    for (const auto& [key, c] : children_)
      if (c.latest == message.source) return;
    if (!policy_.closing()) {
      policy_.close();
      quit_reason_ = message.reason;
    }
    pump();
  }

  void on_down(const caf::down_msg& down) {
    for (auto& [key, c] : children_) {
      if (!c.handle || c.handle.address() != down.source) continue;
      c.handle = nullptr;
      report(event_kind::child_exited, c, system().render(down.reason));
      judge(key, policy_.exited(key, kind_of(down.reason), now()));
      break;
    }
    pump();
  }

  // The key may be gone afterwards.
  void judge(child_key key, const verdict& v) {
    auto& c = children_.at(key);
    if (v.what == verdict::kind::restart) report(event_kind::restart_scheduled, c, {}, v.delay);
    if (v.what == verdict::kind::escalate) {
      report(event_kind::escalated, c);
      quit_reason_ = make_error(errc::intensity_exceeded);
    }
    for (auto& promise : c.awaiting_down)
      promise.deliver(caf::unit);
    c.awaiting_down.clear();
    forget_if_gone(key);
  }

  void forget_if_gone(child_key key) {
    if (policy_.knows(key)) return;
    refuse(children_.at(key).awaiting_start, make_error(errc::start_failed));
    children_.erase(key);
  }

  void pump() {
    if (policy_.closing()) refuse_waiting(make_error(errc::shutting_down));
    while (auto action = policy_.next(now())) {
      if (action->what == policy_action::kind::finish) return quit(quit_reason_);
      perform(*action);
    }
    arm();
  }

  void perform(const policy_action& action) {
    auto& c = children_.at(action.child);
    switch (action.what) {
      case policy_action::kind::start:
        return start(action.child, c);
      case policy_action::kind::stop:
        if (planted(planted_bug::children_left_behind)) return;
        return exit(c.handle, caf::exit_reason::user_shutdown);
      case policy_action::kind::kill:
        if (planted(planted_bug::children_left_behind)) return;
        report(event_kind::child_killed, c);
        return exit(c.handle, caf::exit_reason::kill);
      case policy_action::kind::report_stuck:
        return report(event_kind::child_stuck, c);
      case policy_action::kind::finish:
        return;
    }
  }

  void start(child_key key, child& c) {
    std::string why = "the factory returned no actor";
    try {
      c.handle = c.spec.factory(this, siblings_before(key));
    } catch (const std::exception& e) {
      why = e.what();
    } catch (...) {
      why = "the factory threw something that is no std::exception";
    }
    if (!c.handle) {
      report(event_kind::child_start_failed, c, why);
      refuse(c.awaiting_start, make_error(errc::start_failed));
      return judge(key, policy_.start_failed(key, now()));
    }
    c.latest = c.handle.address();
    ++c.starts;
    policy_.started(key, now());
    monitor(c.handle);
    report(event_kind::child_started, c);
    for (auto& promise : c.awaiting_start)
      promise.deliver(c.handle);
    c.awaiting_start.clear();
  }

  children_view siblings_before(child_key key) const {
    std::vector<children_view::named> earlier;
    for (const auto& [sibling, c] : children_) {
      if (sibling >= key) break;
      if (policy_.state(sibling) == child_state::running) earlier.emplace_back(c.spec.id, c.handle);
    }
    return children_view{std::move(earlier)};
  }

  // One timer counts, the last one armed; an older one is ignored when it fires.
  void arm() {
    const auto wanted = policy_.next_wakeup();
    if (!wanted || (wakeup_ && *wakeup_ <= *wanted)) return;
    wakeup_ = wanted;
    delayed_send(this, std::max(*wanted - now(), monotonic_time{0}), wakeup_atom::value,
                 std::int64_t{wanted->count()});
  }

  static void refuse(std::vector<caf::response_promise>& waiting, const caf::error& why) {
    for (auto& promise : waiting)
      promise.deliver(why);
    waiting.clear();
  }

  void refuse_waiting(const caf::error& why) {
    for (auto& [key, c] : children_)
      refuse(c.awaiting_start, why);
  }

  std::string name_;
  event_listener listener_;
  restart_policy policy_;
  std::map<child_key, child> children_;
  std::optional<monotonic_time> wakeup_;
  caf::error quit_reason_;
};

}  // namespace

const char* to_string(event_kind kind) {
  switch (kind) {
    case event_kind::child_started:
      return "child_started";
    case event_kind::child_start_failed:
      return "child_start_failed";
    case event_kind::child_exited:
      return "child_exited";
    case event_kind::restart_scheduled:
      return "restart_scheduled";
    case event_kind::child_killed:
      return "child_killed";
    case event_kind::child_stuck:
      return "child_stuck";
    case event_kind::escalated:
      return "escalated";
  }
  return "unknown";
}

event_listener send_events_to(caf::actor sink) {
  return [sink = std::move(sink)](const supervision_event& event) { caf::anon_send(sink, event); };
}

caf::actor spawn_supervisor(caf::actor_system& system, supervisor_options options,
                            std::vector<child_spec> children) {
  if (const char* wrong = complaint(options.policy)) throw std::invalid_argument(wrong);
  if (children.size() > children_max)
    throw std::invalid_argument(to_sentence(errc::too_many_children));
  std::set<std::string_view> ids;
  for (const auto& spec : children) {
    if (!usable(spec)) throw std::invalid_argument(to_sentence(errc::bad_child));
    if (!ids.insert(spec.id).second)
      throw std::invalid_argument(to_sentence(errc::duplicate_child));
  }
  return system.spawn<supervisor>(std::move(options), std::move(children));
}

void add_supervision_message_types(caf::actor_system_config& config) {
  config.add_message_type<supervision_event>("swarm.supervision_event")
      .add_message_type<child_status>("swarm.child_status")
      .add_message_type<children_status>("swarm.children_status");
}

}  // namespace swarm::supervision
