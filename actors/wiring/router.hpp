#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "actors/ids.hpp"

namespace swarm::wiring {

enum class policy_kind : uint8_t {
  shortest_wait,  ///< ours
  interleaved_weighted_round_robin,
  uniform_random,
  power_of_two_choices,
  shortest_queue,
  fixed,  ///< microbatch index -> peer, as in GPipe
  paper   ///< SWARM's released rule, its defects included
};

inline constexpr policy_kind default_policy = policy_kind::shortest_wait;

std::string_view to_string(policy_kind kind);
/// The inverse of to_string; nothing for an unknown name.
std::optional<policy_kind> policy_from_name(std::string_view name);

/// Limits of a router. All times are seconds of the caller's clock.
struct router_options {
  /// Weight of a new observation in the moving average of seconds per unit (the paper's 0.1).
  double ema_alpha = 0.1;
  /// Assumed until the first observation of any peer of the stage.
  double seconds_per_unit_prior = 1.0;
  /// `shortest_wait` only: a peer that has nothing of ours is asked again after so many times what
  /// the call is expected to take there, times the peers per call in flight. So looking again takes
  /// at most about one in so many of the calls in flight.
  double revisit_calls = 8;
  /// A failing peer rests for backoff_min_s, then twice as long, ... up to backoff_max_s.
  double backoff_min_s = 1.0;
  double backoff_max_s = 60.0;
  /// A rest is stretched by a random factor in [1, 1 + backoff_jitter], so that trainers do not
  /// probe together.
  double backoff_jitter = 0.25;
  /// Failed probes in a row after which only another add_peer earns the peer a further probe.
  uint32_t probes_max = 8;
  /// `paper` only: how long a failed peer stays banned if it is not announced again.
  double paper_ban_s = 60.0;
};

struct peer_status {
  worker_id worker;
  double seconds_per_unit = 0;
  uint32_t in_flight = 0;
  bool set_aside = false;
  uint32_t failures = 0;  ///< in a row
  double retry_at_s = 0;  ///< meaningful while set_aside
};

/// Chooses a peer for each call of one trainer to one stage. Private to its trainer: nothing is
/// shared, learnt from calls only. Deterministic given its seed and the calls made to it.
///
/// Every call is reported twice: on_dispatch when it is sent, then exactly one of on_success,
/// on_failure, on_timeout, on_cancel. Reports about a peer that was removed are ignored.
///
/// `work` is in units that the caller chooses (say 1 for a forward, 2 for a backward; more rows,
/// more units), positive; an observation is seconds / work. Non-finite or negative numbers are not
/// observed. Not for sharing between threads.
class routing_policy {
 public:
  virtual ~routing_policy() = default;

  /// A peer was announced. Again for a known peer: harmless, and a fresh chance for one that was
  /// given up.
  virtual void add_peer(worker_id worker, double now_s) = 0;
  /// Erases everything known about it.
  virtual void remove_peer(worker_id worker) = 0;
  /// Sorted; those set aside included.
  virtual std::vector<worker_id> peers() const = 0;

  /// The peer for a call of `work` units, not in `excluded`; nothing when all peers are excluded or
  /// set aside (then see next_retry_s). Costs one pass over the peers.
  virtual std::optional<worker_id> pick(double now_s, double work,
                                        const std::set<worker_id>& excluded = {},
                                        microbatch_id microbatch = {}) = 0;
  /// A call leaves for `worker`, whether pick chose it or the caller had its own reason.
  virtual void on_dispatch(worker_id worker, double work = 1.0) = 0;

  /// `seconds` from dispatch to reply: network, queue and compute.
  virtual void on_success(worker_id worker, double now_s, double seconds, double work) = 0;
  /// An error reply, or a dead link, after `waited_s`.
  virtual void on_failure(worker_id worker, double now_s, double waited_s, double work) = 0;
  /// No reply within `waited_s`; the peer is at least that slow.
  virtual void on_timeout(worker_id worker, double now_s, double waited_s, double work) = 0;
  /// The call was withdrawn, or refused for a reason that is not the peer's fault.
  virtual void on_cancel(worker_id worker, double work = 1.0) = 0;
  /// All calls that are out were withdrawn, as when a step ends early; their replies are no longer
  /// to be reported.
  virtual void cancel_all() = 0;

  /// Seconds per unit, as far as known; nothing for a stranger.
  virtual std::optional<double> estimate(worker_id worker) const = 0;
  virtual uint32_t in_flight(worker_id worker) const = 0;
  /// When a pick without exclusions can next succeed: now_s if at once, nothing if that takes an
  /// outstanding reply or another add_peer.
  virtual std::optional<double> next_retry_s(double now_s) const = 0;
  /// For telemetry; sorted by worker.
  virtual std::vector<peer_status> status() const = 0;
};

std::unique_ptr<routing_policy> make_policy(policy_kind kind, uint64_t seed,
                                            const router_options& options = {});

}  // namespace swarm::wiring
