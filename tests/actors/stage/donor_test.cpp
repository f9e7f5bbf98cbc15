#include "actors/stage/donor.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>

#include "actors/stage/replies.hpp"
#include "actors/stage/snapshot_store.hpp"
#include "actors/stage/state_store.hpp"
#include "tests/actors/stage/donor_rig.hpp"
#include "tests/actors/stage/engine_wrapper.hpp"

/// What a worker gives away of its state, and when. How joiners take it: joiner_test.

namespace {

using namespace swarm;
using namespace swarm::testing;
using namespace std::chrono_literals;
using boost::test_tools::per_element;
using stage::start_mode;

/// Says when a state is exported, and can fail to do it.
class exporting_engine final : public engine_wrapper {
 public:
  using engine_wrapper::engine_wrapper;

  tensors::host_tensor export_state() const override {
    if (on_export) on_export();
    return engine_wrapper::export_state();
  }

  std::function<void()> on_export;
};

/// Worker 1, alone in its stage, with a snapshot store.
class fixture {
 public:
  explicit fixture(std::shared_ptr<stage::state_store> store = nullptr,
                   uint64_t snapshot_bytes = ~uint64_t{0})
      : snapshots(std::make_shared<stage::snapshot_store>(snapshot_bytes)) {
    one = rig.spawn(
        1, start_mode::fresh,
        [this, make = rig.whole_model()] {
          auto engine = std::make_unique<exporting_engine>(make());
          engine->on_export = [this] {
            ++exports;
            if (on_export) on_export();
          };
          return engine;
        },
        [=](stage::stage_worker_options& options) {
          options.snapshots = snapshots;
          options.store = store;
        });
    rig.run();
  }

  void commit(const when& w, double scale = 1, bool keep = false) {
    commit_step(rig, one, w, scale, keep);
  }

  outcome<wire::state_chunk> chunk(int64_t version, uint64_t first = 0, uint32_t count = 1'000) {
    return rig.call<wire::state_chunk>(one, state_of(version, first, count));
  }

  /// The weights that a joiner gets.
  std::pair<int64_t, std::vector<float>> newest() { return snapshot(chunk(-1)); }

  /// Of the engine, past everybody's copies.
  std::vector<float> own_weights() {
    const auto state = rig.ask<tensors::host_tensor>(one.compute, stage::export_atom::value);
    rig.run();
    BOOST_REQUIRE(state->value);
    return weights_in(*state->value);
  }

  std::vector<int64_t> kept() const {
    std::vector<int64_t> result;
    for (const auto& [stage, versions] : snapshots->versions())
      for (const auto& version : versions)
        result.push_back(version.version.value());
    return result;
  }

  worker_rig rig{1};
  std::shared_ptr<stage::snapshot_store> snapshots;
  int exports = 0;
  std::function<void()> on_export;
  crew one;
};

using numbers = std::vector<int64_t>;

wire::state_request state_of_history(uint64_t history, int64_t version) {
  wire::builder<schemas::StateRequest> message;
  message->setVersion(version);
  message->setHistory(history);
  message->setElements(4);
  return message.finish();
}

}  // namespace

// -- copies for others ----------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_copy_is_left_at_the_beginning_and_whenever_a_commit_says_so) {
  fixture f;
  BOOST_TEST(f.kept() == numbers{0}, per_element());
  f.commit({0});
  BOOST_TEST(f.kept() == numbers{0}, per_element());
  f.commit({1}, 1, true);
  BOOST_TEST(f.kept() == (numbers{2, 0}), per_element());
  f.commit({2});
  BOOST_TEST(f.exports == 2);
  const auto copy = f.snapshots->find(stage_id{0}, weights_id{{}, step_id{2}});
  BOOST_REQUIRE(copy.has_value());
  BOOST_TEST(weights_in(copy->state) == reference_weights(1, 2), per_element());
}

