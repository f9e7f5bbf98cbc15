#include <boost/test/unit_test.hpp>

#include "actors/stage/stage_worker.hpp"
#include "tests/actors/stage/engine_wrapper.hpp"
#include "tests/actors/stage/worker_rig.hpp"

/// Coordinators that follow each other, and orders that come again, as one worker sees them.

namespace {

using namespace swarm;
using namespace swarm::testing;
using stage::start_mode;
using reason = schemas::Refusal::Reason;
using boost::test_tools::per_element;
using numbers = std::vector<int64_t>;

using position = outcome<wire::position>;

position stand(worker_rig& rig, const crew& one, uint64_t term) {
  const auto reply = rig.call<wire::position>(one, take_over_of(term));
  BOOST_REQUIRE(reply.value);
  return reply;
}

std::pair<uint64_t, uint32_t> pair_of(schemas::Attempt::Reader attempt) {
  return {attempt.getTerm(), attempt.getRound()};
}

using attempt = std::pair<uint64_t, uint32_t>;
const attempt none{0, 0};

/// Both microbatches of a step in the sum, gathered and reduced at `w`.
outcome<wire::reduced> reduce_whole(worker_rig& rig, const crew& one, const when& w) {
  for (int64_t m : {0, 1})
    BOOST_REQUIRE(rig.call<wire::loss_done>(one, loss_of(w, m)).value);
  BOOST_REQUIRE(rig.call<wire::holding>(one, gather_of(w)).value);
  auto reply = rig.call<wire::reduced>(one, reduce_of(w, {1}, {}, 2));
  BOOST_REQUIRE(reply.value);
  return reply;
}

std::vector<float> weights(worker_rig& rig, const crew& one) {
  return snapshot(rig.call<wire::state_chunk>(one, newest_state())).second;
}

/// A worker whose optimizer steps are counted.
struct counted_worker {
  std::shared_ptr<int> applied = std::make_shared<int>(0);

  crew spawn(worker_rig& rig) const {
    return rig.spawn(1, start_mode::fresh, [applied = applied, make = rig.whole_model()] {
      return std::make_unique<counting_engine>(make(), applied);
    });
  }
};

tensors::host_tensor floats(std::vector<float> values) {
  const auto count = static_cast<int64_t>(values.size());
  return tensors::host_tensor::adopt(std::move(values), {1, count});
}

}  // namespace

// -- where it stands ------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_fresh_worker_stands_at_version_zero_with_nothing) {
  worker_rig rig{2};
  const auto one = rig.spawn(1, start_mode::fresh, rig.whole_model());
  const auto reply = stand(rig, one, 1);
  const auto s = reply.value->read();
  BOOST_TEST(s->getWorker().getPeer() == 1U);
  BOOST_TEST(s->getStage() == 0U);
  BOOST_TEST(s->getVersion() == 0);
  BOOST_TEST((pair_of(s->getReduced()) == none));
  BOOST_TEST((pair_of(s->getCommitted()) == none));
}

BOOST_AUTO_TEST_CASE(a_worker_shows_the_sum_that_it_has_promised) {
  worker_rig rig{2};
  const auto one = rig.spawn(1, start_mode::fresh, rig.whole_model());
  const auto reduced = reduce_whole(rig, one, {0, 3, 1});
  for (uint64_t term : {2U, 2U, 7U}) {  // a repeat, and the next one
    const auto reply = stand(rig, one, term);
    const auto s = reply.value->read();
    BOOST_TEST(s->getVersion() == 0);
    BOOST_TEST((pair_of(s->getReduced()) == attempt{1, 3}));
    BOOST_TEST(s->getHash().cStr() == reduced.value->read()->getHash().cStr());
    BOOST_TEST(s->getSquaredNorm() == reduced.value->read()->getSquaredNorm());
    BOOST_TEST(s->getSquaredNorm() > 0);
    BOOST_TEST(s->getCounted() == 2U);
    BOOST_TEST((pair_of(s->getCommitted()) == none));
  }
}

BOOST_AUTO_TEST_CASE(a_worker_shows_the_commit_that_made_its_version) {
  worker_rig rig{2};
  const auto one = rig.spawn(1, start_mode::fresh, rig.whole_model());
  reduce_whole(rig, one, {0, 3, 1});
  BOOST_REQUIRE(rig.call<wire::committed>(one, commit_of(1, {0, 3, 1}, 0.5, 2)).value);
  const auto reply = stand(rig, one, 2);
  const auto s = reply.value->read();
  BOOST_TEST(s->getVersion() == 1);
  BOOST_TEST((pair_of(s->getReduced()) == none));
  BOOST_TEST((pair_of(s->getCommitted()) == attempt{1, 3}));
  BOOST_TEST(s->getScale() == 0.5);
  BOOST_TEST(s->getCommittedCounted() == 2U);
}

