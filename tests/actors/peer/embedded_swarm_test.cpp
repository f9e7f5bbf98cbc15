#include "actors/peer/embedded_swarm.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/all.hpp>
#include <cstring>
#include <random>

#include "tests/actors/toy_engine.hpp"

namespace {

using namespace swarm;

struct config : caf::actor_system_config {
  config() {
    set("scheduler.policy", caf::atom("sharing"));
    set("scheduler.max-threads", 2U);
    peer::add_message_types(*this);
  }
};

constexpr int64_t microbatches = 8;

peer::embedded_options options_of(int32_t stages, int32_t workers) {
  peer::embedded_options options;
  options.stages = stages;
  options.workers_per_stage = workers;
  options.make_engine = [stages](stage_id stage) {
    return testing::make_toy_engine(stage.value() == 0, stage.value() == stages - 1, microbatches);
  };
  options.microbatches = testing::toy_microbatch;
  options.validation = testing::toy_microbatch;
  options.microbatches_per_step = microbatches;
  options.tokens_per_microbatch = 6;
  options.context = 6;
  options.devices = 2;
  options.restart_delay = std::chrono::milliseconds(5);
  return options;
}

/// Returns once this many stage workers serve.
void wait_for_workers(peer::embedded_swarm& swarm, size_t count) {
  for (size_t serving = 0; serving < count;) {
    serving = 0;
    for (const auto& member : swarm.members())
      if (member.role == wire::member_role::stage_worker &&
          member.state == wire::member_state::serving)
        ++serving;
  }
}

/// Every stage's weights are, bit for bit, those of a run without actors.
void check_weights(peer::embedded_swarm& swarm, int64_t stages, int64_t steps) {
  const auto weights = swarm.parameters(steps);
  BOOST_REQUIRE(weights);
  const auto expected = testing::toy_reference(stages, microbatches, steps);
  BOOST_REQUIRE(weights->size() == expected.size());
  for (size_t s = 0; s < expected.size(); ++s)
    BOOST_TEST(std::memcmp((*weights)[s].data(), expected[s].data(), expected[s].bytes()) == 0,
               "stage " << s << " differs");
}

}  // namespace

BOOST_AUTO_TEST_CASE(one_stage_and_one_worker_train_like_one_process) {
  config cfg;
  caf::actor_system system{cfg};
  peer::embedded_swarm swarm{system, options_of(1, 1)};
  BOOST_REQUIRE(swarm.advance(10));
  check_weights(swarm, 1, 10);
}

BOOST_AUTO_TEST_CASE(stages_workers_and_trainers_do_not_change_the_result) {
  for (int32_t stages : {2, 4}) {
    for (int32_t workers : {1, 3}) {
      config cfg;
      caf::actor_system system{cfg};
      auto options = options_of(stages, workers);
      options.trainers = workers;
      options.routing_seed = static_cast<uint64_t>(stages);
      peer::embedded_swarm swarm{system, options};
      BOOST_REQUIRE(swarm.advance(8));
      check_weights(swarm, stages, 8);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_training_run_goes_on_in_legs) {
  config cfg;
  caf::actor_system system{cfg};
  peer::embedded_swarm swarm{system, options_of(2, 2)};
  for (int64_t version : {1, 2, 5}) {
    const auto reached = swarm.advance(version);
    BOOST_REQUIRE(reached);
    BOOST_TEST(*reached == version);
  }
  check_weights(swarm, 2, 5);
  BOOST_TEST(!swarm.advance(3));
}

BOOST_AUTO_TEST_CASE(killed_workers_cost_no_gradient) {
  std::mt19937 random{7};
  for (int run = 0; run < 6; ++run) {
    config cfg;
    caf::actor_system system{cfg};
    peer::embedded_swarm swarm{system, options_of(3, 2)};
    int64_t version = 0;
    for (int kill = 0; kill < 4; ++kill) {
      wait_for_workers(swarm, 6);
      BOOST_TEST(swarm.kill_worker(stage_id{kill % 3}, random() % 2,
                                   std::chrono::milliseconds(random() % 8)));
      version += 20;
      BOOST_REQUIRE(swarm.advance(version));
    }
    check_weights(swarm, 3, version);
  }
}

BOOST_AUTO_TEST_CASE(a_graph_that_was_evicted_is_recomputed) {
  config cfg;
  caf::actor_system system{cfg};
  auto options = options_of(3, 1);
  options.activation_cache_bytes = 0;
  peer::embedded_swarm swarm{system, options};
  BOOST_REQUIRE(swarm.advance(5));
  check_weights(swarm, 3, 5);
}

BOOST_AUTO_TEST_CASE(validation_and_sampling_run_through_the_stages) {
  config cfg;
  caf::actor_system system{cfg};
  peer::embedded_swarm swarm{system, options_of(2, 2)};
  const auto before = swarm.evaluate(5);
  BOOST_REQUIRE(before);
  BOOST_REQUIRE(swarm.advance(30));
  const auto after = swarm.evaluate(5);
  BOOST_REQUIRE(after);
  BOOST_TEST(*after < *before);
  const auto tokens = swarm.generate({1, 2}, 12, 0.0, 1);
  BOOST_REQUIRE(tokens);
  BOOST_TEST(tokens->size() == 12U);
  const auto again = swarm.generate({1, 2}, 12, 0.0, 1);
  BOOST_TEST(*tokens == *again, boost::test_tools::per_element());
}

/// A worker that dies while the commit is on its way never answers; nobody waits for it.
BOOST_AUTO_TEST_CASE(the_last_step_does_not_wait_for_the_dead) {
  for (int run = 0; run < 20; ++run) {
    config cfg;
    caf::actor_system system{cfg};
    peer::embedded_swarm swarm{system, options_of(2, 2)};
    wait_for_workers(swarm, 4);
    swarm.kill_worker(stage_id{run % 2}, 0, std::chrono::milliseconds(run % 4));
    caf::scoped_actor self{system};
    self->request(swarm.coordinator(), std::chrono::seconds(20), training::advance_atom::value,
                  int64_t{10})
        .receive([](int64_t version) { BOOST_TEST(version == 10); },
                 [&](caf::error& error) { BOOST_FAIL(system.render(error)); });
    BOOST_TEST(swarm.evaluate(4).engaged());
  }
}

BOOST_AUTO_TEST_CASE(a_killed_coordinator_has_a_successor_and_costs_no_gradient) {
  for (int32_t trainers : {1, 3}) {
    config cfg;
    caf::actor_system system{cfg};
    auto options = options_of(2, 2);
    options.trainers = trainers;
    peer::embedded_swarm swarm{system, options};
    int64_t version = 0;
    for (int kill = 0; kill < 3; ++kill) {
      version += 5;
      BOOST_REQUIRE(swarm.advance(version));
      BOOST_TEST(swarm.kill_coordinator());
    }
    BOOST_REQUIRE(swarm.advance(version + 5));
    check_weights(swarm, 2, version + 5);
  }
}
