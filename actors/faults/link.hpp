#pragma once

#include <array>
#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>
#include <caf/error.hpp>
#include <caf/mailbox_element.hpp>
#include <caf/message.hpp>
#include <caf/type_erased_tuple.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "actors/faults/damage.hpp"
#include "actors/faults/pen.hpp"

/// A link is an actor that stands in front of another one and misbehaves as a policy says.
///
///     sender --> link ------ policy, forward ------> target
///        ^                                             | answers, current_sender()
///        +----- policy, back ---- return link <--------+
///
/// It neither has a mailbox nor runs: whoever sends carries the message through. Neither side has
/// to know. What differs from a direct handle: at the target, current_sender() is a return link,
/// one per sender, not the sender itself; and a sender is held weakly while its answer is out, so
/// something else must keep it alive (its owner, its supervisor, a finite request time-out).
namespace swarm::faults {

enum class direction : uint8_t {
  forward,  ///< to the target
  back      ///< from the target to a sender
};

/// What a policy sees of a message.
struct passage {
  direction way = direction::forward;
  /// Part of a request: an answer is expected, or this is one.
  bool is_request = false;
  /// This is an answer. Requests may also go back, to current_sender().
  bool is_answer = false;
  /// The actor on this side of the link, by its id (mixed with its node's if that is another one);
  /// 0: none (anon_send).
  caf::actor_id sender = 0;
  /// With `sender`, the same for a request and its answer, and for no other; 0: not a request.
  uint64_t request = 0;
  /// match_elements<wire::forward>(), get_as<wire::forward>(0).
  const caf::type_erased_tuple& content;
};

/// What becomes of one message. By default it passes.
struct fate {
  static constexpr size_t copies_max = 3;

  uint8_t copies = 1;  ///< 0: lost
  /// Of each copy; 0: delivered at once, by the sender's own thread.
  std::array<std::chrono::nanoseconds, copies_max> delays{};
  damage harm = damage::none;
  uint64_t harm_seed = 0;  ///< which bytes
  /// Delivered instead of the content.
  std::optional<caf::message> instead;
  /// A request is answered with this error, besides what becomes of the copies: with none of them
  /// the call failed before its execution, else during it. Ignored for what is not a request.
  std::optional<caf::error> bounce;
  std::chrono::nanoseconds bounce_delay{0};
  /// All copies are held here until it is opened; then they arrive as delayed copies do.
  std::shared_ptr<pen> held;

  static fate deliver(std::chrono::nanoseconds delay = {});
  static fate lose();
  static fate duplicate(std::chrono::nanoseconds first, std::chrono::nanoseconds second);
  static fate fail(caf::error why, std::chrono::nanoseconds delay = {});
};

/// Called by whoever sends, so from any thread at once unless the scheduler is the testing one.
/// Must not send anything over a link that it serves, nor throw.
class link_policy {
 public:
  virtual ~link_policy();

  /// When a message is sent.
  virtual fate decide(const passage& message) = 0;

  /// When a delayed or held copy arrives. A pen: it is held from now on.
  virtual std::shared_ptr<pen> holds(const passage& message);
  /// The same, if it is not held. False: lost, since the link went down meanwhile.
  virtual bool arrives(const passage& message);
};

struct link_options {
  /// When the target terminates, so does the link, with the same reason and at once.
  bool watch_target = true;
  /// When a sender terminates, so does its return link, which the target may be monitoring.
  bool watch_senders = true;
};

/// Of one link. Beyond it the oldest is forgotten: the same sender looks like another one then.
inline constexpr size_t return_links_max = 1024;

/// Preconditions: a target and a policy.
caf::strong_actor_ptr link_to(caf::actor_system& system, const caf::strong_actor_ptr& target,
                              std::shared_ptr<link_policy> policy, link_options options);

/// A handle of the same type, typed or not, that leads over a new link. The link lives as long as
/// its handles, the policy as long as a message may be on its way. Messages between actors of one
/// process are not copied unless they are damaged or duplicated.
template <class Handle>
Handle link_to(caf::actor_system& system, const Handle& target, std::shared_ptr<link_policy> policy,
               link_options options = {}) {
  return caf::actor_cast<Handle>(
      link_to(system, caf::actor_cast<caf::strong_actor_ptr>(target), std::move(policy), options));
}

/// Tears a link down: who monitors it, or one of its return links, gets a down message, messages
/// on their way are lost, later requests bounce with `why` and sends vanish. False: not a link.
bool cut(const caf::strong_actor_ptr& link, caf::error why);

template <class Handle>
bool cut(const Handle& link, caf::error why) {
  return cut(caf::actor_cast<caf::strong_actor_ptr>(link), std::move(why));
}

}  // namespace swarm::faults
