#include <boost/test/unit_test.hpp>

#include "tests/actors/stage/follower_rig.hpp"

/// A joiner whose download lasts longer than a step.

namespace {

using namespace swarm;
using namespace swarm::testing;
using namespace std::chrono_literals;
using reason = schemas::Refusal::Reason;
using boost::test_tools::per_element;

}  // namespace

BOOST_AUTO_TEST_CASE(a_joiner_follows_before_it_has_a_chunk) {
  follower_rig f;
  BOOST_REQUIRE(f.states.size() == 2U);
  BOOST_TEST((f.states[0].first == wire::member_state::joining));
  BOOST_TEST((f.states[1].first == wire::member_state::following));
  f.open(1);
  BOOST_TEST(f.states.size() == 2U);
  CHECK_REFUSED(f.rig.call<wire::loss_done>(f.two, loss_of({}, 0)), reason::NOT_SERVING);
  CHECK_REFUSED(f.rig.call<wire::holding>(f.two, gather_of({})), reason::NOT_SERVING);
}

BOOST_AUTO_TEST_CASE(a_download_of_several_steps_ends_at_the_stages_version) {
  for (int64_t steps : {1, 2, 5, 100}) {
    follower_rig f;
    f.open(1);
    for (int64_t step = 0; step < steps; ++step) {
      const auto reduced = f.reduce(step);
      BOOST_REQUIRE(reduced.value);
      BOOST_TEST(reduced.value->read()->getStep() == step);
      const auto committed = f.commit(step);
      BOOST_REQUIRE(committed.value);
      BOOST_TEST(committed.value->read()->getVersion() == step + 1);
    }
    CHECK_REFUSED(f.rig.call<wire::loss_done>(f.two, loss_of({steps}, 0)), reason::NOT_SERVING);
    f.open(1);
    BOOST_REQUIRE(!f.states.empty());
    BOOST_TEST((f.states.back().first == wire::member_state::serving));
    BOOST_TEST(f.states.back().second == steps);
    f.joiner_has(steps);
    // No shard has missed a step.
    BOOST_TEST(f.asked() == all_shards);
    // From here on it is one of the group.
    BOOST_TEST(f.rig.call<wire::loss_done>(f.two, loss_of({steps}, 0)).value.has_value());
    const auto position = f.rig.call<wire::position>(f.two, take_over_of(2));
    BOOST_REQUIRE(position.value);
    BOOST_TEST(position.value->read()->getVersion() == steps);
    BOOST_TEST(position.value->read()->getCommitted().getRound() == 1U);
  }
}

BOOST_AUTO_TEST_CASE(a_follower_adds_nothing_to_the_sum) {
  follower_rig f;
  f.open(1);
  BOOST_REQUIRE(f.reduce(0).value);
  f.commit(0);
  BOOST_TEST(f.weights(f.one).second == reference_weights(1, 1), per_element());
}

BOOST_AUTO_TEST_CASE(a_step_that_is_reduced_again_is_followed_in_its_last_round) {
  follower_rig f;
  f.open(1);
  BOOST_REQUIRE(f.reduce(0, true, 1).value);
  BOOST_REQUIRE(f.reduce(0, true, 3).value);
  CHECK_REFUSED(f.rig.call<wire::reduced>(f.two, reduce_of({0, 2}, {worker}, {joining})),
                reason::FROZEN);
  BOOST_REQUIRE(f.commit(0, true, 3).value);
  f.open(all_shards);
  f.joiner_has(1);
}

BOOST_AUTO_TEST_CASE(a_follower_obeys_no_lower_term) {
  follower_rig f;
  f.open(1);
  CHECK_REFUSED(f.rig.call<wire::position>(f.two, take_over_of(4)), reason::NOT_SERVING);
  CHECK_REFUSED(f.rig.call<wire::reduced>(f.two, reduce_of({}, {worker}, {joining})),
                reason::LOWER_TERM);
  CHECK_REFUSED(f.rig.call<wire::committed>(f.two, commit_of({})), reason::LOWER_TERM);
}

BOOST_AUTO_TEST_CASE(a_sum_that_is_not_committed_yet_is_committed_after_the_download) {
  follower_rig f;
  f.open(1);
  f.reduce(0);
  f.commit(0);
  const auto reduced = f.reduce(1);
  BOOST_REQUIRE(reduced.value);
  f.open(all_shards);
  f.joiner_has(1);
  const auto position = f.rig.call<wire::position>(f.two, take_over_of(1));
  BOOST_REQUIRE(position.value);
  BOOST_TEST(position.value->read()->getReduced().getRound() == 1U);
  BOOST_TEST(position.value->read()->getCounted() == 1U);
  BOOST_TEST(position.value->read()->getHash().cStr() == reduced.value->read()->getHash().cStr());
  const auto other = f.rig.call<wire::position>(f.one, take_over_of(1));
  BOOST_TEST(position.value->read()->getSquaredNorm() == other.value->read()->getSquaredNorm());
  BOOST_REQUIRE(f.commit(1).value);
  f.joiner_has(2);
}

