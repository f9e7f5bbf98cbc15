#include "actors/training/step_ledger.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>

#include "tests/actors/training/ledger_rig.hpp"

using namespace swarm;
using namespace swarm::training;

BOOST_AUTO_TEST_CASE(a_step_without_faults_is_one_round) {
  step_ledger ledger{step_id{3}, 4, 2};
  do_all(ledger);
  open_gather(ledger,
              {{worker(1), stage_id{0}}, {worker(2), stage_id{1}}, {worker(3), stage_id{1}}});
  ledger.report(worker(1), round_id{1}, bits({0, 1, 2, 3}));
  ledger.report(worker(2), round_id{1}, bits({0, 2}));
  BOOST_TEST(ledger.gathered(stage_id{0}));
  BOOST_TEST(!ledger.gathered(stage_id{1}));
  ledger.report(worker(3), round_id{1}, bits({1, 3}));
  BOOST_REQUIRE(ledger.gathered(stage_id{1}));
  BOOST_TEST((reconcile(ledger) == clean));
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
  open_gather(ledger, {{worker(1), stage_id{0}}, {worker(2), stage_id{1}}});
  ledger.report(worker(1), round_id{1}, bits({0, 1, 2}));
  ledger.report(worker(2), round_id{1}, bits({1}));
  BOOST_TEST((reconcile(ledger) == rework));
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
  open_gather(ledger, {{worker(1), stage_id{0}}, {worker(2), stage_id{0}}});
  ledger.report(worker(1), round_id{1}, bits({0, 1}));
  ledger.report(worker(2), round_id{1}, bits({1, 2, 3}));
  BOOST_TEST((reconcile(ledger) == rework));
  auto item = ledger.lease(trainer_a, 0);
  BOOST_REQUIRE(item);
  BOOST_TEST(item->microbatch.value() == 1);
  BOOST_TEST(item->weight == -1);
  BOOST_TEST((item->target == worker(2)));
  BOOST_TEST(ledger.to_drop(stage_id{0}).empty());
}

BOOST_AUTO_TEST_CASE(a_sum_that_is_mostly_double_is_dropped_instead) {
  step_ledger ledger{step_id{0}, 4, 1};
  do_all(ledger);
  open_gather(ledger, {{worker(1), stage_id{0}}, {worker(2), stage_id{0}}});
  ledger.report(worker(1), round_id{1}, bits({0, 1, 2}));
  ledger.report(worker(2), round_id{1}, bits({0, 1, 3}));
  BOOST_TEST((reconcile(ledger) == rework));
  BOOST_REQUIRE(ledger.to_drop(stage_id{0}).size() == 1U);
  BOOST_TEST((ledger.to_drop(stage_id{0}).front() == worker(2)));
  ledger.forgot(worker(2));
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
  open_gather(ledger, {{worker(1), stage_id{0}}});
  ledger.report(worker(1), round_id{1}, bits({1}));
  BOOST_TEST((reconcile(ledger) == clean));
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
    open_gather(ledger, {{newcomer, stage_id{0}}, {worker(2), stage_id{1}}});
    ledger.report(newcomer, ledger.round(stage_id{0}), {});
    ledger.report(worker(2), ledger.round(stage_id{1}), bits({0, 1}));
    BOOST_TEST((reconcile(ledger) == rework));
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
  open_gather(ledger, {{worker(1), stage_id{0}}});
  ledger.report(worker(1), round_id{1}, {});
  BOOST_TEST((reconcile(ledger) == rework));
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
  open_gather(ledger, {{worker(1), stage_id{0}}, {worker(2), stage_id{0}}});
  ledger.report(worker(1), round_id{1}, bits({1}));
  ledger.report(worker(2), round_id{1}, bits({0, 1}));
  BOOST_TEST((reconcile(ledger) == rework));
  BOOST_TEST(!ledger.lease(trainer_a, 0));
  const auto undo = ledger.lease(trainer_b, 0);
  BOOST_REQUIRE(undo);
  BOOST_TEST(undo->weight == -1);
  // Nothing is left to undo when the target dies.
  ledger.worker_lost(worker(2));
  BOOST_TEST(ledger.wants_gather(stage_id{0}));
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
  open_gather(ledger, {{worker(1), stage_id{0}}, {worker(2), stage_id{0}}});
  ledger.report(worker(1), round_id{1}, bits({}));
  ledger.report(worker(2), round_id{1}, bits({0}));
  BOOST_TEST((reconcile(ledger) == clean));
  ledger.worker_lost(worker(2));
  BOOST_TEST(reduce_failed(ledger));
  BOOST_TEST(!ledger.committable());
  open_gather(ledger, {{worker(1), stage_id{0}}});
  BOOST_TEST(ledger.round(stage_id{0}).value() == 2U);
  ledger.report(worker(1), round_id{2}, bits({}));
  BOOST_TEST((reconcile(ledger) == rework));
}

