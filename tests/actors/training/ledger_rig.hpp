#pragma once

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <map>
#include <set>
#include <vector>

#include "actors/training/step_ledger.hpp"

/// What tests of the step ledger say often.
namespace swarm::training {

inline worker_id worker(uint64_t peer) {
  return {peer_id{peer}, incarnation_id{0}};
}

inline const worker_id trainer_a = worker(100);
inline const worker_id trainer_b = worker(101);

inline std::vector<uint8_t> bits(const std::set<int64_t>& held) {
  std::vector<uint8_t> result;
  for (int64_t m : held) {
    result.resize(std::max(result.size(), static_cast<size_t>(m / 8 + 1)));
    result[static_cast<size_t>(m / 8)] |= static_cast<uint8_t>(1 << (m % 8));
  }
  return result;
}

using placed = std::map<worker_id, stage_id>;

/// Gathers every stage that wants it, or of which nobody was there.
inline void open_gather(step_ledger& ledger, const placed& workers) {
  for (stage_id s{0}; s.value() < ledger.stages(); s = s.next()) {
    std::set<worker_id> asked;
    for (const auto& [id, stage] : workers)
      if (stage == s) asked.insert(id);
    if (ledger.wants_gather(s) || ledger.gathered(s)) ledger.open_gather(s, asked);
  }
}

/// Every stage that has answered; the worst that came of it.
inline stage_round::verdict reconcile(step_ledger& ledger) {
  auto worst = stage_round::verdict::clean;
  for (stage_id s{0}; s.value() < ledger.stages(); s = s.next())
    if (ledger.gathered(s)) worst = std::max(worst, ledger.reconcile(s));
  return worst;
}

inline bool reduce_failed(const step_ledger& ledger) {
  for (stage_id s{0}; s.value() < ledger.stages(); s = s.next())
    if (ledger.reduce_failed(s)) return true;
  return false;
}

inline constexpr auto clean = stage_round::verdict::clean;
inline constexpr auto rework = stage_round::verdict::rework;
inline constexpr auto empty = stage_round::verdict::empty;

/// Settles everything that waits.
inline void do_all(step_ledger& ledger) {
  while (auto item = ledger.lease(trainer_a, 0))
    BOOST_TEST(ledger.settle(item->item, lease_outcome::done, 1.0));
}

}  // namespace swarm::training
