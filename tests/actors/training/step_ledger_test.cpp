#include "actors/training/step_ledger.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
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

/// Workers of one step that the ledger only hears of, a few faults, and a seed that decides.
class random_step {
 public:
  explicit random_step(unsigned seed)
      : random_(seed),
        microbatches_(1 + below(20)),
        stages_(static_cast<int32_t>(1 + below(4))),
        ledger_(step_id{0}, microbatches_, stages_) {
    for (int32_t s = 0; s < stages_; ++s)
      for (int64_t i = 0; i <= below(3); ++i)
        workers_[worker(next_peer_++)] = stage_id{s};
  }

  /// One round. True: the step may be committed.
  bool round() {
    while (ledger_.waiting()) {
      const auto trainer =
          trainers_[static_cast<size_t>(below(static_cast<int64_t>(trainers_.size())))];
      if (auto item = ledger_.lease(trainer, 0)) work(*item, trainer);
    }
    if (fault(2)) kill(workers_.begin()->first);
    ledger_.open_gather(workers_);
    for (const auto& [id, stage] : workers_)
      ledger_.report(id, ledger_.round(), bits(held_[id]));
    if (ledger_.reconcile() == step_ledger::verdict::rework) {
      for (const auto& id : ledger_.to_drop())
        held_[id].clear();
      return false;
    }
    if (fault(3)) {
      kill(std::prev(workers_.end())->first);
      if (ledger_.reduce_failed()) return false;
    }
    for (const auto& group : ledger_.groups())
      for (const auto& id : group)
        ledger_.reduced(id, ledger_.round(), "hash", 1.0);
    return ledger_.committable();
  }

 private:
  int64_t below(int64_t n) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(n)); }

  /// Restarted, with nothing saved.
  void lose(worker_id trainer) {
    ledger_.trainer_lost(trainer);
    std::replace(trainers_.begin(), trainers_.end(), trainer, worker(next_peer_++));
  }

  bool fault(int64_t one_in) {
    if (faults_left_ == 0 || below(one_in) != 0) return false;
    --faults_left_;
    return true;
  }

  worker_id any_of(int32_t stage) {
    std::vector<worker_id> found;
    for (const auto& [id, at] : workers_)
      if (at == stage_id{stage}) found.push_back(id);
    return found[static_cast<size_t>(below(static_cast<int64_t>(found.size())))];
  }

  /// Restarted, with nothing.
  void kill(worker_id id) {
    const auto stage = workers_.at(id);
    workers_.erase(id);
    held_.erase(id);
    workers_[worker(next_peer_++)] = stage;
    ledger_.worker_lost(id);
  }

  /// Law: a replay goes to the trainer that did the microbatch last, while that one lives.
  void work(const lease_item& item, worker_id trainer) {
    const int64_t m = item.microbatch.value();
    const auto last = done_by_.find(m);
    if (last != done_by_.end() &&
        std::find(trainers_.begin(), trainers_.end(), last->second) != trainers_.end())
      BOOST_TEST((last->second == trainer));
    if (fault(10)) {
      done_by_.erase(m);
      ledger_.settle(item.item, lease_outcome::returned, 0);
      return;
    }
    if (fault(20)) return lose(trainer);
    if (item.weight < 0) {
      held_[item.target].erase(m);
    } else {
      for (int32_t s = 0; s < stages_; ++s) {
        if ((item.stages >> s & 1) == 0) continue;
        held_[any_of(s)].insert(m);
        if (fault(10)) held_[any_of(s)].insert(m);  // counted, but the reply was lost
      }
    }
    const auto outcome = fault(40) ? lease_outcome::non_finite : lease_outcome::done;
    if (outcome == lease_outcome::done) {
      done_by_[m] = trainer;
    } else {
      done_by_.erase(m);
    }
    ledger_.settle(item.item, outcome, 1.0);
  }

  std::mt19937 random_;
  int64_t microbatches_;
  int32_t stages_;
  step_ledger ledger_;
  std::map<worker_id, stage_id> workers_;
  std::map<worker_id, std::set<int64_t>> held_;
  std::vector<worker_id> trainers_{trainer_a, trainer_b, worker(102)};
  std::map<int64_t, worker_id> done_by_;
  uint64_t next_peer_ = 200;
  int faults_left_ = 6;
};

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
  BOOST_TEST(ledger.mean_loss().value() == 1.0);
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
  // One worker's fault must not cost a microbatch: it is tried again.
  for (uint32_t times = 1; times < non_finite_max; ++times) {
    ledger.settle(first->item, lease_outcome::non_finite, 0);
    BOOST_TEST(ledger.dropped().empty());
    first = ledger.lease(trainer_a, 0);
    BOOST_REQUIRE(first.has_value());
    BOOST_TEST((first->microbatch == microbatch_id{0}));
  }
  ledger.settle(first->item, lease_outcome::non_finite, 0);
  BOOST_TEST(ledger.dropped().size() == 1U);
  BOOST_TEST(!ledger.waiting());
  ledger.settle(second->item, lease_outcome::done, 3.0);
  ledger.open_gather({{worker(1), stage_id{0}}});
  ledger.report(worker(1), round_id{1}, bits({1}));
  BOOST_TEST((ledger.reconcile() == step_ledger::verdict::clean));
  BOOST_TEST(ledger.reduced(worker(1), round_id{1}, "a", 1.0));
  BOOST_TEST(ledger.committable());
  BOOST_TEST(ledger.dropped_scale() == 2.0);
  BOOST_TEST(ledger.squared_norm() == 4.0);
  BOOST_TEST(ledger.mean_loss().value() == 3.0);
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