BOOST_AUTO_TEST_CASE(members_that_disagree_commit_nothing) {
  step_ledger ledger{step_id{0}, 1, 1};
  do_all(ledger);
  open_gather(ledger, {{worker(1), stage_id{0}}, {worker(2), stage_id{0}}});
  ledger.report(worker(1), round_id{1}, bits({0}));
  ledger.report(worker(2), round_id{1}, bits({}));
  BOOST_TEST((reconcile(ledger) == clean));
  BOOST_TEST(ledger.reduced(worker(1), round_id{1}, "a", 1.0));
  BOOST_TEST(!ledger.reduced(worker(2), round_id{1}, "x", 1.0));
  BOOST_TEST(!ledger.committable());
  BOOST_TEST(reduce_failed(ledger));
}

BOOST_AUTO_TEST_CASE(a_worker_may_be_asked_until_the_others_have_answered) {
  step_ledger ledger{step_id{0}, 2, 1};
  do_all(ledger);
  BOOST_TEST(!ledger.ask_too(worker(2), stage_id{0}));
  open_gather(ledger, {{worker(1), stage_id{0}}});
  BOOST_TEST(!ledger.ask_too(worker(1), stage_id{0}));
  BOOST_TEST(ledger.ask_too(worker(2), stage_id{0}));
  ledger.report(worker(1), ledger.round(stage_id{0}), bits({0, 1}));
  BOOST_TEST(!ledger.gathered(stage_id{0}));
  ledger.report(worker(2), ledger.round(stage_id{0}), bits({}));
  BOOST_TEST(ledger.gathered(stage_id{0}));
  BOOST_TEST((reconcile(ledger) == clean));
  BOOST_TEST(ledger.group(stage_id{0}).size() == 2U);
  BOOST_TEST(!ledger.ask_too(worker(3), stage_id{0}));
}

BOOST_AUTO_TEST_CASE(an_empty_stage_waits) {
  step_ledger ledger{step_id{0}, 1, 2};
  do_all(ledger);
  open_gather(ledger, {{worker(1), stage_id{0}}});
  ledger.report(worker(1), round_id{1}, bits({0}));
  BOOST_TEST((reconcile(ledger) == empty));
}

/// Two stages of which the first has reduced while the second has not.
struct one_stage_ahead {
  one_stage_ahead() {
    do_all(ledger);
    open_gather(ledger,
                {{worker(1), stage_id{0}}, {worker(2), stage_id{1}}, {worker(3), stage_id{1}}});
    for (uint64_t id : {1, 2, 3})
      ledger.report(worker(id), round_id{1}, id == 3 ? bits({}) : bits({0, 1}));
    BOOST_TEST((reconcile(ledger) == clean));
    BOOST_TEST(ledger.reduced(worker(1), round_id{1}, "a", 1.0));
  }

  step_ledger ledger{step_id{0}, 2, 2};
};

BOOST_FIXTURE_TEST_CASE(a_death_at_one_stage_repeats_nothing_at_another, one_stage_ahead) {
  ledger.worker_lost(worker(2));
  BOOST_TEST(ledger.wants_gather(stage_id{1}));
  BOOST_TEST(!ledger.wants_gather(stage_id{0}));
  open_gather(ledger, {{worker(1), stage_id{0}}, {worker(3), stage_id{1}}});
  BOOST_TEST(ledger.round(stage_id{0}) == round_id{1});
  BOOST_TEST(ledger.round(stage_id{1}) == round_id{2});
  ledger.report(worker(3), round_id{2}, {});
  BOOST_TEST((reconcile(ledger) == rework));
  while (auto item = ledger.lease(trainer_a, 0)) {
    BOOST_TEST(item->stages == 2U);
    ledger.settle(item->item, lease_outcome::done, 1.0);
  }
  BOOST_TEST(ledger.round() == round_id{3});
  open_gather(ledger, {{worker(1), stage_id{0}}, {worker(3), stage_id{1}}});
  ledger.report(worker(3), round_id{3}, bits({0, 1}));
  BOOST_TEST((reconcile(ledger) == clean));
  BOOST_TEST(!ledger.committable());
  BOOST_TEST(ledger.reduced(worker(3), round_id{3}, "b", 2.0));
  BOOST_TEST(ledger.committable());
  BOOST_TEST(ledger.squared_norm() == 3.0);
}

BOOST_FIXTURE_TEST_CASE(a_sum_is_a_fact_while_somebody_has_it, one_stage_ahead) {
  ledger.worker_lost(worker(1));
  BOOST_TEST(ledger.wants_gather(stage_id{0}));
}

