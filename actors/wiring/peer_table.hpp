#pragma once

#include <optional>
#include <set>
#include <vector>

#include "actors/wiring/estimate.hpp"
#include "actors/wiring/random.hpp"
#include "actors/wiring/router.hpp"

namespace swarm::wiring {

struct peer_entry {
  worker_id worker;
  seconds_estimate seconds;  ///< of response time, per unit
  /// Per unit, from its last reply to this one while it had our calls: its service time, times what
  /// others' calls take of it.
  seconds_estimate service;
  uint32_t in_flight = 0;
  double in_flight_work = 0;
  /// Virtual time at which its next call starts; used by the interleaved policy.
  double tag = 0;
  /// When it last answered or failed to.
  double heard_at_s = 0;
  /// Its next reply replaces what was known of its speed.
  bool outdated = false;

  bool set_aside = false;
  bool probing = false;   ///< set aside, and its one probe is out
  uint32_t failures = 0;  ///< in a row
  uint32_t chances = 0;   ///< probes left before it is given up
  double retry_at_s = 0;
  /// Calls that were out when it was set aside: their failing is no news.
  uint32_t stale = 0;
};

/// What all of our policies share: who is there, what is in flight, how fast each peer is, and
/// which are set aside. A derived class only chooses.
///
///     serving --failure--> set aside --back-off over, on_dispatch--> probing
///        ^                    ^                                        |  |
///        |                    +---------------- failure ---------------+  |
///        +------------------------------------- success ------------------+
class table_policy : public routing_policy {
 public:
  table_policy(uint64_t seed, const router_options& options);

  void add_peer(worker_id worker, double now_s) final;
  void remove_peer(worker_id worker) final;
  std::vector<worker_id> peers() const final;
  std::optional<worker_id> pick(double now_s, double work, const std::set<worker_id>& excluded,
                                microbatch_id microbatch) final;
  void on_dispatch(worker_id worker, double work) final;
  void on_success(worker_id worker, double now_s, double seconds, double work) final;
  void on_failure(worker_id worker, double now_s, double waited_s, double work) final;
  void on_timeout(worker_id worker, double now_s, double waited_s, double work) final;
  void on_cancel(worker_id worker, double work) final;
  void cancel_all() final;
  std::optional<double> estimate(worker_id worker) const final;
  uint32_t in_flight(worker_id worker) const final;
  std::optional<double> next_retry_s(double now_s) const final;
  std::vector<peer_status> status() const final;

 protected:
  using entries = std::vector<peer_entry>;

  /// Index into the table of an available peer.
  virtual std::optional<size_t> choose(double now_s, double work,
                                       const std::set<worker_id>& excluded,
                                       microbatch_id microbatch) = 0;
  /// Hooks of the interleaved policy: a peer (re)enters service; is charged; was measured.
  virtual void entered(peer_entry& /*peer*/) {}
  virtual void charged(peer_entry& /*peer*/, double /*work*/) {}
  virtual void measured(peer_entry& /*peer*/, double /*price_before*/) {}
  /// Seconds per unit that it is charged.
  virtual double price(const peer_entry& /*peer*/) const { return 0; }

  static bool ready(const peer_entry& peer, double now_s) {
    return !peer.set_aside || (!peer.probing && peer.chances > 0 && now_s >= peer.retry_at_s);
  }
  static bool available(const peer_entry& peer, double now_s, const std::set<worker_id>& excluded) {
    return ready(peer, now_s) && (excluded.empty() || excluded.count(peer.worker) == 0);
  }
  /// Seconds per unit assumed of an unmeasured peer: the mean of the measured ones.
  double prior() const;

  /// Sorted by worker id, so that no order depends on hashing or on the history of removals.
  const entries& table() const { return table_; }
  entries& table() { return table_; }
  splitmix64& random() { return random_; }
  const router_options& options() const { return options_; }

 private:
  entries::iterator find(worker_id worker);
  entries::const_iterator find(worker_id worker) const;
  void settle(peer_entry& peer, double work);
  void observe(peer_entry& peer, double sample);
  void heard(peer_entry& peer, double now_s, double seconds, double work, bool replied);
  void failed(worker_id worker, double now_s, double waited_s, double work);
  void rest(peer_entry& peer, double now_s);

  router_options options_;
  splitmix64 random_;
  entries table_;
};

}  // namespace swarm::wiring