BOOST_AUTO_TEST_CASE(a_worker_that_fetches_stands_nowhere_but_obeys) {
  worker_rig rig{2};
  const auto late = rig.spawn(1, start_mode::fetch, rig.whole_model());
  CHECK_REFUSED(rig.call<wire::position>(late, take_over_of(5)), reason::NOT_SERVING);
  CHECK_REFUSED(rig.call<wire::position>(late, take_over_of(4)), reason::LOWER_TERM);
}

// -- terms ----------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(after_a_take_over_no_request_of_a_lower_term_is_obeyed) {
  worker_rig rig{2};
  const auto one = rig.spawn(1, start_mode::fresh, rig.whole_model());
  reduce_whole(rig, one, {0, 1, 3});
  stand(rig, one, 5);
  const when old{0, 2, 3};
  const auto refused = [&](const auto& reply) {
    CHECK_REFUSED(reply, reason::LOWER_TERM);
    const auto body = wire::refusal_of(reply.error);
    BOOST_TEST(body->read()->getTerm() == 5U);
    BOOST_TEST(body->read()->getVersion() == 0);
  };
  refused(rig.call<wire::activation>(one, forward_of(old, 0, floats({1}))));
  refused(rig.call<wire::input_gradient>(one, backward_of(old, 0, floats({1}), floats({1}))));
  refused(rig.call<wire::loss_done>(one, loss_of(old, 1, -1)));
  refused(rig.call<wire::holding>(one, gather_of(old)));
  refused(rig.call<wire::holding>(one, drop_of(old)));
  refused(rig.call<wire::reduced>(one, reduce_of({0, 1, 3}, {1})));
  refused(rig.call<wire::committed>(one, commit_of({0, 1, 3})));
  refused(rig.call<wire::position>(one, take_over_of(4)));
  // Nothing has changed: the sum is there, and what is in it.
  const auto reply = stand(rig, one, 5);
  BOOST_TEST((pair_of(reply.value->read()->getReduced()) == attempt{3, 1}));
  BOOST_TEST(held(rig.call<wire::holding>(one, gather_of({0, 1, 5}))) == (numbers{0, 1}),
             per_element());
}

BOOST_AUTO_TEST_CASE(any_request_of_a_higher_term_fences_the_lower_ones) {
  const when high{0, 1, 9};
  const std::vector<std::function<void(worker_rig&, const crew&)>> requests{
      [&](auto& rig, auto& one) { rig.template call<wire::loss_done>(one, loss_of(high, 0)); },
      [&](auto& rig, auto& one) { rig.template call<wire::holding>(one, gather_of(high)); },
      [&](auto& rig, auto& one) { rig.template call<wire::holding>(one, drop_of(high)); },
      [&](auto& rig, auto& one) { rig.template call<wire::reduced>(one, reduce_of(high, {1})); },
      [&](auto& rig, auto& one) { rig.template call<wire::committed>(one, commit_of(high)); },
      [&](auto& rig, auto& one) { rig.template call<wire::position>(one, take_over_of(9)); }};
  for (const auto& request : requests) {
    worker_rig rig{2};
    const auto one = rig.spawn(1, start_mode::fresh, rig.whole_model());
    request(rig, one);
    CHECK_REFUSED(rig.call<wire::loss_done>(one, loss_of({0, 1, 8}, 1)), reason::LOWER_TERM);
  }
}

BOOST_AUTO_TEST_CASE(a_successor_may_commit_the_sum_of_its_predecessor) {
  worker_rig rig{2};
  const counted_worker counted;
  const auto one = counted.spawn(rig);
  reduce_whole(rig, one, {0, 2, 1});
  stand(rig, one, 4);
  // Neither another round's sum nor another term's.
  CHECK_REFUSED(rig.call<wire::committed>(one, commit_of(4, {0, 1, 1})), reason::WRONG_ROUND);
  CHECK_REFUSED(rig.call<wire::committed>(one, commit_of(4, {0, 2, 4})), reason::WRONG_ROUND);
  CHECK_REFUSED(rig.call<wire::committed>(one, commit_of(1, {0, 2, 1})), reason::LOWER_TERM);
  const auto done = rig.call<wire::committed>(one, commit_of(4, {0, 2, 1}));
  BOOST_REQUIRE(done.value);
  BOOST_TEST(done.value->read()->getVersion() == 1);
  BOOST_TEST(weights(rig, one) == reference_weights(2, 1), per_element());
  // The successor's successor asks for the same.
  BOOST_TEST(rig.call<wire::committed>(one, commit_of(6, {0, 2, 1})).value.has_value());
  BOOST_TEST(*counted.applied == 1);
}