BOOST_AUTO_TEST_CASE(a_sum_that_a_joiner_shows_survives_it) {
  const auto store = std::make_shared<stage::memory_state_store>();
  follower_rig f{store};
  f.open(1);
  f.reduce(0);
  f.open(all_shards);
  BOOST_TEST(
      f.rig.call<wire::position>(f.two, take_over_of(1)).value->read()->getReduced().getRound() ==
      1U);
  f.rig.kill(f.two);
  f.spawn_joiner(store);
  f.rig.run();
  BOOST_REQUIRE(f.commit(0).value);
  f.joiner_has(1);
}

BOOST_AUTO_TEST_CASE(a_commit_may_come_at_any_moment_of_the_download) {
  for (const int64_t followed : {0, 1}) {
    for (size_t events = 0; events < 60; ++events) {
      follower_rig f;
      f.open(1);
      for (int64_t step = 0; step < followed; ++step) {
        f.reduce(step);
        f.commit(step);
      }
      f.reduce(followed);
      f.open_later(all_shards);
      f.rig.scheduler().run(events);
      BOOST_REQUIRE(f.commit(followed).value);
      f.joiner_has(followed + 1);
    }
  }
}

BOOST_AUTO_TEST_CASE(another_round_may_come_at_any_moment_of_the_download) {
  for (size_t events = 0; events < 60; ++events) {
    follower_rig f;
    f.open(1);
    f.reduce(0);
    f.open_later(all_shards);
    f.rig.scheduler().run(events);
    BOOST_REQUIRE(f.rig.call<wire::holding>(f.one, gather_of({0, 2})).value);
    // Who serves by now is asked to gather, and is a member.
    const auto gathered = f.rig.ask<wire::holding>(f.two.worker, gather_of({0, 2}));
    f.rig.run();
    f.reduce(0, true, 2);
    BOOST_TEST(f.commit(0, true, 2).answered());
    f.rig.pass(1s);
    f.joiner_has(1);
  }
}

// -- steps that are shorter than a question to the donor
// --------------------------------------------

BOOST_AUTO_TEST_CASE(steps_that_end_before_the_first_chunk_comes_are_followed) {
  for (int64_t steps : {1, 4}) {
    follower_rig f;
    for (int64_t step = 0; step < steps; ++step) {
      BOOST_REQUIRE(f.reduce(step).value);
      BOOST_REQUIRE(f.commit(step).value);
    }
    f.open(all_shards);
    BOOST_TEST(f.asked() == all_shards);
    f.joiner_has(steps);
    const auto position = f.rig.call<wire::position>(f.two, take_over_of(2));
    BOOST_REQUIRE(position.value);
    BOOST_TEST(position.value->read()->getCommitted().getRound() == 1U);
  }
}

/// As on a slow line.
BOOST_AUTO_TEST_CASE(a_shard_that_comes_after_its_step_is_asked_for_again) {
  follower_rig f;
  f.open(1);
  f.be_slow();
  f.reduce(0);
  f.commit(0);
  // The second shard was asked for before the step, and is of that time.
  f.open(1);
  BOOST_TEST((f.states.back().first == wire::member_state::following) == (f.asked() > all_shards));
  f.reduce(1);
  f.commit(1);
  f.open(10);
  f.rig.pass(1s);
  f.joiner_has(2);
  BOOST_TEST(f.asked() <= all_shards + 2);
}

/// The donor has had the commit, the joiner has not.
BOOST_AUTO_TEST_CASE(a_shard_may_come_from_after_a_step_that_is_open) {
  for (const bool commit_comes : {true, false}) {
    follower_rig f;
    f.open(1);
    f.reduce(0);
    BOOST_REQUIRE(f.commit(0, false).failed == false);
    f.open(1);
    BOOST_TEST((f.states.back().first == wire::member_state::following));
    if (commit_comes) {
      BOOST_TEST(f.rig.call<wire::committed>(f.two, commit_of({0})).value.has_value());
      BOOST_TEST(f.asked() == all_shards);
    } else {
      f.open(1);
      f.rig.pass(31s);
      BOOST_TEST(f.asked() == all_shards + 1);
    }
    BOOST_TEST((f.states.back().first == wire::member_state::serving));
    f.joiner_has(1);
  }
}