/// Two microbatches at two stages, 0 done by trainer a and 1 by trainer b; then the only worker of
/// stage 0 dies, and another stands in its place.
struct lost_sum {
  lost_sum() {
    for (const auto& id : {trainer_a, trainer_b})
      BOOST_TEST(ledger.settle(ledger.lease(id, 0)->item, lease_outcome::done, 1.0));
    gather(worker(3));
  }

  /// Nobody of stage 0 holds anything.
  void gather(worker_id newcomer) {
    ledger.open_gather({{newcomer, stage_id{0}}, {worker(2), stage_id{1}}});
    ledger.report(newcomer, ledger.round(), {});
    ledger.report(worker(2), ledger.round(), bits({0, 1}));
    BOOST_TEST((ledger.reconcile() == step_ledger::verdict::rework));
  }

  step_ledger ledger{step_id{0}, 2, 2};
};

BOOST_FIXTURE_TEST_CASE(a_replay_goes_to_the_trainer_that_has_it_saved, lost_sum) {
  const auto of_b = ledger.lease(trainer_b, 0);
  BOOST_REQUIRE(of_b);
  BOOST_TEST((of_b->microbatch == microbatch_id{1}));
  BOOST_TEST(!ledger.lease(trainer_b, 0));
  BOOST_TEST(!ledger.lease(worker(102), 0));
  BOOST_TEST(ledger.waiting());
  const auto of_a = ledger.lease(trainer_a, 0);
  BOOST_REQUIRE(of_a);
  BOOST_TEST((of_a->microbatch == microbatch_id{0}));
  BOOST_TEST(!ledger.waiting());
}

BOOST_FIXTURE_TEST_CASE(a_replay_of_a_dead_trainer_goes_to_another, lost_sum) {
  ledger.lease(trainer_b, 0);
  ledger.trainer_lost(trainer_b);
  ledger.trainer_lost(trainer_a);
  std::set<int64_t> leased;
  while (auto item = ledger.lease(worker(102), 0))
    leased.insert(item->microbatch.value());
  BOOST_TEST((leased == std::set<int64_t>{0, 1}));
}

BOOST_FIXTURE_TEST_CASE(a_replay_that_is_given_back_goes_to_anybody, lost_sum) {
  for (auto outcome : {lease_outcome::returned, lease_outcome::non_finite}) {
    const auto who = outcome == lease_outcome::returned ? trainer_a : trainer_b;
    const auto item = ledger.lease(who, 0);
    BOOST_REQUIRE(item);
    BOOST_TEST(ledger.settle(item->item, outcome, 0));
    const auto again = ledger.lease(worker(102), 0);
    BOOST_REQUIRE(again);
    BOOST_TEST((again->microbatch == item->microbatch));
  }
}