BOOST_AUTO_TEST_CASE(a_sum_outlives_the_successors_gather_until_it_is_reduced_again) {
  worker_rig rig{2};
  const auto one = rig.spawn(1, start_mode::fresh, rig.whole_model());
  reduce_whole(rig, one, {0, 1, 1});
  BOOST_TEST(held(rig.call<wire::holding>(one, gather_of({0, 1, 2}))) == (numbers{0, 1}),
             per_element());
  BOOST_TEST((pair_of(stand(rig, one, 3).value->read()->getReduced()) == attempt{1, 1}));
  BOOST_REQUIRE(rig.call<wire::holding>(one, gather_of({0, 1, 3})).value);
  BOOST_REQUIRE(rig.call<wire::reduced>(one, reduce_of({0, 1, 3}, {1})).value);
  BOOST_TEST((pair_of(stand(rig, one, 4).value->read()->getReduced()) == attempt{3, 1}));
  CHECK_REFUSED(rig.call<wire::committed>(one, commit_of(4, {0, 1, 1})), reason::WRONG_ROUND);
  BOOST_TEST(rig.call<wire::committed>(one, commit_of(4, {0, 1, 3})).value.has_value());
  BOOST_TEST(weights(rig, one) == reference_weights(2, 1), per_element());
}

/// The all-reduce ends after the take-over, or the engine takes its sum after it.
BOOST_AUTO_TEST_CASE(a_late_reduce_of_a_replaced_coordinator_is_void) {
  for (const bool engine_is_late : {false, true}) {
    worker_rig rig{2};
    const auto one = rig.spawn(1, start_mode::fresh, rig.whole_model());
    const auto two = rig.spawn(2, start_mode::fresh, rig.whole_model());
    rig.run();
    BOOST_REQUIRE(rig.call<wire::loss_done>(one, loss_of({}, 0)).value);
    BOOST_REQUIRE(rig.call<wire::loss_done>(two, loss_of({}, 1)).value);
    for (const auto& each : {one, two})
      BOOST_REQUIRE(rig.call<wire::holding>(each, gather_of({})).value);
    const auto late = rig.ask<wire::reduced>(one.worker, reduce_of({}, {1, 2}));
    rig.run();
    const auto other = rig.ask<wire::reduced>(two.worker, reduce_of({}, {1, 2}));
    if (engine_is_late) {
      rig.run_without(one.compute);
    } else {
      rig.run_without(two.compute);
    }
    BOOST_TEST(!late->answered());
    const auto position = rig.ask<wire::position>(one.worker, take_over_of(2));
    rig.run_without(engine_is_late ? one.compute : two.compute);
    BOOST_REQUIRE(position->value);
    BOOST_TEST((pair_of(position->value->read()->getReduced()) == none));
    rig.run();
    CHECK_REFUSED(*late, reason::LOWER_TERM);
    BOOST_TEST(other->value.has_value());
    BOOST_TEST((pair_of(stand(rig, one, 2).value->read()->getReduced()) == none));
    // A commit of it finds nothing, so the worker has been left out, and fetches.
    CHECK_REFUSED(rig.call<wire::committed>(one, commit_of(2, {})), reason::NOT_SERVING);
  }
}

