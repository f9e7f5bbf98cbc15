#include "actors/stage/stage_worker.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>

#include "actors/stage/step_guard.hpp"
#include "tests/actors/stage/engine_wrapper.hpp"
#include "tests/actors/stage/worker_rig.hpp"

namespace {

using namespace swarm;
using namespace swarm::testing;
using stage::start_mode;
using reason = schemas::Refusal::Reason;
using boost::test_tools::per_element;
using numbers = std::vector<int64_t>;

tensors::host_tensor floats(std::vector<float> values) {
  const auto count = static_cast<int64_t>(values.size());
  return tensors::host_tensor::adopt(std::move(values), {1, count});
}

/// Sums the microbatches of a step and commits it.
void make_step(worker_rig& rig, const crew& one, int64_t step, int64_t microbatches) {
  for (int64_t m = 0; m < microbatches; ++m)
    BOOST_REQUIRE(rig.call<wire::loss_done>(one, loss_of({step}, m)).value);
  BOOST_REQUIRE(rig.call<wire::holding>(one, gather_of({step})).value);
  BOOST_REQUIRE(rig.call<wire::reduced>(one, reduce_of({step}, {1})).value);
  const auto done = rig.call<wire::committed>(one, commit_of({step}));
  BOOST_REQUIRE(done.value);
  BOOST_TEST(done.value->read()->getVersion() == step + 1);
}

/// Its losses fail on request.
class failing_engine final : public engine_wrapper {
 public:
  failing_engine(std::unique_ptr<tensors::stage_engine> real, tensors::engine_fault fault)
      : engine_wrapper(std::move(real)), fault_(fault) {}

  tensors::loss_result loss(tensors::microbatch_key, const tensors::host_tensor&,
                            const tensors::host_tensor&, int) override {
    throw tensors::engine_error(fault_, "on request");
  }

 private:
  tensors::engine_fault fault_;
};

}  // namespace

// -- pipeline -------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(forward_and_backward_give_the_engines_numbers) {
  worker_rig rig;
  const auto one = rig.spawn(1, start_mode::fresh, rig.middle_stage());
  const auto there = rig.call<wire::activation>(one, forward_of({}, 2, floats({1, 2})));
  BOOST_REQUIRE(there.value);
  tensors::host_tensor output;
  BOOST_REQUIRE(wire::extract_into(there.value->read()->getOutput(), there.value->bytes(), output));
  BOOST_TEST(output.as<float>()[1] == 1.0F * 2 + 0.1F);
  const auto back = rig.call<wire::input_gradient>(one, backward_of({}, 2, {}, floats({3, 4})));
  BOOST_REQUIRE(back.value);
  BOOST_TEST(!back.value->read()->getRecomputed());
  tensors::host_tensor gradient;
  BOOST_REQUIRE(
      wire::extract_into(back.value->read()->getGradient(), back.value->bytes(), gradient));
  BOOST_TEST(gradient.as<float>()[1] == 4);
  BOOST_TEST(held(rig.call<wire::holding>(one, gather_of({}))) == numbers{2}, per_element());
}

BOOST_AUTO_TEST_CASE(who_has_the_input_gradient_already_gets_none_and_the_sum_is_the_same) {
  worker_rig rig;
  const auto one = rig.spawn(1, start_mode::fresh, rig.middle_stage());
  const auto back = rig.call<wire::input_gradient>(
      one, backward_of({}, 2, floats({1, 2}), floats({3, 4}), 1, true));
  BOOST_REQUIRE(back.value);
  BOOST_TEST(!back.value->read()->hasGradient());
  BOOST_TEST(held(rig.call<wire::holding>(one, gather_of({}))) == numbers{2}, per_element());
}

BOOST_AUTO_TEST_CASE(a_backward_without_a_graph_asks_for_the_input) {
  worker_rig rig;
  const auto one = rig.spawn(1, start_mode::fresh, rig.middle_stage());
  CHECK_REFUSED(rig.call<wire::input_gradient>(one, backward_of({}, 0, {}, floats({3, 4}))),
                reason::ACTIVATION_MISSING);
  const auto back =
      rig.call<wire::input_gradient>(one, backward_of({}, 0, floats({1, 2}), floats({3, 4})));
  BOOST_REQUIRE(back.value);
  BOOST_TEST(back.value->read()->getRecomputed());
  BOOST_TEST(held(rig.call<wire::holding>(one, gather_of({}))) == numbers{0}, per_element());
}