/// The order has come, the state is there, and the sum is on its way.
BOOST_AUTO_TEST_CASE(a_joiner_waits_for_a_sum_that_is_on_its_way) {
  follower_rig f;
  f.open(1);
  const when w{};
  f.rig.call<wire::loss_done>(f.one, loss_of(w, 0));
  f.rig.call<wire::holding>(f.one, gather_of(w));
  const auto order = reduce_of(w, {worker}, {joining}, 1);
  const auto its = f.rig.ask<wire::reduced>(f.two.worker, order);
  f.rig.run();
  f.open(all_shards);
  BOOST_TEST((f.states.back().first == wire::member_state::following));
  BOOST_REQUIRE(f.rig.call<wire::reduced>(f.one, order).value);
  BOOST_TEST(its->value.has_value());
  BOOST_TEST((f.states.back().first == wire::member_state::serving));
  BOOST_REQUIRE(f.commit(0).value);
  f.joiner_has(1);
}

BOOST_AUTO_TEST_CASE(a_joiner_does_not_wait_for_a_sum_for_ever) {
  for (const bool alone : {false, true}) {
    follower_rig f;
    f.open(1);
    f.rig.ask<wire::reduced>(f.two.worker, reduce_of({}, {worker}, {joining}, 1));
    f.rig.run();
    f.open(all_shards);
    BOOST_TEST((f.states.back().first == wire::member_state::following));
    if (alone) {
      f.rig.kill(f.one);
      f.close();
    } else {
      f.rig.pass(31s);
    }
    BOOST_TEST((f.states.back().first == wire::member_state::serving));
    f.joiner_has(0);
  }
}

/// It had waited for an earlier step for as long as it does.
BOOST_AUTO_TEST_CASE(a_sum_that_is_here_is_not_forgotten_when_the_last_shard_comes) {
  follower_rig f;
  f.open(1);
  f.reduce(0);
  f.commit(0, false);
  // From after the open step: it waits for the commit of that.
  f.open(1);
  f.rig.pass(29s);
  f.reduce(1);
  f.rig.pass(2s);
  f.open(1);
  BOOST_TEST((f.states.back().first == wire::member_state::serving));
  BOOST_REQUIRE(f.commit(1).value);
  f.joiner_has(2);
  BOOST_TEST(f.weights(f.one).second == reference_weights(1, 2), per_element());
}

/// State and sum share its line, so the others are done before it is.
BOOST_AUTO_TEST_CASE(a_commit_that_comes_before_its_sum_waits_for_it) {
  follower_rig f;
  f.open(1);
  const when w{};
  f.rig.call<wire::loss_done>(f.one, loss_of(w, 0));
  f.rig.call<wire::holding>(f.one, gather_of(w));
  const auto order = reduce_of(w, {worker}, {joining}, 1);
  f.rig.ask<wire::reduced>(f.two.worker, order);
  const auto early = f.rig.ask<wire::committed>(f.two.worker, commit_of(w));
  f.rig.run();
  BOOST_TEST(!early->value.has_value());
  BOOST_TEST(!early->failed);
  BOOST_REQUIRE(f.rig.call<wire::reduced>(f.one, order).value);
  BOOST_TEST(early->value.has_value());
  BOOST_REQUIRE(f.rig.call<wire::committed>(f.one, commit_of(w)).value);
  f.open(all_shards);
  BOOST_TEST(f.asked() == all_shards);
  BOOST_TEST(f.events.count("refetch") == 0U);
  f.joiner_has(1);
}

BOOST_AUTO_TEST_CASE(a_commit_waits_for_its_sum_no_longer_than_until_the_next_step_is_reduced) {
  follower_rig f;
  f.open(1);
  f.rig.ask<wire::reduced>(f.two.worker, reduce_of({}, {worker}, {joining}, 1));
  const auto early = f.rig.ask<wire::committed>(f.two.worker, commit_of({}));
  f.rig.run();
  f.reduce(0, false);
  f.commit(0, false);
  BOOST_TEST(!early->failed);
  BOOST_TEST(f.reduce(1).value.has_value());
  BOOST_TEST(early->failed);
  f.commit(1);
  f.open(10);
  f.rig.pass(31s);
  BOOST_TEST((f.states.back().first == wire::member_state::serving));
  f.joiner_has(2);
}

/// It was a follower when the order was sent, and has no part in the gather.
BOOST_AUTO_TEST_CASE(an_order_to_a_follower_that_serves_by_now_is_carried_out) {
  follower_rig f;
  f.open(all_shards);
  BOOST_TEST((f.states.back().first == wire::member_state::serving));
  // What it holds is not in the sum.
  BOOST_TEST(f.rig.call<wire::loss_done>(f.two, loss_of({}, 0)).value.has_value());
  BOOST_TEST(f.reduce(0).value.has_value());
  BOOST_TEST(f.commit(0).value.has_value());
  f.joiner_has(1);
  BOOST_TEST(f.weights(f.one).second == reference_weights(1, 1), per_element());
}

