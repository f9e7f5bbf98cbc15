#pragma once

#include <optional>
#include <set>
#include <vector>

#include "actors/wiring/estimate.hpp"
#include "actors/wiring/random.hpp"
#include "actors/wiring/router.hpp"

namespace swarm::wiring {

/// SWARM's released router (yandex-research/swarm, swarm/pipeline/src/moe/client/balancer.py) as a
/// baseline, rule by rule:
/// - a heap of (seconds assigned since the start, random tie-break, peer): the smallest is taken
///   and pushed back with its estimate times the work added; sums never decay;
/// - an unmeasured peer counts 1.0 s per unit; a new one enters at the smallest sum;
/// - an error bans a peer until it is announced again or its announcement expires; a timeout is
///   neither a ban nor an observation.
/// Exclusions are ours (the interface asks for them): excluded peers stay in the heap untouched.
class paper_policy final : public routing_policy {
 public:
  paper_policy(uint64_t seed, const router_options& options);

  void add_peer(worker_id worker, double now_s) override;
  void remove_peer(worker_id worker) override;
  std::vector<worker_id> peers() const override;
  std::optional<worker_id> pick(double now_s, double work, const std::set<worker_id>& excluded,
                                microbatch_id microbatch) override;
  void on_dispatch(worker_id worker, double work) override;
  void on_success(worker_id worker, double now_s, double seconds, double work) override;
  void on_failure(worker_id worker, double now_s, double waited_s, double work) override;
  void on_timeout(worker_id worker, double now_s, double waited_s, double work) override;
  void on_cancel(worker_id worker, double work) override;
  void cancel_all() override;
  std::optional<double> estimate(worker_id worker) const override;
  uint32_t in_flight(worker_id worker) const override;
  std::optional<double> next_retry_s(double now_s) const override;
  std::vector<peer_status> status() const override;

 private:
  struct entry {
    worker_id worker;
    seconds_estimate seconds;
    double assigned_s = 0;
    uint64_t tie_break = 0;
    uint32_t in_flight = 0;
    bool banned = false;
    double banned_until_s = 0;
  };

  const entry* find(worker_id worker) const;
  entry* find(worker_id worker);
  void enter(entry& peer);
  void settle(worker_id worker);

  router_options options_;
  splitmix64 random_;
  std::vector<entry> table_;  // scanned instead of a heap: the same order, and bans need no surgery
};

}  // namespace swarm::wiring