BOOST_AUTO_TEST_CASE(what_was_held_under_a_replaced_coordinator_is_reduced_under_the_next) {
  worker_rig rig{2};
  const auto one = rig.spawn(1, start_mode::fresh, rig.whole_model());
  const auto two = rig.spawn(2, start_mode::fresh, rig.whole_model());
  rig.run();
  BOOST_REQUIRE(rig.call<wire::loss_done>(one, loss_of({}, 0)).value);
  BOOST_REQUIRE(rig.call<wire::loss_done>(two, loss_of({}, 1)).value);
  std::vector<std::shared_ptr<outcome<wire::reduced>>> replies;
  for (const auto& each : {one, two})
    BOOST_REQUIRE(rig.call<wire::holding>(each, gather_of({0, 1, 8})).value);
  for (const auto& each : {one, two})
    replies.push_back(rig.ask<wire::reduced>(each.worker, reduce_of({0, 1, 8}, {1, 2})));
  rig.run();
  for (size_t i = 0; i < 2; ++i) {
    const auto& each = i == 0 ? one : two;
    BOOST_REQUIRE(replies[i]->value);
    BOOST_REQUIRE(rig.call<wire::committed>(each, commit_of({0, 1, 8})).value);
    BOOST_TEST(weights(rig, each) == reference_weights(2, 1), per_element());
  }
}

// -- repeats --------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_repeated_commit_gets_the_same_answer_and_no_second_step) {
  worker_rig rig{2};
  const counted_worker counted;
  const auto one = counted.spawn(rig);
  reduce_whole(rig, one, {});
  const auto first = rig.call<wire::committed>(one, commit_of({}));
  BOOST_REQUIRE(first.value);
  for (int i = 0; i < 3; ++i) {
    const auto again = rig.call<wire::committed>(one, commit_of({}));
    BOOST_REQUIRE(again.value);
    BOOST_TEST(again.value->read()->getVersion() == 1);
    BOOST_TEST(again.value->read()->getWeightsHash().cStr() ==
               first.value->read()->getWeightsHash().cStr());
  }
  BOOST_TEST(*counted.applied == 1);
  BOOST_TEST(weights(rig, one) == reference_weights(2, 1), per_element());
  // Of another attempt it is no repeat.
  CHECK_REFUSED(rig.call<wire::committed>(one, commit_of({0, 2})), reason::AHEAD);
  BOOST_TEST(*counted.applied == 1);
}

BOOST_AUTO_TEST_CASE(commits_that_come_while_the_first_is_applied_share_its_answer) {
  worker_rig rig{2};
  const counted_worker counted;
  const auto one = counted.spawn(rig);
  reduce_whole(rig, one, {});
  std::vector<std::shared_ptr<outcome<wire::committed>>> replies;
  for (size_t i = 0; i < stage::commit_repeats_max + 1; ++i) {
    replies.push_back(rig.ask<wire::committed>(one.worker, commit_of({})));
    rig.run_without(one.compute);
  }
  CHECK_REFUSED(*replies.back(), reason::OVERLOADED);
  replies.pop_back();
  for (const auto& reply : replies)
    BOOST_TEST(!reply->answered());
  rig.run();
  for (const auto& reply : replies) {
    BOOST_REQUIRE(reply->value);
    BOOST_TEST(reply->value->read()->getVersion() == 1);
    BOOST_TEST(reply->value->read()->getWeightsHash().cStr() ==
               replies.front()->value->read()->getWeightsHash().cStr());
  }
  BOOST_TEST(*counted.applied == 1);
}

BOOST_AUTO_TEST_CASE(a_repeated_commit_of_an_older_step_is_not_applied) {
  worker_rig rig{2};
  const counted_worker counted;
  const auto one = counted.spawn(rig);
  for (int64_t step : {0, 1}) {
    reduce_whole(rig, one, {step});
    BOOST_REQUIRE(rig.call<wire::committed>(one, commit_of({step})).value);
  }
  CHECK_REFUSED(rig.call<wire::committed>(one, commit_of({0})), reason::AHEAD);
  BOOST_TEST(*counted.applied == 2);
  BOOST_TEST(weights(rig, one) == reference_weights(2, 2), per_element());
}

BOOST_AUTO_TEST_CASE(a_repeated_reduce_gets_the_same_answer) {
  worker_rig rig{2};
  const auto one = rig.spawn(1, start_mode::fresh, rig.whole_model());
  const auto first = reduce_whole(rig, one, {});
  const auto again = rig.call<wire::reduced>(one, reduce_of({}, {1}, {}, 2));
  BOOST_REQUIRE(again.value);
  BOOST_TEST(again.value->read()->getHash().cStr() == first.value->read()->getHash().cStr());
  BOOST_TEST(again.value->read()->getSquaredNorm() == first.value->read()->getSquaredNorm());
  BOOST_TEST(rig.call<wire::committed>(one, commit_of({})).value.has_value());
  BOOST_TEST(weights(rig, one) == reference_weights(2, 1), per_element());
}
