#include "actors/stage/compute_watch.hpp"

#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <chrono>
#include <utility>

#include "actors/actor_body.hpp"
#include "actors/stage/errc.hpp"
#include "actors/telemetry/event.hpp"
#include "actors/wire/refusal.hpp"

namespace swarm::stage {

namespace {

using look_atom = caf::atom_constant<caf::atom("look")>;
using watch_actor = compute_actor::extend<caf::reacts_to<look_atom>>;

/// Of calls: the compute actor's signatures.
constexpr size_t kinds = caf::detail::tl_size<compute_actor::signatures>::value;

call_history::outcome outcome_of(const caf::error& error) {
  const bool failed = error.category() == wire::refusal_category &&
                      error.code() == static_cast<uint8_t>(errc::compute_failed);
  return failed ? call_history::outcome::failed : call_history::outcome::refused;
}

template <class Signature>
struct call_of;

class compute_watch final : public actor_body<watch_actor::base> {
 public:
  static constexpr const char* name = "compute_watch";

  compute_watch(pointer self, compute_watch_options options)
      : actor_body(self), options_(std::move(options)), history_(kinds, options_.limits) {}

  ~compute_watch() {
    // Given up, or killed: a computation that still runs must not keep others from the device.
    if (compute_) caf::anon_send_exit(compute_, caf::exit_reason::kill);
    if (claim_) claim_->forfeit();
  }

  behavior_type make_behavior() {
    claim_ = options_.compute.claim;
    compute_ = spawn_compute(system(), options_.compute);
    device_ = options_.wrap ? options_.wrap(system(), compute_) : compute_;
    monitor(compute_);
    set_down_handler([this](caf::down_msg& down) {
      if (down.source != compute_.address()) return;
      compute_ = nullptr;
      quit(std::move(why_ ? why_ : down.reason));
    });
    set_exit_handler([this](caf::exit_msg& exit) { stop(std::move(exit.reason)); });
    return behavior_of(compute_actor::signatures{}, std::make_index_sequence<kinds>{});
  }

  /// Passes one call on; the kind is its place among the signatures.
  template <class... Out, class... In>
  caf::typed_response_promise<Out...> pass(size_t kind, const In&... in) {
    auto reply = make_response_promise<caf::typed_response_promise<Out...>>();
    const auto call = history_.begin(kind, now_s());
    look_later();
    request(device_, caf::infinite, in...)
        .then(
            [this, call, reply](const Out&... out) mutable {
              history_.end(call, call_history::outcome::done, now_s());
              reply.deliver(out...);
            },
            [this, call, reply](caf::error& error) mutable {
              history_.end(call, outcome_of(error), now_s());
              reply.deliver(std::move(error));
              judge();
            });
    return reply;
  }

 private:
  template <class... Signatures, size_t... Kinds>
  behavior_type behavior_of(caf::detail::type_list<Signatures...>, std::index_sequence<Kinds...>) {
    return {call_of<Signatures>::handler(this, Kinds)..., [this](look_atom) { look(); }};
  }

  void look_later() {
    if (looking_) return;
    looking_ = true;
    delayed_send(self(),
                 std::chrono::duration_cast<std::chrono::milliseconds>(
                     std::chrono::duration<double>(history_.look_period_s())),
                 look_atom::value);
  }

  void look() {
    looking_ = false;
    if (!history_.busy()) return;
    history_.look(now_s());
    look_later();
    judge();
  }

  /// A device that fails still ends when it is told to; one that hangs is left behind.
  void judge() {
    const auto found = history_.now();
    if (found == call_history::verdict::fine || given_up_) return;
    given_up_ = true;
    const auto* what = to_string(found);
    if (options_.telemetry)
      caf::anon_send(options_.telemetry,
                     telemetry::event{"compute_given_up",
                                      {{"stage", int64_t{options_.stage.value()}},
                                       {"peer", static_cast<int64_t>(options_.id.peer.value())},
                                       {"why", std::string{what}}}});
    auto why = make_error(errc::compute_failed, what);
    if (found == call_history::verdict::hung) return quit(std::move(why));
    stop(std::move(why));
  }

  void stop(caf::error why) {
    if (!compute_ || history_.now() == call_history::verdict::hung) return quit(std::move(why));
    if (!why_) why_ = std::move(why);
    // What waits there is for nobody any more; what it is at, it ends.
    caf::anon_send_exit(compute_, caf::exit_reason::kill);
  }

  compute_watch_options options_;
  call_history history_;
  std::shared_ptr<device_claim> claim_;
  compute_actor compute_;
  compute_actor device_;  ///< what stands before it
  caf::error why_;        ///< it stops, once the compute actor has
  bool looking_ = false;
  bool given_up_ = false;
};

template <class... In, class... Out>
struct call_of<caf::typed_mpi<caf::detail::type_list<In...>, caf::output_tuple<Out...>>> {
  static auto handler(compute_watch* self, size_t kind) {
    return [self, kind](const In&... in) { return self->pass<Out...>(kind, in...); };
  }
};

}  // namespace

compute_actor spawn_watched_compute(caf::actor_system& system, compute_watch_options options) {
  return caf::actor_cast<compute_actor>(system.spawn<embodied<compute_watch>>(std::move(options)));
}

}  // namespace swarm::stage