BOOST_AUTO_TEST_CASE(steps_give_the_weights_of_one_process) {
  worker_rig rig{3};
  const auto one = rig.spawn(1, start_mode::fresh, rig.whole_model());
  for (int64_t step = 0; step < 3; ++step)
    make_step(rig, one, step, 3);
  const auto [version, weights] = snapshot(rig.call<wire::state_chunk>(one, newest_state()));
  BOOST_TEST(version == 3);
  BOOST_TEST(weights == reference_weights(3, 3), per_element());
}

BOOST_AUTO_TEST_CASE(repeats_add_nothing_whether_one_after_the_other_or_at_once) {
  worker_rig rig{2};
  const auto one = rig.spawn(1, start_mode::fresh, rig.whole_model());
  rig.run();
  std::vector<std::shared_ptr<outcome<wire::loss_done>>> replies;
  for (int copy = 0; copy < 3; ++copy)
    replies.push_back(rig.ask<wire::loss_done>(one.worker, loss_of({}, 0)));
  rig.run();
  for (const auto& reply : replies)
    BOOST_REQUIRE(reply->value);
  BOOST_TEST(replies[0]->value->read()->getLoss() == replies[2]->value->read()->getLoss());
  BOOST_TEST(rig.call<wire::loss_done>(one, loss_of({}, 0)).answered());
  make_step(rig, one, 0, 2);
  BOOST_TEST(
      snapshot(rig.call<wire::state_chunk>(one, newest_state())).second == reference_weights(2, 1),
      per_element());
}

BOOST_AUTO_TEST_CASE(minus_one_gives_a_microbatch_up_and_only_once) {
  worker_rig rig{2};
  const auto one = rig.spawn(1, start_mode::fresh, rig.whole_model());
  for (int64_t m : {0, 1, 5})
    BOOST_TEST(rig.call<wire::loss_done>(one, loss_of({}, m)).answered());
  for (int64_t m : {5, 5, 7})
    BOOST_TEST(rig.call<wire::loss_done>(one, loss_of({}, m, -1)).answered());
  BOOST_TEST(rig.call<wire::loss_done>(one, loss_of({}, 6, 0)).answered());
  const auto now = held(rig.call<wire::holding>(one, gather_of({})));
  BOOST_TEST(now == (numbers{0, 1}), per_element());
  BOOST_TEST(rig.call<wire::reduced>(one, reduce_of({}, {1})).answered());
  BOOST_TEST(rig.call<wire::committed>(one, commit_of({})).answered());
  BOOST_TEST(
      snapshot(rig.call<wire::state_chunk>(one, newest_state())).second == reference_weights(2, 1),
      per_element());
}

BOOST_AUTO_TEST_CASE(inference_is_answered_outside_any_step) {
  worker_rig rig;
  const auto one = rig.spawn(1, start_mode::fresh, rig.whole_model());
  make_step(rig, one, 0, 4);
  const auto [input, targets] = toy_microbatch(0, 0);
  wire::builder<schemas::Infer> message;
  message->setWant(schemas::Infer::Want::LOSS);
  wire::attach(message, message->initInput(), input);
  wire::attach(message, message->initTargets(), targets);
  const auto reply = rig.call<wire::inferred>(one, message.finish());
  BOOST_REQUIRE(reply.value);
  BOOST_TEST(reply.value->read()->getVersion() == 1);
  BOOST_TEST(reply.value->read()->getLoss() > 0);
}