BOOST_AUTO_TEST_CASE(a_copy_knows_the_commit_that_made_it) {
  fixture f;
  f.commit({0, 6, 4}, 0.25, true);
  const auto copy = f.snapshots->find(stage_id{0}, weights_id{{}, step_id{1}});
  BOOST_REQUIRE(copy.has_value());
  BOOST_TEST((copy->commit.attempt == attempt_id{term_id{4}, round_id{6}}));
  BOOST_TEST(copy->commit.scale == 0.25);
  BOOST_TEST(copy->commit.counted == 1U);
}

BOOST_AUTO_TEST_CASE(a_commit_is_answered_when_the_copy_that_it_asks_for_is_there) {
  fixture f;
  const when w{0};
  BOOST_REQUIRE(f.rig.call<wire::loss_done>(f.one, loss_of(w, 0)).value);
  BOOST_REQUIRE(f.rig.call<wire::holding>(f.one, gather_of(w)).value);
  BOOST_REQUIRE(f.rig.call<wire::reduced>(f.one, reduce_of(w, {1}, {}, 1)).value);
  std::shared_ptr<outcome<wire::committed>> committed;
  f.on_export = [&] {
    BOOST_TEST(!committed->answered());
    BOOST_TEST(f.kept() == numbers{0}, per_element());
  };
  committed = f.rig.ask<wire::committed>(f.one.worker, commit_of(1, w, 1, 1, true));
  f.rig.run();
  BOOST_TEST(f.exports == 2);
  BOOST_TEST(committed->value.has_value());
  BOOST_TEST(f.kept() == (numbers{1, 0}), per_element());
}

BOOST_AUTO_TEST_CASE(one_export_serves_the_next_life_and_the_others) {
  const auto store = std::make_shared<stage::memory_state_store>();
  fixture f{store};
  BOOST_TEST(f.exports == 1);
  f.commit({0});
  BOOST_TEST(f.exports == 2);
  BOOST_TEST(f.kept() == numbers{0}, per_element());
  f.commit({1}, 1, true);
  BOOST_TEST(f.exports == 3);
  BOOST_REQUIRE(store->state());
  BOOST_TEST((store->state()->version == step_id{2}));
  BOOST_TEST(f.kept() == (numbers{2, 0}), per_element());
}

BOOST_AUTO_TEST_CASE(a_copy_that_nobody_could_keep_is_not_taken) {
  // The state has 4 elements of 12 bytes.
  fixture f{nullptr, 47};
  f.commit({0});
  f.commit({1}, 1, true);
  BOOST_TEST(f.exports == 0);
  BOOST_TEST(f.kept().empty());
  fixture fits{nullptr, 48};
  fits.commit({0}, 1, true);
  BOOST_TEST(fits.exports == 2);
  BOOST_TEST(fits.kept() == numbers{1}, per_element());
}

BOOST_AUTO_TEST_CASE(a_worker_that_cannot_leave_its_copy_ends_instead_of_promising_it) {
  fixture f;
  const when w{0};
  BOOST_REQUIRE(f.rig.call<wire::loss_done>(f.one, loss_of(w, 0)).value);
  BOOST_REQUIRE(f.rig.call<wire::holding>(f.one, gather_of(w)).value);
  BOOST_REQUIRE(f.rig.call<wire::reduced>(f.one, reduce_of(w, {1}, {}, 1)).value);
  f.on_export = [] { throw tensors::engine_error(tensors::engine_fault::out_of_memory, "export"); };
  const auto reply = f.rig.call<wire::committed>(f.one, commit_of(1, w, 1, 1, true));
  BOOST_TEST(!reply.value.has_value());
  BOOST_TEST(f.kept() == numbers{0}, per_element());
  BOOST_TEST(serving_workers(f.rig).empty());
}