/// Who lets one lease expire would perhaps let the next expire, too.
BOOST_AUTO_TEST_CASE(a_silent_trainer_is_not_preferred) {
  step_ledger ledger{step_id{0}, 3, 1};
  for (int i = 0; i < 3; ++i)
    ledger.settle(ledger.lease(trainer_a, 0)->item, lease_outcome::done, 1.0);
  ledger.open_gather({{worker(1), stage_id{0}}});
  ledger.report(worker(1), round_id{1}, {});
  BOOST_TEST((ledger.reconcile() == step_ledger::verdict::rework));
  ledger.lease(trainer_a, 0);
  BOOST_TEST(!ledger.lease(trainer_b, 5));
  BOOST_TEST(ledger.expire(10, 8) == 1U);
  for (int i = 0; i < 3; ++i)
    BOOST_TEST(ledger.lease(trainer_b, 10).has_value());
}

BOOST_FIXTURE_TEST_CASE(whoever_did_the_replay_gets_the_next_one, lost_sum) {
  ledger.trainer_lost(trainer_a);
  const auto by_b = ledger.lease(trainer_b, 0);
  ledger.settle(by_b->item, lease_outcome::done, 1.0);
  const auto by_c = ledger.lease(worker(102), 0);
  BOOST_REQUIRE(by_c);
  ledger.settle(by_c->item, lease_outcome::done, 1.0);
  gather(worker(4));
  BOOST_TEST((ledger.lease(trainer_b, 0)->microbatch == by_b->microbatch));
  BOOST_TEST(!ledger.lease(trainer_b, 0));
  BOOST_TEST((ledger.lease(worker(102), 0)->microbatch == by_c->microbatch));
}