// -- refusals -------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(each_refusal_says_why) {
  worker_rig rig;
  const auto one = rig.spawn(1, start_mode::fresh, rig.whole_model());
  make_step(rig, one, 0, 2);
  BOOST_TEST(rig.call<wire::loss_done>(one, loss_of({1, 1, 5}, 0)).answered());
  CHECK_REFUSED(rig.call<wire::loss_done>(one, loss_of({1, 1, 4}, 0)), reason::LOWER_TERM);
  CHECK_REFUSED(rig.call<wire::loss_done>(one, loss_of({0, 1, 5}, 0)), reason::AHEAD);
  CHECK_REFUSED(rig.call<wire::committed>(one, commit_of({0, 1, 5})), reason::AHEAD);
  BOOST_TEST(rig.call<wire::holding>(one, gather_of({1, 3, 5})).answered());
  CHECK_REFUSED(rig.call<wire::loss_done>(one, loss_of({1, 3, 5}, 1)), reason::FROZEN);
  CHECK_REFUSED(rig.call<wire::holding>(one, gather_of({1, 2, 5})), reason::FROZEN);
  CHECK_REFUSED(rig.call<wire::reduced>(one, reduce_of({1, 2, 5}, {1})), reason::WRONG_ROUND);
  const auto late = rig.call<wire::loss_done>(one, loss_of({2, 1, 5}, 0));
  CHECK_REFUSED(late, reason::BEHIND);
  BOOST_TEST(wire::refusal_of(late.error)->read()->getVersion() == 1);
}

BOOST_AUTO_TEST_CASE(what_the_engine_cannot_do_is_refused_and_not_counted) {
  const std::map<tensors::engine_fault, reason> faults{
      {tensors::engine_fault::non_finite, reason::NON_FINITE},
      {tensors::engine_fault::out_of_memory, reason::OUT_OF_MEMORY},
      {tensors::engine_fault::wrong_shape, reason::WRONG_SHAPE}};
  for (const auto& [fault, why] : faults) {
    worker_rig rig;
    const auto one = rig.spawn(1, start_mode::fresh, [fault = fault] {
      return std::make_unique<failing_engine>(make_toy_engine(true, true, 4), fault);
    });
    CHECK_REFUSED(rig.call<wire::loss_done>(one, loss_of({}, 0)), why);
    BOOST_TEST(held(rig.call<wire::holding>(one, gather_of({}))).empty());
  }
}

BOOST_AUTO_TEST_CASE(more_requests_than_the_limit_are_sent_away) {
  worker_rig rig;
  const auto one = rig.spawn(1, start_mode::fresh, rig.whole_model());
  rig.run();
  std::vector<std::shared_ptr<outcome<wire::loss_done>>> replies;
  for (size_t i = 0; i < stage::pending_requests_max + 2; ++i)
    replies.push_back(rig.ask<wire::loss_done>(one.worker, loss_of({}, static_cast<int64_t>(i))));
  rig.run_without(one.compute);
  CHECK_REFUSED(*replies.back(), reason::OVERLOADED);
  BOOST_TEST(!replies.front()->answered());
  rig.run();
  size_t done = 0;
  for (const auto& reply : replies)
    done += reply->value ? 1 : 0;
  BOOST_TEST(done == stage::pending_requests_max);
  BOOST_TEST(held(rig.call<wire::holding>(one, gather_of({}))).size() == done);
}

BOOST_AUTO_TEST_CASE(inference_counts_towards_the_limit) {
  worker_rig rig;
  const auto one = rig.spawn(1, start_mode::fresh, rig.middle_stage());
  rig.run();
  wire::builder<schemas::Infer> message;
  wire::attach(message, message->initInput(), floats({1, 2}));
  const auto request = message.finish();
  std::vector<std::shared_ptr<outcome<wire::inferred>>> replies;
  for (size_t i = 0; i < stage::pending_requests_max + 1; ++i)
    replies.push_back(rig.ask<wire::inferred>(one.worker, request));
  rig.run_without(one.compute);
  CHECK_REFUSED(*replies.back(), reason::OVERLOADED);
}

