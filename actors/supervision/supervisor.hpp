#pragma once

#include <caf/actor.hpp>
#include <caf/actor_cast.hpp>
#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/atom.hpp>
#include <caf/fwd.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "actors/supervision/errc.hpp"
#include "actors/supervision/restart_policy.hpp"

namespace swarm::supervision {

/// Per supervisor, ended ones included; beyond it errc::too_many_children.
inline constexpr std::size_t children_max = 1024;

/// The running siblings that were started before the child being made.
class children_view {
 public:
  using named = std::pair<std::string_view, caf::actor>;

  explicit children_view(std::vector<named> earlier) : earlier_(std::move(earlier)) {}

  /// An invalid handle when there is no such earlier sibling or it is not running; with one_for_all
  /// and rest_for_one every earlier sibling runs, unless it has ended for good.
  template <class Handle = caf::actor>
  Handle get(std::string_view id) const {
    for (const auto& [name, handle] : earlier_)
      if (name == id) return caf::actor_cast<Handle>(handle);
    return Handle{};
  }

 private:
  std::vector<named> earlier_;
};

/// Makes one incarnation of a child. May throw or return an invalid handle: then the child counts
/// as failed. The child must not hold a strong handle to its supervisor, nor be linked to it.
using child_factory = std::function<caf::actor(caf::event_based_actor* self, const children_view&)>;

struct child_spec {
  std::string id;
  restart_type restart = restart_type::permanent;
  /// From the request to stop (an exit message, user_shutdown) to the kill. Use no_shutdown_limit
  /// for a child that is a supervisor.
  std::chrono::milliseconds shutdown_timeout{5'000};
  child_factory factory;
};

enum class event_kind : std::uint8_t {
  child_started,
  child_start_failed,  ///< reason: what the factory threw
  child_exited,        ///< reason: the exit reason
  restart_scheduled,   ///< delay_ms: the back-off
  child_killed,        ///< it did not stop within its shutdown time-out
  child_stuck,         ///< it has not ended kill_grace after the kill; waited for all the same
  escalated            ///< child: the one that failed once too often
};

const char* to_string(event_kind kind);

/// What happened to a child.
struct supervision_event {
  event_kind kind = event_kind::child_started;
  std::string supervisor;
  std::string child;
  std::uint64_t restarts = 0;  ///< of the child so far, its siblings' failures included
  std::int64_t delay_ms = 0;
  std::string reason;

  template <class Inspector>
  friend typename Inspector::result_type inspect(Inspector& f, supervision_event& x) {
    return f(x.kind, x.supervisor, x.child, x.restarts, x.delay_ms, x.reason);
  }
};

/// Called by the supervisor while it works: quick, and never throws.
using event_listener = std::function<void(const supervision_event&)>;

/// Sends every event on as a message. Holds the sink strongly: it must not hold the supervisor.
event_listener send_events_to(caf::actor sink);

struct supervisor_options {
  std::string name = "supervisor";
  policy_options policy;
  std::uint64_t seed = 0;   ///< of the back-off's jitter
  event_listener listener;  ///< optional
};

struct child_status {
  std::string id;
  caf::actor handle;  ///< invalid while the child is down
  child_state state = child_state::ended;
  std::uint64_t restarts = 0;

  template <class Inspector>
  friend typename Inspector::result_type inspect(Inspector& f, child_status& x) {
    return f(x.id, x.handle, x.state, x.restarts);
  }
};

/// children -> children_status: all children in start order.
using children_atom = caf::atom_constant<caf::atom("children")>;
/// terminate, id -> nothing, once the child is down. It stays down until restart.
using terminate_atom = caf::atom_constant<caf::atom("terminate")>;
/// restart, id -> its new handle. Those who share its fate restart with it.
using restart_atom = caf::atom_constant<caf::atom("restart")>;
/// add, child_spec -> its handle. Starts behind all others. Within the process only.
using add_atom = caf::atom_constant<caf::atom("add")>;

using children_status = std::vector<child_status>;

/// Starts its children in order, restarts those that fail as its policy says, stops them in reverse
/// order. A dynamically typed actor; its messages are the four above.
///
///     exit_msg (any reason but normal) -> ordered stop, then it quits with that reason
///     exit_msg kill                    -> it quits at once and kills its children
///     too many restarts                -> ordered stop, then it quits with intensity_exceeded
///
/// So a parent supervisor sees an escalation as a failed child, and stops a supervisor as it stops
/// any child. A child has started when its factory returns: the children of a supervisor below come
/// up after that. Children are monitored, not linked: a link would carry a child's kill up, where
/// CAF makes it fatal. The one holding the handle returned here must stop it: dropping the last
/// handle kills the children without order. May drop: nothing. Throws std::invalid_argument naming
/// the complaint if options or specs are unusable.
caf::actor spawn_supervisor(caf::actor_system& system, supervisor_options options,
                            std::vector<child_spec> children);

void add_supervision_message_types(caf::actor_system_config& config);

}  // namespace swarm::supervision

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(swarm::supervision::child_spec)