// -- shards for those who ask ---------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_shard_is_cut_from_what_the_engine_has) {
  fixture f;
  f.commit({0, 3, 2}, 0.5);
  const auto exports = f.exports;
  std::vector<float> weights;
  for (uint64_t first : {0U, 2U}) {
    const auto reply = f.chunk(-1, first, 2);
    BOOST_REQUIRE(reply.value);
    const auto body = reply.value->read();
    BOOST_TEST(body->getVersion() == 1);
    BOOST_TEST(body->getTotalElements() == 4U);
    BOOST_TEST(body->getFirstElement() == first);
    const auto made_by = stage::commit_in(*body);
    BOOST_TEST((made_by.attempt == attempt_id{term_id{2}, round_id{3}}));
    BOOST_TEST(made_by.scale == 0.5);
    BOOST_TEST(made_by.counted == 1U);
    const auto answer = stage::answer_in(*reply.value);
    BOOST_TEST(answer.sound);
    BOOST_TEST(answer.bytes == 24U);
    BOOST_TEST(answer.present.empty());
    const auto shard = stage::shard_in(*reply.value);
    weights.insert(weights.end(), shard.as<float>(), shard.as<float>() + 2);
  }
  // Nobody copies the whole state for them.
  BOOST_TEST(f.exports == exports);
  BOOST_TEST(weights == f.own_weights(), per_element());
}

BOOST_AUTO_TEST_CASE(however_many_ask_and_however_long_they_take_all_are_answered) {
  fixture f;
  const auto exports = f.exports;
  for (int64_t step = 0; step < 5; ++step) {
    // Another one comes, and all go on.
    for (uint64_t first : {0U, 2U}) {
      const auto reply = f.chunk(-1, first, 2);
      BOOST_REQUIRE(reply.value);
      BOOST_TEST(reply.value->read()->getVersion() == step);
    }
    f.commit({step});
  }
  BOOST_TEST(f.exports == exports);
}

BOOST_AUTO_TEST_CASE(who_asks_for_a_version_that_it_does_not_stand_at_is_refused) {
  fixture f;
  BOOST_TEST(f.chunk(1).failed);
  f.commit({0});
  BOOST_TEST(snapshot(f.chunk(1)).first == 1);
  BOOST_TEST(f.chunk(0).failed);
}

BOOST_AUTO_TEST_CASE(who_has_as_new_a_version_is_refused) {
  fixture f;
  f.commit({0});
  const auto ask = [&](uint64_t history, int64_t newer_than) {
    stage::download::question q;
    q.shard_elements = 4;
    return f.rig.call<wire::state_chunk>(
        f.one,
        stage::request_of(stage_id{0}, q, weights_id{history_id{history}, step_id{newer_than}}));
  };
  BOOST_TEST(ask(0, 0).value.has_value());
  BOOST_TEST(ask(0, 1).failed);
  BOOST_TEST(ask(3, 0).failed);
}

BOOST_AUTO_TEST_CASE(absurd_requests_are_refused) {
  fixture f;
  BOOST_TEST(f.chunk(-1, 4).failed);
  BOOST_TEST(f.chunk(-1, ~uint64_t{0}).failed);
  BOOST_TEST(f.chunk(-1, 0, 0).failed);
  BOOST_TEST(f.chunk(-1, 0, ~uint32_t{0}).failed);
  wire::builder<schemas::StateRequest> elsewhere;
  elsewhere->setStage(3);
  elsewhere->setElements(4);
  CHECK_REFUSED(f.rig.call<wire::state_chunk>(f.one, elsewhere.finish()),
                schemas::Refusal::Reason::NOT_SERVING);
}

BOOST_AUTO_TEST_CASE(a_shard_is_of_the_version_at_which_it_was_asked_for) {
  fixture f;
  f.commit({0});
  f.newest();
  const auto asked = f.rig.ask<wire::state_chunk>(f.one.worker, state_of(-1));
  // The compute actor is busy until the next step is made, too.
  f.rig.run_without(f.one.compute);
  BOOST_TEST(!asked->answered());
  f.rig.run();
  f.commit({1});
  const auto [version, weights] = snapshot(*asked);
  BOOST_TEST(version == 1);
  BOOST_TEST(weights == reference_weights(1, 1), per_element());
}