BOOST_AUTO_TEST_CASE(a_damaged_message_gets_an_error_and_changes_nothing) {
  worker_rig rig;
  const auto one = rig.spawn(1, start_mode::fresh, rig.whole_model());
  const auto wire_category = wire::make_error(wire::errc::malformed).category();
  const auto damaged = [&](const auto& reply) {
    BOOST_REQUIRE(reply.failed);
    BOOST_TEST((reply.error.category() == wire_category));
  };
  damaged(rig.call<wire::activation>(one, wire::forward{}));
  damaged(rig.call<wire::input_gradient>(one, wire::backward{}));
  damaged(rig.call<wire::loss_done>(one, wire::loss{}));
  damaged(rig.call<wire::inferred>(one, wire::infer{}));
  damaged(rig.call<wire::holding>(one, wire::gather{}));
  damaged(rig.call<wire::holding>(one, wire::drop{}));
  damaged(rig.call<wire::reduced>(one, wire::reduce{}));
  damaged(rig.call<wire::committed>(one, wire::commit{}));
  damaged(rig.call<wire::state_chunk>(one, wire::state_request{}));
  make_step(rig, one, 0, 2);
}

BOOST_AUTO_TEST_CASE(absurd_microbatches_and_weights_are_refused) {
  worker_rig rig;
  const auto one = rig.spawn(1, start_mode::fresh, rig.whole_model());
  const auto far = std::numeric_limits<int64_t>::max();
  for (int64_t index : {int64_t{-1}, int64_t{-9}, microbatches_max, far, -far - 1}) {
    for (int weight : {-1, 0, 1})
      BOOST_TEST(rig.call<wire::loss_done>(one, loss_of({}, index, weight)).failed);
  }
  for (int weight : {-128, -2, 2, 127})
    BOOST_TEST(rig.call<wire::loss_done>(one, loss_of({}, 0, weight)).failed);
  BOOST_TEST(held(rig.call<wire::holding>(one, gather_of({}))).empty());
}

// -- the step transaction -------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_gather_waits_for_what_is_being_added_and_freezes) {
  worker_rig rig;
  const auto one = rig.spawn(1, start_mode::fresh, rig.whole_model());
  rig.run();
  const auto adding = rig.ask<wire::loss_done>(one.worker, loss_of({}, 0));
  rig.run_without(one.compute);
  const auto gathered = rig.ask<wire::holding>(one.worker, gather_of({}));
  rig.run_without(one.compute);
  const auto late = rig.ask<wire::loss_done>(one.worker, loss_of({}, 1));
  rig.run_without(one.compute);
  BOOST_TEST(!gathered->answered());
  CHECK_REFUSED(*late, reason::FROZEN);
  rig.run();
  BOOST_TEST(adding->value.has_value());
  BOOST_TEST(held(*gathered) == numbers{0}, per_element());
  BOOST_TEST(held(rig.call<wire::holding>(one, gather_of({}))) == numbers{0}, per_element());
  // The next round is open.
  BOOST_TEST(rig.call<wire::loss_done>(one, loss_of({0, 2}, 1)).value.has_value());
  BOOST_TEST(held(rig.call<wire::holding>(one, gather_of({0, 2}))) == (numbers{0, 1}),
             per_element());
}

BOOST_AUTO_TEST_CASE(a_drop_forgets_the_sum_and_can_be_repeated) {
  worker_rig rig{2};
  const auto one = rig.spawn(1, start_mode::fresh, rig.whole_model());
  BOOST_TEST(rig.call<wire::loss_done>(one, loss_of({}, 3)).answered());
  BOOST_TEST(held(rig.call<wire::holding>(one, gather_of({}))) == numbers{3}, per_element());
  BOOST_TEST(held(rig.call<wire::holding>(one, drop_of({}))).empty());
  BOOST_TEST(held(rig.call<wire::holding>(one, drop_of({}))).empty());
  for (int64_t m : {0, 1})
    BOOST_TEST(rig.call<wire::loss_done>(one, loss_of({0, 2}, m)).answered());
  CHECK_REFUSED(rig.call<wire::reduced>(one, reduce_of({0, 2}, {1})), reason::WRONG_ROUND);
  BOOST_TEST(rig.call<wire::holding>(one, gather_of({0, 2})).answered());
  BOOST_TEST(rig.call<wire::reduced>(one, reduce_of({0, 2}, {1})).answered());
  BOOST_TEST(rig.call<wire::committed>(one, commit_of({0, 2})).answered());
  BOOST_TEST(
      snapshot(rig.call<wire::state_chunk>(one, newest_state())).second == reference_weights(2, 1),
      per_element());
}