BOOST_AUTO_TEST_CASE(a_stage_gathers_as_soon_as_its_own_part_is_done) {
  step_ledger ledger{step_id{0}, 1, 3};
  const auto item = ledger.lease(trainer_a, 0);
  BOOST_TEST(!ledger.wants_gather(stage_id{2}));
  ledger.progressed(item->item, 4, 1);
  BOOST_TEST(ledger.wants_gather(stage_id{2}));
  BOOST_TEST(!ledger.wants_gather(stage_id{1}));
  ledger.open_gather(stage_id{2}, {worker(1)});
  // What is leased again is for the stages that have not answered.
  ledger.trainer_lost(trainer_a);
  const auto again = ledger.lease(trainer_b, 2);
  BOOST_REQUIRE(again);
  BOOST_TEST(again->stages == 3U);
  ledger.settle(again->item, lease_outcome::done, 1.0);
  BOOST_TEST(ledger.wants_gather(stage_id{0}));
  BOOST_TEST(ledger.wants_gather(stage_id{1}));
}

BOOST_AUTO_TEST_CASE(what_a_dead_worker_held_is_leased_again_before_its_stage_gathers) {
  step_ledger ledger{step_id{0}, 2, 2};
  const auto first = ledger.lease(trainer_a, 0);
  const auto second = ledger.lease(trainer_a, 0);
  const auto answers = [&](const lease_item& item, uint64_t stages, worker_id by) {
    ledger.answered_by(item.item, stages, by);
    ledger.progressed(item.item, stages, 0);
  };
  answers(*first, 2, worker(3));
  answers(*first, 1, worker(1));
  ledger.settle(first->item, lease_outcome::done, 1.0);
  answers(*second, 2, worker(4));
  BOOST_TEST(ledger.wants_gather(stage_id{1}));
  ledger.worker_lost(worker(3));
  ledger.recompute(worker(3));
  BOOST_TEST(!ledger.wants_gather(stage_id{1}));
  const auto again = ledger.lease(trainer_a, 0);
  BOOST_REQUIRE(again);
  BOOST_TEST((again->microbatch == first->microbatch));
  BOOST_TEST(again->stages == 2U);
  BOOST_TEST(ledger.reworked() == 1U);
  ledger.settle(again->item, lease_outcome::done, 1.0);
  BOOST_TEST(ledger.wants_gather(stage_id{1}));
  // A worker that dies while its stage gathers is missed there, and by nobody twice.
  ledger.open_gather(stage_id{1}, {worker(4), worker(5)});
  ledger.worker_lost(worker(4));
  ledger.recompute(worker(4));
  BOOST_TEST(!ledger.waiting());
  ledger.report(worker(5), ledger.round(stage_id{1}), bits({0}));
  BOOST_TEST((ledger.reconcile(stage_id{1}) == rework));
  BOOST_TEST(ledger.waiting());
}

BOOST_AUTO_TEST_CASE(a_lease_that_makes_progress_does_not_expire) {
  step_ledger ledger{step_id{0}, 1, 3};
  const auto item = ledger.lease(trainer_a, 0);
  ledger.progressed(item->item, 4, 7);
  BOOST_TEST(ledger.expire(10, 8) == 0U);
  ledger.progressed(item->item, 2, 9);
  BOOST_TEST(ledger.expire(16, 8) == 0U);
  // All stages have answered, and only the last word was lost.
  ledger.progressed(item->item, 1, 9);
  BOOST_TEST(ledger.expire(18, 8) == 1U);
  BOOST_TEST(!ledger.waiting());
  BOOST_TEST(ledger.wants_gather(stage_id{0}));
}

BOOST_AUTO_TEST_CASE(a_microbatch_that_is_dropped_late_reopens_the_stages_that_have_it) {
  step_ledger ledger{step_id{0}, 2, 2};
  const auto first = ledger.lease(trainer_a, 0);
  ledger.settle(ledger.lease(trainer_a, 0)->item, lease_outcome::done, 1.0);
  ledger.progressed(first->item, 2, 0);
  ledger.open_gather(stage_id{1}, {worker(2)});
  ledger.report(worker(2), round_id{1}, bits({0, 1}));
  BOOST_TEST((ledger.reconcile(stage_id{1}) == clean));
  BOOST_TEST(ledger.reduced(worker(2), round_id{1}, "b", 1.0));
  auto item = first;
  for (uint32_t times = 1; times < non_finite_max; ++times) {
    ledger.settle(item->item, lease_outcome::non_finite, 0);
    item = ledger.lease(trainer_a, 0);
    BOOST_REQUIRE(item);
    BOOST_TEST(item->stages == 1U);
  }
  BOOST_TEST(!ledger.wants_gather(stage_id{1}));
  ledger.settle(item->item, lease_outcome::non_finite, 0);
  BOOST_TEST((ledger.dropped() == std::set<microbatch_id>{microbatch_id{0}}));
  BOOST_TEST(ledger.wants_gather(stage_id{1}));
  ledger.open_gather(stage_id{1}, {worker(2)});
  ledger.report(worker(2), round_id{2}, bits({0, 1}));
  BOOST_TEST((ledger.reconcile(stage_id{1}) == rework));
  const auto undo = ledger.lease(trainer_a, 0);
  BOOST_REQUIRE(undo);
  BOOST_TEST(undo->weight == -1);
}