// -- after going back -----------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_worker_that_went_back_hands_out_what_it_has_now) {
  fixture f;
  for (int64_t step = 0; step < 3; ++step) {
    f.newest();
    f.commit({step});
  }
  f.newest();
  BOOST_REQUIRE(f.rig.call<wire::position>(f.one, restore_of(2, 0)).value);
  const auto [version, weights] = f.newest();
  BOOST_TEST(version == 0);
  BOOST_TEST(weights == reference_weights(1, 0), per_element());
  // What was given up is gone.
  BOOST_TEST(f.chunk(2).failed);
  BOOST_TEST(f.chunk(3).failed);
}

BOOST_AUTO_TEST_CASE(a_worker_that_went_back_begins_a_history) {
  fixture f;
  f.commit({0}, 1, true);
  f.commit({1}, 1, true);
  BOOST_REQUIRE(f.rig.call<wire::position>(f.one, restore_of(7, 1)).value);
  BOOST_TEST(f.chunk(-1).value->read()->getHistory() == 7U);
  // By the old name of the same weights, too, until the next step.
  BOOST_TEST(f.rig.call<wire::state_chunk>(f.one, state_of_history(0, 1)).value.has_value());
  BOOST_TEST(f.rig.call<wire::state_chunk>(f.one, state_of_history(7, 1)).value.has_value());
  BOOST_TEST(f.rig.call<wire::state_chunk>(f.one, state_of_history(3, 1)).failed);
  f.commit({1, 1, 7}, 1, true);
  BOOST_TEST(f.rig.call<wire::state_chunk>(f.one, state_of_history(7, 2)).value.has_value());
  BOOST_TEST(f.rig.call<wire::state_chunk>(f.one, state_of_history(0, 2)).failed);
  BOOST_TEST((f.snapshots->newest(stage_id{0}) == weights_id{history_id{7}, step_id{2}}));
}

/// Somebody else may know them by any of these names.
BOOST_AUTO_TEST_CASE(weights_to_which_the_run_goes_back_again_and_again_keep_their_names) {
  fixture f;
  f.commit({0}, 1, true);
  for (const uint64_t term : {5U, 6U, 7U})
    BOOST_REQUIRE(f.rig.call<wire::position>(f.one, restore_of(term, 1)).value);
  for (const uint64_t history : {0U, 5U, 6U, 7U}) {
    const auto chunk = f.rig.call<wire::state_chunk>(f.one, state_of_history(history, 1));
    BOOST_REQUIRE(chunk.value);
    BOOST_TEST(chunk.value->read()->getHistory() == history);
    BOOST_TEST(chunk.value->read()->getAlso().size() == 4U);
  }
  const auto names = f.snapshots->versions().at(stage_id{0});
  BOOST_TEST(std::count_if(names.begin(), names.end(),
                           [](const weights_id& w) { return w.version == step_id{1}; }) == 4);
  // Of too many the first and the latest stay.
  for (const uint64_t term : {8U, 9U, 10U, 11U})
    BOOST_REQUIRE(f.rig.call<wire::position>(f.one, restore_of(term, 1)).value);
  for (const uint64_t history : {0U, 8U, 9U, 10U, 11U})
    BOOST_TEST(
        f.rig.call<wire::state_chunk>(f.one, state_of_history(history, 1)).value.has_value());
  BOOST_TEST(f.rig.call<wire::state_chunk>(f.one, state_of_history(6, 1)).failed);
}

BOOST_AUTO_TEST_CASE(a_version_that_was_made_anew_is_not_taken_for_the_one_that_was_given_up) {
  fixture f;
  f.commit({0});
  const auto given_up = f.newest();
  BOOST_REQUIRE(f.rig.call<wire::position>(f.one, restore_of(2, 0)).value);
  f.commit({0, 1, 2}, 0.5);
  const auto anew = f.newest();
  BOOST_TEST(anew.first == 1);
  BOOST_TEST(anew.second == f.own_weights(), per_element());
  BOOST_TEST(anew.second != given_up.second);
}