BOOST_AUTO_TEST_CASE(a_request_that_overtakes_the_commit_waits_for_it) {
  for (bool repeated_gather : {false, true}) {
    worker_rig rig{1};
    const auto one = rig.spawn(1, start_mode::fresh, rig.whole_model());
    // Another worker to fetch from, so that falling back would be possible.
    rig.spawn(2, start_mode::fetch, rig.whole_model());
    BOOST_TEST(rig.call<wire::loss_done>(one, loss_of({}, 0)).answered());
    BOOST_TEST(rig.call<wire::holding>(one, gather_of({})).answered());
    BOOST_TEST(rig.call<wire::reduced>(one, reduce_of({}, {1})).answered());
    if (repeated_gather) BOOST_TEST(rig.call<wire::holding>(one, gather_of({})).answered());
    const auto early = rig.ask<wire::loss_done>(one.worker, loss_of({1}, 0));
    rig.run();
    BOOST_TEST(!early->answered());
    BOOST_TEST(rig.call<wire::committed>(one, commit_of({})).value.has_value());
    BOOST_TEST(early->value.has_value());
    BOOST_TEST(held(rig.call<wire::holding>(one, gather_of({1}))) == numbers{0}, per_element());
  }
}

BOOST_AUTO_TEST_CASE(a_repeated_reduce_gets_the_same_answer) {
  worker_rig rig{2};
  const crew crews[] = {rig.spawn(1, start_mode::fresh, rig.whole_model()),
                        rig.spawn(2, start_mode::fresh, rig.whole_model())};
  rig.run();
  for (int64_t m : {0, 1}) {
    BOOST_TEST(rig.call<wire::loss_done>(crews[m], loss_of({}, m)).answered());
    BOOST_TEST(rig.call<wire::holding>(crews[m], gather_of({})).answered());
  }
  std::vector<std::shared_ptr<outcome<wire::reduced>>> replies;
  const auto reduce = reduce_of({}, {1, 2});
  // The second copy comes when parts of the other member have been taken in already.
  replies.push_back(rig.ask<wire::reduced>(crews[0].worker, reduce));
  rig.run();
  replies.push_back(rig.ask<wire::reduced>(crews[1].worker, reduce));
  rig.run_without(crews[0].compute);
  for (int copy = 0; copy < 2; ++copy)
    for (const auto& each : crews)
      replies.push_back(rig.ask<wire::reduced>(each.worker, reduce));
  rig.run();
  for (const auto& reply : replies) {
    BOOST_REQUIRE(reply->value);
    BOOST_TEST((reply->value->read()->getHash() == replies[0]->value->read()->getHash()));
  }
  for (const auto& each : crews) {
    BOOST_TEST(rig.call<wire::committed>(each, commit_of({})).value.has_value());
    BOOST_TEST(snapshot(rig.call<wire::state_chunk>(each, newest_state())).second ==
                   reference_weights(2, 1),
               per_element());
  }
}

BOOST_AUTO_TEST_CASE(a_result_of_a_round_that_is_over_is_void) {
  worker_rig rig{2};
  const auto one = rig.spawn(1, start_mode::fresh, rig.whole_model());
  rig.spawn(2, start_mode::fresh, rig.whole_model());
  BOOST_TEST(rig.call<wire::loss_done>(one, loss_of({}, 0)).answered());
  BOOST_TEST(rig.call<wire::holding>(one, gather_of({})).answered());
  // The other member never reduces; the next round goes without it.
  const auto stalled = rig.ask<wire::reduced>(one.worker, reduce_of({}, {1, 2}));
  rig.run();
  BOOST_TEST(!stalled->answered());
  BOOST_TEST(rig.call<wire::loss_done>(one, loss_of({0, 2}, 1)).answered());
  BOOST_TEST(held(rig.call<wire::holding>(one, gather_of({0, 2}))) == (numbers{0, 1}),
             per_element());
  BOOST_TEST(rig.call<wire::reduced>(one, reduce_of({0, 2}, {1})).value.has_value());
  BOOST_TEST(stalled->failed);
  BOOST_TEST(rig.call<wire::committed>(one, commit_of({0, 2})).value.has_value());
  BOOST_TEST(
      snapshot(rig.call<wire::state_chunk>(one, newest_state())).second == reference_weights(2, 1),
      per_element());
}