/// It serves since its stage began to reduce, and hears of the commit before it has the sum.
BOOST_AUTO_TEST_CASE(a_commit_waits_for_the_sum_at_one_that_has_begun_to_serve_since) {
  follower_rig f;
  f.rig.call<wire::loss_done>(f.one, loss_of({}, 0));
  BOOST_REQUIRE(f.rig.call<wire::holding>(f.one, gather_of({})).value);
  BOOST_REQUIRE(f.rig.call<wire::reduced>(f.one, reduce_of({}, {worker}, {}, 1)).value);
  f.open(all_shards);
  BOOST_REQUIRE((f.states.back().first == wire::member_state::serving));
  const auto order = reduce_of({}, {worker}, {joining}, 1, 1);
  const auto its_sum = f.rig.ask<wire::reduced>(f.two.worker, order);
  f.rig.run();
  // Nobody counts on it meanwhile.
  for (int repeat = 0; repeat < 2; ++repeat)
    CHECK_REFUSED(f.rig.call<wire::committed>(f.two, commit_of({})), reason::WRONG_ROUND);
  BOOST_TEST(!its_sum->answered());
  BOOST_REQUIRE(f.rig.call<wire::reduced>(f.one, order).value);
  f.rig.run();
  BOOST_TEST(its_sum->value.has_value());
  BOOST_TEST((f.states.back() == std::pair{wire::member_state::serving, int64_t{1}}));
  BOOST_REQUIRE(f.rig.call<wire::committed>(f.one, commit_of({})).value);
  f.joiner_has(1);
  BOOST_TEST(f.weights(f.one).second == reference_weights(1, 1), per_element());
  BOOST_TEST(f.asked() == all_shards);
}

BOOST_AUTO_TEST_CASE(a_commit_waits_for_its_sum_until_the_next_order) {
  follower_rig f;
  f.open(all_shards);
  f.rig.ask<wire::reduced>(f.two.worker, reduce_of({}, {worker}, {joining}, 1, 1));
  CHECK_REFUSED(f.rig.call<wire::committed>(f.two, commit_of({})), reason::WRONG_ROUND);
  f.reduce(0, false);
  f.commit(0, false);
  BOOST_TEST(f.events["refetch"].empty());
  // The others are a step further.
  CHECK_REFUSED(f.rig.call<wire::holding>(f.two, gather_of({1})), reason::NOT_SERVING);
  BOOST_TEST(f.events["refetch"].size() == 1U);
  f.open(10);
  f.rig.pass(1s);
  f.joiner_has(1);
}

// -- what is missed -------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(whoever_misses_a_step_asks_again_for_what_has_missed_it) {
  for (const bool misses_commit : {false, true}) {
    follower_rig f;
    f.open(1);
    f.reduce(0, misses_commit);
    f.commit(0, false);
    BOOST_TEST(f.asked() == all_shards);
    // From here on it takes part again.
    BOOST_TEST(f.reduce(1).value.has_value());
    f.commit(1, false);
    f.open(10);
    f.rig.pass(31s);
    BOOST_TEST((f.states.back().first == wire::member_state::serving));
    BOOST_TEST(f.asked() <= all_shards + 2);
    f.joiner_has(2);
  }
}

BOOST_AUTO_TEST_CASE(a_commit_without_its_sum_makes_a_follower_ask_again) {
  follower_rig f;
  f.open(1);
  f.reduce(0, false);
  CHECK_REFUSED(f.commit(0), reason::WRONG_ROUND);
  f.open(10);
  f.rig.pass(1s);
  f.joiner_has(1);
}

/// One that has missed a step of another's history, too.
BOOST_AUTO_TEST_CASE(a_joiner_takes_the_later_history) {
  follower_rig f;
  f.reduce(0);
  f.commit(0);
  f.open(1);
  BOOST_REQUIRE(f.rig.call<wire::position>(f.one, restore_of(6, 1)).value);
  f.open(10);
  f.rig.pass(1s);
  f.joiner_has(1);
  const auto position = f.rig.call<wire::position>(f.two, take_over_of(6));
  BOOST_REQUIRE(position.value);
  BOOST_TEST(position.value->read()->getHistory() == 6U);
  CHECK_REFUSED(f.rig.call<wire::position>(f.two, take_over_of(5)), reason::LOWER_TERM);
}