BOOST_AUTO_TEST_CASE(an_undo_goes_to_the_trainer_that_has_it_saved) {
  step_ledger ledger{step_id{0}, 2, 1};
  for (const auto& id : {trainer_a, trainer_b})
    ledger.settle(ledger.lease(id, 0)->item, lease_outcome::done, 1.0);
  ledger.open_gather({{worker(1), stage_id{0}}, {worker(2), stage_id{0}}});
  ledger.report(worker(1), round_id{1}, bits({1}));
  ledger.report(worker(2), round_id{1}, bits({0, 1}));
  BOOST_TEST((ledger.reconcile() == step_ledger::verdict::rework));
  BOOST_TEST(!ledger.lease(trainer_a, 0));
  const auto undo = ledger.lease(trainer_b, 0);
  BOOST_REQUIRE(undo);
  BOOST_TEST(undo->weight == -1);
  // Nothing is left to undo when the target dies.
  ledger.worker_lost(worker(2));
  BOOST_TEST(ledger.settled());
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

BOOST_AUTO_TEST_CASE(a_worker_may_be_asked_until_the_others_have_answered) {
  step_ledger ledger{step_id{0}, 2, 1};
  do_all(ledger);
  BOOST_TEST(!ledger.ask_too(worker(2), stage_id{0}));
  ledger.open_gather({{worker(1), stage_id{0}}});
  BOOST_TEST(!ledger.ask_too(worker(1), stage_id{0}));
  BOOST_TEST(ledger.ask_too(worker(2), stage_id{0}));
  ledger.report(worker(1), ledger.round(), bits({0, 1}));
  BOOST_TEST(!ledger.gathered());
  ledger.report(worker(2), ledger.round(), bits({}));
  BOOST_TEST(ledger.gathered());
  BOOST_TEST((ledger.reconcile() == step_ledger::verdict::clean));
  BOOST_TEST(ledger.groups().at(0).size() == 2U);
  BOOST_TEST(!ledger.ask_too(worker(3), stage_id{0}));
}

BOOST_AUTO_TEST_CASE(an_empty_stage_waits) {
  step_ledger ledger{step_id{0}, 1, 2};
  do_all(ledger);
  ledger.open_gather({{worker(1), stage_id{0}}});
  ledger.report(worker(1), round_id{1}, bits({0}));
  BOOST_TEST((ledger.reconcile() == step_ledger::verdict::stage_empty));
}

BOOST_AUTO_TEST_CASE(an_empty_stage_leaves_the_others_as_they_are) {
  step_ledger ledger{step_id{0}, 4, 2};
  do_all(ledger);
  const std::map<worker_id, stage_id> first{{worker(1), stage_id{0}}, {worker(2), stage_id{0}}};
  ledger.open_gather(first);
  ledger.report(worker(1), round_id{1}, bits({0, 1, 2}));
  ledger.report(worker(2), round_id{1}, bits({2, 3}));
  BOOST_TEST((ledger.reconcile() == step_ledger::verdict::stage_empty));
  BOOST_TEST(!ledger.waiting());
  // The other holder of microbatch 2 is gone when the stage is back: nobody gives anything up.
  ledger.open_gather({{worker(2), stage_id{0}}, {worker(3), stage_id{1}}});
  ledger.report(worker(2), round_id{2}, bits({2, 3}));
  ledger.report(worker(3), round_id{2}, bits({}));
  BOOST_TEST((ledger.reconcile() == step_ledger::verdict::rework));
  while (auto item = ledger.lease(trainer_a, 0))
    BOOST_TEST(item->weight == 1);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_undone_is_dropped) {
  for (auto outcome : {lease_outcome::non_finite, lease_outcome::returned}) {
    step_ledger ledger{step_id{0}, 4, 1};
    do_all(ledger);
    const std::map<worker_id, stage_id> both{{worker(1), stage_id{0}}, {worker(2), stage_id{0}}};
    for (uint32_t round : {1U, 2U}) {
      ledger.open_gather(both);
      ledger.report(worker(1), round_id{round}, bits({0, 1}));
      ledger.report(worker(2), round_id{round}, bits({1, 2, 3}));
      BOOST_TEST((ledger.reconcile() == step_ledger::verdict::rework));
      if (round == 2) break;
      const auto undo = ledger.lease(trainer_a, 0);
      BOOST_REQUIRE(undo);
      BOOST_TEST(undo->weight == -1);
      ledger.settle(undo->item, outcome, 0);
      BOOST_TEST(ledger.settled());
    }
    BOOST_TEST(ledger.dropped().empty());
    BOOST_REQUIRE(ledger.to_drop().size() == 1U);
    BOOST_TEST((ledger.to_drop().front() == worker(2)));
  }
}

BOOST_AUTO_TEST_CASE(a_set_with_microbatches_that_the_step_does_not_have_is_refused) {
  step_ledger ledger{step_id{0}, 4, 1};
  do_all(ledger);
  ledger.open_gather({{worker(1), stage_id{0}}, {worker(2), stage_id{0}}});
  BOOST_TEST(!ledger.report(worker(1), round_id{1}, bits({0, 4})));
  BOOST_TEST(!ledger.report(worker(1), round_id{1}, bits({0, 800})));
  BOOST_TEST(!ledger.gathered());
  ledger.worker_lost(worker(1));
  BOOST_TEST(ledger.report(worker(2), round_id{1}, {0xf, 0, 0}));  // zeroes say nothing
  BOOST_TEST((ledger.reconcile() == step_ledger::verdict::clean));
}

BOOST_AUTO_TEST_CASE(a_norm_that_is_not_a_number_fails_the_round) {
  step_ledger ledger{step_id{0}, 1, 1};
  do_all(ledger);
  ledger.open_gather({{worker(1), stage_id{0}}});
  ledger.report(worker(1), round_id{1}, bits({0}));
  BOOST_TEST((ledger.reconcile() == step_ledger::verdict::clean));
  BOOST_TEST(!ledger.reduced(worker(1), round_id{1}, "a", std::nan("")));
  BOOST_TEST(ledger.reduce_failed());
}

/// Law: whatever the workers hold, whoever dies, the ledger reaches a commit, and there every stage
/// holds every microbatch exactly once (committable() aborts otherwise).
BOOST_AUTO_TEST_CASE(random_faults_always_end_in_a_lawful_commit) {
  for (unsigned seed = 0; seed < 500; ++seed) {
    random_step step{seed};
    bool done = false;
    for (int turn = 0; turn < 1000 && !done; ++turn)
      done = step.round();
    BOOST_TEST(done, "seed " << seed << " never committed");
  }
}
