#include "actors/training/step_ledger.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <random>

namespace {

using namespace swarm;
using namespace swarm::training;

worker_id worker(uint64_t peer) {
  return {peer_id{peer}, incarnation_id{0}};
}

const worker_id trainer_a = worker(100);
const worker_id trainer_b = worker(101);

std::vector<uint8_t> bits(const std::set<int64_t>& held) {
  std::vector<uint8_t> result;
  for (int64_t m : held) {
    result.resize(std::max(result.size(), static_cast<size_t>(m / 8 + 1)));
    result[static_cast<size_t>(m / 8)] |= static_cast<uint8_t>(1 << (m % 8));
  }
  return result;
}

/// Settles everything that waits.
void do_all(step_ledger& ledger) {
  while (auto item = ledger.lease(trainer_a, 0))
    BOOST_TEST(ledger.settle(item->item, lease_outcome::done, 1.0));
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_step_without_faults_is_one_round) {
  step_ledger ledger{step_id{3}, 4, 2};
  do_all(ledger);
  BOOST_TEST(ledger.settled());
  ledger.open_gather(
      {{worker(1), stage_id{0}}, {worker(2), stage_id{1}}, {worker(3), stage_id{1}}});
  ledger.report(worker(1), round_id{1}, bits({0, 1, 2, 3}));
  ledger.report(worker(2), round_id{1}, bits({0, 2}));
  BOOST_TEST(!ledger.gathered());
  ledger.report(worker(3), round_id{1}, bits({1, 3}));
  BOOST_REQUIRE(ledger.gathered());
  BOOST_TEST((ledger.reconcile() == step_ledger::verdict::clean));
  BOOST_TEST(ledger.reduced(worker(1), round_id{1}, "a", 1.0));
  BOOST_TEST(ledger.reduced(worker(2), round_id{1}, "b", 2.0));
  BOOST_TEST(!ledger.committable());
  BOOST_TEST(ledger.reduced(worker(3), round_id{1}, "b", 2.0));
  BOOST_TEST(ledger.committable());
  BOOST_TEST(ledger.squared_norm() == 3.0);
  BOOST_TEST(ledger.mean_loss() == 1.0);
}

BOOST_AUTO_TEST_CASE(a_microbatch_that_nobody_holds_is_replayed_at_that_stage_only) {
  step_ledger ledger{step_id{0}, 3, 2};
  do_all(ledger);
  ledger.open_gather({{worker(1), stage_id{0}}, {worker(2), stage_id{1}}});
  ledger.report(worker(1), round_id{1}, bits({0, 1, 2}));
  ledger.report(worker(2), round_id{1}, bits({1}));
  BOOST_TEST((ledger.reconcile() == step_ledger::verdict::rework));
  BOOST_TEST(ledger.round().value() == 2U);
  std::set<int64_t> replayed;
  while (auto item = ledger.lease(trainer_a, 0)) {
    BOOST_TEST(item->stages == 2U);
    BOOST_TEST(item->weight == 1);
    replayed.insert(item->microbatch.value());
  }
  BOOST_TEST((replayed == std::set<int64_t>{0, 2}));
}

BOOST_AUTO_TEST_CASE(the_second_holder_of_a_microbatch_gives_it_up) {
  step_ledger ledger{step_id{0}, 4, 1};
  do_all(ledger);
  ledger.open_gather({{worker(1), stage_id{0}}, {worker(2), stage_id{0}}});
  ledger.report(worker(1), round_id{1}, bits({0, 1}));
  ledger.report(worker(2), round_id{1}, bits({1, 2, 3}));
  BOOST_TEST((ledger.reconcile() == step_ledger::verdict::rework));
  auto item = ledger.lease(trainer_a, 0);
  BOOST_REQUIRE(item);
  BOOST_TEST(item->microbatch.value() == 1);
  BOOST_TEST(item->weight == -1);
  BOOST_TEST((item->target == worker(2)));
  BOOST_TEST(ledger.to_drop().empty());
}

BOOST_AUTO_TEST_CASE(a_sum_that_is_mostly_double_is_dropped_instead) {
  step_ledger ledger{step_id{0}, 4, 1};
  do_all(ledger);
  ledger.open_gather({{worker(1), stage_id{0}}, {worker(2), stage_id{0}}});
  ledger.report(worker(1), round_id{1}, bits({0, 1, 2}));
  ledger.report(worker(2), round_id{1}, bits({0, 1, 3}));
  BOOST_TEST((ledger.reconcile() == step_ledger::verdict::rework));
  BOOST_REQUIRE(ledger.to_drop().size() == 1U);
  BOOST_TEST((ledger.to_drop().front() == worker(2)));
  auto item = ledger.lease(trainer_a, 0);
  BOOST_REQUIRE(item);
  BOOST_TEST(item->microbatch.value() == 3);
  BOOST_TEST(item->weight == 1);
  BOOST_TEST(!ledger.lease(trainer_a, 0));
}

BOOST_AUTO_TEST_CASE(a_dropped_microbatch_must_be_held_by_nobody) {
  step_ledger ledger{step_id{0}, 2, 1};
  auto first = ledger.lease(trainer_a, 0);
  auto second = ledger.lease(trainer_a, 0);
  ledger.settle(first->item, lease_outcome::non_finite, 0);
  ledger.settle(second->item, lease_outcome::done, 3.0);
  ledger.open_gather({{worker(1), stage_id{0}}});
  ledger.report(worker(1), round_id{1}, bits({1}));
  BOOST_TEST((ledger.reconcile() == step_ledger::verdict::clean));
  BOOST_TEST(ledger.reduced(worker(1), round_id{1}, "a", 1.0));
  BOOST_TEST(ledger.committable());
  BOOST_TEST(ledger.dropped_scale() == 2.0);
  BOOST_TEST(ledger.squared_norm() == 4.0);
  BOOST_TEST(ledger.mean_loss() == 3.0);
}

BOOST_AUTO_TEST_CASE(leases_of_a_dead_trainer_return) {
  step_ledger ledger{step_id{0}, 2, 1};
  auto item = ledger.lease(trainer_a, 0);
  ledger.lease(trainer_b, 0);
  ledger.trainer_lost(trainer_a);
  BOOST_TEST(!ledger.settle(item->item, lease_outcome::done, 1.0));
  auto again = ledger.lease(trainer_b, 0);
  BOOST_REQUIRE(again);
  BOOST_TEST((again->microbatch == item->microbatch));
  BOOST_TEST(ledger.leased_to(trainer_b) == 2U);
}

BOOST_AUTO_TEST_CASE(old_leases_expire) {
  step_ledger ledger{step_id{0}, 2, 1};
  ledger.lease(trainer_a, 0.0);
  ledger.lease(trainer_a, 5.0);
  BOOST_TEST(ledger.expire(10.0, 8.0) == 1U);
  BOOST_TEST(ledger.leased_to(trainer_a) == 1U);
}

BOOST_AUTO_TEST_CASE(a_member_that_dies_while_reducing_opens_the_next_round) {
  step_ledger ledger{step_id{0}, 1, 1};
  do_all(ledger);
  ledger.open_gather({{worker(1), stage_id{0}}, {worker(2), stage_id{0}}});
  ledger.report(worker(1), round_id{1}, bits({}));
  ledger.report(worker(2), round_id{1}, bits({0}));
  BOOST_TEST((ledger.reconcile() == step_ledger::verdict::clean));
  ledger.worker_lost(worker(2));
  BOOST_TEST(ledger.reduce_failed());
  BOOST_TEST(!ledger.committable());
  ledger.open_gather({{worker(1), stage_id{0}}});
  BOOST_TEST(ledger.round().value() == 2U);
  ledger.report(worker(1), round_id{2}, bits({}));
  BOOST_TEST((ledger.reconcile() == step_ledger::verdict::rework));
}

BOOST_AUTO_TEST_CASE(members_that_disagree_commit_nothing) {
  step_ledger ledger{step_id{0}, 1, 1};
  do_all(ledger);
  ledger.open_gather({{worker(1), stage_id{0}}, {worker(2), stage_id{0}}});
  ledger.report(worker(1), round_id{1}, bits({0}));
  ledger.report(worker(2), round_id{1}, bits({}));
  BOOST_TEST((ledger.reconcile() == step_ledger::verdict::clean));
  BOOST_TEST(ledger.reduced(worker(1), round_id{1}, "a", 1.0));
  BOOST_TEST(!ledger.reduced(worker(2), round_id{1}, "x", 1.0));
  BOOST_TEST(!ledger.committable());
  BOOST_TEST(ledger.reduce_failed());
}

BOOST_AUTO_TEST_CASE(an_empty_stage_waits) {
  step_ledger ledger{step_id{0}, 1, 2};
  do_all(ledger);
  ledger.open_gather({{worker(1), stage_id{0}}});
  ledger.report(worker(1), round_id{1}, bits({0}));
  BOOST_TEST((ledger.reconcile() == step_ledger::verdict::stage_empty));
}

/// Law: whatever the workers hold, whoever dies, the ledger reaches a commit, and there every stage
/// holds every microbatch exactly once (committable() aborts otherwise).
BOOST_AUTO_TEST_CASE(random_faults_always_end_in_a_lawful_commit) {
  for (unsigned seed = 0; seed < 500; ++seed) {
    std::mt19937 random{seed};
    const auto below = [&](int64_t n) {
      return static_cast<int64_t>(random() % static_cast<uint64_t>(n));
    };
    const int64_t microbatches = 1 + below(20);
    const auto stages = static_cast<int32_t>(1 + below(4));
    std::map<worker_id, stage_id> workers;
    std::map<worker_id, std::set<int64_t>> held;
    uint64_t next_peer = 1;
    for (int32_t s = 0; s < stages; ++s)
      for (int64_t i = 0; i <= below(3); ++i)
        workers[worker(next_peer++)] = stage_id{s};
    step_ledger ledger{step_id{0}, microbatches, stages};
    int faults_left = 6;
    const auto fault = [&](int64_t one_in) {
      if (faults_left == 0 || below(one_in) != 0) return false;
      --faults_left;
      return true;
    };
    const auto any_of = [&](int32_t s) {
      std::vector<worker_id> found;
      for (const auto& [id, stage] : workers)
        if (stage == stage_id{s}) found.push_back(id);
      return found[static_cast<size_t>(below(static_cast<int64_t>(found.size())))];
    };
    bool done = false;
    for (int turn = 0; turn < 1000 && !done; ++turn) {
      while (auto item = ledger.lease(trainer_a, 0)) {
        const int64_t m = item->microbatch.value();
        if (fault(10)) {
          ledger.settle(item->item, lease_outcome::returned, 0);
          continue;
        }
        if (item->weight < 0) {
          held[item->target].erase(m);
        } else {
          for (int32_t s = 0; s < stages; ++s) {
            if ((item->stages >> s & 1) == 0) continue;
            held[any_of(s)].insert(m);
            if (fault(10)) held[any_of(s)].insert(m);  // counted, but the reply was lost
          }
        }
        const auto outcome = fault(40) ? lease_outcome::non_finite : lease_outcome::done;
        ledger.settle(item->item, outcome, 1.0);
      }
      const auto kill = [&](worker_id id) {
        const auto stage = workers.at(id);
        workers.erase(id);
        held.erase(id);
        workers[worker(next_peer++)] = stage;  // restarted, with nothing
        ledger.worker_lost(id);
      };
      if (fault(2)) kill(workers.begin()->first);
      ledger.open_gather(workers);
      for (const auto& [id, stage] : workers)
        ledger.report(id, ledger.round(), bits(held[id]));
      if (ledger.reconcile() == step_ledger::verdict::rework) {
        for (const auto& id : ledger.to_drop())
          held[id].clear();
        continue;
      }
      if (fault(3)) {
        kill(std::prev(workers.end())->first);
        if (ledger.reduce_failed()) continue;
      }
      for (const auto& group : ledger.groups())
        for (const auto& id : group)
          ledger.reduced(id, ledger.round(), "hash", 1.0);
      done = ledger.committable();
    }
    BOOST_TEST(done, "seed " << seed << " never committed");
  }
}
