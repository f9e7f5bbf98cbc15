#pragma once

#include <caf/actor_clock.hpp>
#include <caf/actor_config.hpp>
#include <caf/actor_control_block.hpp>
#include <caf/actor_system.hpp>
#include <caf/local_actor.hpp>
#include <chrono>
#include <optional>
#include <utility>

namespace swarm {

/// Seconds on the clock that an actor goes by, since that clock's epoch.
inline double clock_s(const caf::local_actor& actor) {
  return std::chrono::duration<double>(actor.clock().now().time_since_epoch()).count();
}

/// All that an actor knows and does, which goes when the actor ends. CAF keeps an actor in memory
/// for as long as anybody holds it, terminated or not: two that hold each other would stay for
/// ever, and so would what they hold. Therefore what CAF keeps is an `embodied`, which is empty by
/// then.
///
///     class greeter final : public actor_body<greeter_actor::base> {
///      public:
///       static constexpr const char* name = "greeter";
///       greeter(pointer self, greeter_options options) : actor_body(self) ...
///       behavior_type make_behavior();
///       ~greeter();  // what else is to be done at the end, if anything is
///     };
///     system.spawn<embodied<greeter>>(std::move(options));
///
/// What caf::stateful_actor does for a state without arguments. Handlers may capture the body's
/// `this`. CAF calls `on_exit`, where the body goes, when the handler at hand has returned or has
/// thrown and neither a behavior nor an open request is left (caf::scheduled_actor::alive), and
/// then closes the mailbox: no handler runs after it, not even for an answer that comes later.
/// Whatever else calls back, a thread or an object that outlives the actor, must be silenced in the
/// body's destructor.
///
/// `Actor`: the CAF class, x_actor::base or caf::event_based_actor. The members below do what those
/// of the same name do there.
template <class Actor>
class actor_body {
 public:
  using actor_base = Actor;
  using pointer = Actor*;
  using behavior_type = typename Actor::behavior_type;

  actor_body(const actor_body&) = delete;
  actor_body& operator=(const actor_body&) = delete;

 protected:
  explicit actor_body(pointer self) : self_(self) {}
  ~actor_body() = default;

  pointer self() const { return self_; }
  caf::actor_control_block* ctrl() const { return self_->ctrl(); }
  caf::actor_system& system() const { return self_->system(); }
  caf::actor_clock& clock() const { return self_->clock(); }
  const caf::strong_actor_ptr& current_sender() const { return self_->current_sender(); }

  /// Since the clock's epoch.
  caf::actor_clock::duration_type now() const { return clock().now().time_since_epoch(); }
  double now_s() const { return clock_s(*self_); }

  template <class Handle, class... Parts>
  void send(const Handle& whom, Parts&&... parts) {
    self_->send(whom, std::forward<Parts>(parts)...);
  }

  template <class Handle, class Time, class... Parts>
  void delayed_send(const Handle& whom, Time after, Parts&&... parts) {
    self_->delayed_send(whom, after, std::forward<Parts>(parts)...);
  }

  template <class Handle, class Time, class... Parts>
  auto request(const Handle& whom, Time timeout, Parts&&... parts) {
    return self_->request(whom, timeout, std::forward<Parts>(parts)...);
  }

  template <class Handle, class... Parts>
  auto delegate(const Handle& whom, Parts&&... parts) {
    return self_->delegate(whom, std::forward<Parts>(parts)...);
  }

  template <class... Answers>
  auto make_response_promise() {
    return self_->template make_response_promise<Answers...>();
  }

  template <class Handle>
  void monitor(const Handle& whom) {
    self_->monitor(whom);
  }
  void demonitor(const caf::actor_addr& whom) { self_->demonitor(whom); }

  template <class Handler>
  void set_down_handler(Handler handler) {
    self_->set_down_handler(std::move(handler));
  }
  template <class Handler>
  void set_exit_handler(Handler handler) {
    self_->set_exit_handler(std::move(handler));
  }

  void quit(caf::error reason) { self_->quit(std::move(reason)); }

 private:
  pointer self_;
};

/// The CAF actor of a body, which is made with a pointer to it and the arguments of `spawn`.
template <class Body>
class embodied final : public Body::actor_base {
 public:
  template <class... Arguments>
  explicit embodied(caf::actor_config& config, Arguments&&... arguments)
      : Body::actor_base(config) {
    body_.emplace(this, std::forward<Arguments>(arguments)...);
  }

  /// CAF asks for it after the end, too.
  const char* name() const override { return Body::name; }

  void on_exit() override { body_.reset(); }

 private:
  typename Body::behavior_type make_behavior() override { return body_->make_behavior(); }

  std::optional<Body> body_;
};

}  // namespace swarm