BOOST_AUTO_TEST_CASE(nothing_is_leased_for_a_stage_whose_sums_are_still_to_be_dropped) {
  step_ledger ledger{step_id{0}, 4, 2};
  do_all(ledger);
  open_gather(ledger,
              {{worker(1), stage_id{0}}, {worker(2), stage_id{0}}, {worker(3), stage_id{1}}});
  ledger.report(worker(1), round_id{1}, bits({0, 1, 2}));
  ledger.report(worker(2), round_id{1}, bits({0, 1, 3}));
  ledger.report(worker(3), round_id{1}, bits({0}));
  BOOST_TEST((reconcile(ledger) == rework));
  for (int i = 0; i < 3; ++i) {
    const auto item = ledger.lease(trainer_a, 0);
    BOOST_REQUIRE(item);
    BOOST_TEST(item->stages == 2U);
  }
  BOOST_TEST(!ledger.lease(trainer_a, 0));
  ledger.forgot(worker(2));
  BOOST_TEST(ledger.lease(trainer_a, 0)->stages == 1U);
}

BOOST_AUTO_TEST_CASE(an_empty_stage_does_not_hold_up_the_others) {
  step_ledger ledger{step_id{0}, 1, 2};
  do_all(ledger);
  open_gather(ledger, {{worker(1), stage_id{0}}});
  ledger.report(worker(1), round_id{1}, bits({0}));
  BOOST_TEST((reconcile(ledger) == empty));
  BOOST_TEST((ledger.now(stage_id{0}) == stage_round::phase::reducing));
  open_gather(ledger, {{worker(2), stage_id{1}}});
  BOOST_TEST(ledger.round(stage_id{1}) == round_id{2});
  ledger.report(worker(2), round_id{2}, {});
  BOOST_TEST((reconcile(ledger) == rework));
  BOOST_TEST(ledger.lease(trainer_a, 0)->stages == 2U);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_undone_is_dropped) {
  for (auto outcome : {lease_outcome::non_finite, lease_outcome::returned}) {
    step_ledger ledger{step_id{0}, 4, 1};
    do_all(ledger);
    const std::map<worker_id, stage_id> both{{worker(1), stage_id{0}}, {worker(2), stage_id{0}}};
    for (uint32_t round : {1U, 2U}) {
      open_gather(ledger, both);
      ledger.report(worker(1), round_id{round}, bits({0, 1}));
      ledger.report(worker(2), round_id{round}, bits({1, 2, 3}));
      BOOST_TEST((reconcile(ledger) == rework));
      if (round == 2) break;
      const auto undo = ledger.lease(trainer_a, 0);
      BOOST_REQUIRE(undo);
      BOOST_TEST(undo->weight == -1);
      ledger.settle(undo->item, outcome, 0);
      BOOST_TEST(ledger.wants_gather(stage_id{0}));
    }
    BOOST_TEST(ledger.dropped().empty());
    BOOST_REQUIRE(ledger.to_drop(stage_id{0}).size() == 1U);
    BOOST_TEST((ledger.to_drop(stage_id{0}).front() == worker(2)));
  }
}

BOOST_AUTO_TEST_CASE(a_set_with_microbatches_that_the_step_does_not_have_is_refused) {
  step_ledger ledger{step_id{0}, 4, 1};
  do_all(ledger);
  open_gather(ledger, {{worker(1), stage_id{0}}, {worker(2), stage_id{0}}});
  BOOST_TEST(!ledger.report(worker(1), round_id{1}, bits({0, 4})));
  BOOST_TEST(!ledger.report(worker(1), round_id{1}, bits({0, 800})));
  BOOST_TEST(!ledger.gathered(stage_id{0}));
  ledger.worker_lost(worker(1));
  BOOST_TEST(ledger.report(worker(2), round_id{1}, {0xf, 0, 0}));  // zeroes say nothing
  BOOST_TEST((reconcile(ledger) == clean));
}

BOOST_AUTO_TEST_CASE(a_norm_that_is_not_a_number_fails_the_round) {
  step_ledger ledger{step_id{0}, 1, 1};
  do_all(ledger);
  open_gather(ledger, {{worker(1), stage_id{0}}});
  ledger.report(worker(1), round_id{1}, bits({0}));
  BOOST_TEST((reconcile(ledger) == clean));
  BOOST_TEST(!ledger.reduced(worker(1), round_id{1}, "a", std::nan("")));
  BOOST_TEST(reduce_failed(ledger));
}
