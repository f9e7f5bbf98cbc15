#include "actors/stage/replicator.hpp"

#include <boost/test/unit_test.hpp>
#include <functional>

#include "tests/actors/stage/replicator_rig.hpp"

/// Copies of states outside the stages that they are of, and orders to serve elsewhere. What
/// becomes of such an order: stage_peer_test. How copies are used: rescued_swarm_test.

namespace {

using namespace swarm;
using namespace swarm::testing;
using namespace std::chrono_literals;
using boost::test_tools::per_element;

}  // namespace

// -- backup ------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(each_stages_copy_is_backed_up_by_another_stage) {
  replicators f{{1, 1, 1}};
  for (int32_t s = 0; s < 3; ++s)
    f.leave(static_cast<uint64_t>(s) + 1, s, 4);
  f.world.pass(soon);
  BOOST_TEST(f.keeps(1, 1, 4));
  BOOST_TEST(f.keeps(2, 2, 4));
  BOOST_TEST(f.keeps(3, 0, 4));
  BOOST_TEST(f.events["backup"] == 3);
}

BOOST_AUTO_TEST_CASE(a_backup_goes_with_the_newest_copy_and_fetches_each_once) {
  replicators f{{1, 1}};
  for (const int64_t version : {2, 4, 6, 8}) {
    f.leave(2, 1, version);
    f.world.pass(soon);
    BOOST_TEST(f.keeps(1, 1, version));
  }
  BOOST_TEST(f.events["backup"] == 4);
  f.world.pass(60s);
  BOOST_TEST(f.events["backup"] == 4);
  // Older ones are dropped.
  BOOST_TEST(f.inventory(1) == (items{"1@4", "1@6", "1@8"}), per_element());
}

BOOST_AUTO_TEST_CASE(a_copy_outlives_its_whole_stage) {
  replicators f{{1, 2}};
  f.leave(2, 1, 4);
  f.world.pass(soon);
  f.kill(2);
  f.kill(3);
  f.world.pass(60s);
  BOOST_TEST(f.keeps(1, 1, 4));
  BOOST_TEST(f.version_in(f.chunk(1, 1, 4)) == 4);
}

BOOST_AUTO_TEST_CASE(a_copy_for_which_there_is_no_room_is_known_by_its_first_shard) {
  replicators f{{1}, [](auto& options) {
                  options.stages = 2;
                  // A copy has 4 elements of 12 bytes.
                  options.snapshots = std::make_shared<stage::snapshot_store>(47);
                }};
  const auto state = copy_of(1, 4);
  // After the first of its two shards it has nothing newer.
  f.add_fake(2, 1, [&, asked = 0]() mutable -> caf::result<wire::state_chunk> {
    if (++asked > 1) return make_error(stage::errc::no_state);
    return stage::chunk_of(
        {state.weights(), state.commit, 4, 0, stage::shard_of(state.state, 0, 2).value()});
  });
  f.world.pass(soon);
  BOOST_TEST(f.events["no_room_for_copy"] == 1);
  BOOST_TEST(f.events["backup"] == 0);
}

BOOST_AUTO_TEST_CASE(whoever_joined_after_the_last_copy_gets_one_of_its_own_stage) {
  replicators f{{1, 1}};
  f.leave(1, 0, 4);
  f.leave(2, 1, 4);
  f.world.pass(soon);
  f.add(9, 0);
  f.world.pass(2 * soon);
  BOOST_TEST(f.keeps(9, 0, 4));
}

BOOST_AUTO_TEST_CASE(a_run_of_one_stage_has_no_backups) {
  replicators f{{2}};
  f.leave(1, 0, 4);
  f.world.pass(60s);
  BOOST_TEST(f.inventory(2).empty());
}

BOOST_AUTO_TEST_CASE(a_replicator_that_backs_nothing_up_hands_over_all_the_same) {
  replicators f{{1, 1}, [](stage::replicator_options& options) { options.backup_period = 0ms; }};
  f.leave(2, 1, 4);
  f.world.pass(60s);
  BOOST_TEST(f.inventory(1).empty());
  BOOST_TEST(f.version_in(f.chunk(2, 1, -1)) == 4);
}

BOOST_AUTO_TEST_CASE(a_donor_that_is_silent_or_refuses_is_left_for_another) {
  for (const bool silent : {true, false}) {
    replicators f{{1, 0}};
    // The first of the stage, and so the first to be asked.
    f.add_fake(2, 1, [silent]() -> caf::result<wire::state_chunk> {
      if (silent) return caf::delegated<wire::state_chunk>{};
      return caf::make_error(caf::sec::runtime_error);
    });
    f.add(3, 1);
    f.leave(3, 1, 4);
    f.world.pass(10 * chunk_timeout);
    BOOST_TEST(f.keeps(1, 1, 4));
  }
}

BOOST_AUTO_TEST_CASE(a_damaged_copy_is_never_kept) {
  replicators f{{1, 0}};
  int asked = 0;
  const auto spoiled = copy_of(1, 4);
  f.add_fake(2, 1, [&asked, spoiled]() -> caf::result<wire::state_chunk> {
    ++asked;
    // Another size than it says.
    return stage::chunk_of({spoiled.weights(), spoiled.commit, 4, 0, spoiled.state});
  });
  f.world.pass(soon);
  BOOST_TEST(asked > 0);
  BOOST_TEST(f.inventory(1).empty());
  BOOST_TEST(f.events["backup"] == 0);
  // Somebody who has it whole.
  f.add(3, 1);
  f.leave(3, 1, 4);
  f.world.pass(10 * chunk_timeout);
  BOOST_TEST(f.keeps(1, 1, 4));
}

BOOST_AUTO_TEST_CASE(a_donor_that_dies_in_the_middle_is_left_for_another) {
  replicators f{{1, 0}};
  int asked = 0;
  const auto state = copy_of(1, 4);
  f.add_fake(2, 1, [&asked, state]() -> caf::result<wire::state_chunk> {
    // The first shard, and then nothing.
    if (++asked > 1) return caf::delegated<wire::state_chunk>{};
    return stage::chunk_of(
        {state.weights(), state.commit, 4, 0, *stage::shard_of(state.state, 0, 2)});
  });
  f.add(3, 1);
  f.leave(3, 1, 4);
  f.world.pass(10 * chunk_timeout);
  BOOST_TEST(asked >= 2);
  BOOST_TEST(f.keeps(1, 1, 4));
}

BOOST_AUTO_TEST_CASE(weights_that_are_here_by_another_name_are_not_fetched_again) {
  replicators f{{1, 0}};
  const auto state = copy_of(1, 4);
  const history_id later{7};
  int asked = 0;
  f.add_fake(2, 1, [&, shard = [&](uint64_t first, history_id history) {
               return stage::chunk_of({{history, state.version},
                                       state.commit,
                                       4,
                                       first,
                                       stage::shard_of(state.state, first, 2).value(),
                                       {},
                                       {state.history}});
             }]() -> caf::result<wire::state_chunk> {
    switch (++asked) {
      case 1:
        return shard(0, state.history);
      case 2:
        return shard(2, state.history);
      case 3:  // the run has gone back
        return shard(0, later);
      default:
        return make_error(stage::errc::no_state);
    }
  });
  f.world.pass(2 * soon);
  BOOST_TEST(f.keeps(1, 1, 4));
  const auto newest = f.peers.at(1).snapshots->newest(stage_id{1});
  BOOST_REQUIRE(newest.has_value());
  BOOST_TEST((*newest == weights_id{later, step_id{4}}));
  BOOST_TEST(f.events["backup"] == 2);
}

/// Copies of 120 were under way when a stage was lost, and everybody went back to 100.
BOOST_AUTO_TEST_CASE(a_copy_from_before_the_run_went_back_is_replaced_by_the_next_one) {
  replicators f{{1, 1}};
  f.leave(2, 1, 100);
  f.world.pass(soon);
  f.leave(2, 1, 120);
  f.world.pass(soon);
  BOOST_TEST(f.inventory(1) == (items{"1@100", "1@120"}), per_element());
  auto back = copy_of(1, 100);
  back.history = history_id{7};
  back.also = {history_id{0}};
  f.peers.at(2).snapshots->put(stage_id{1}, back);
  auto next = copy_of(1, 101);
  next.history = history_id{7};
  f.peers.at(2).snapshots->put(stage_id{1}, next);
  f.world.pass(soon);
  BOOST_TEST(f.keeps(1, 1, 101));
  BOOST_TEST(!f.keeps(1, 1, 120));
}

// -- what is dropped ------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(what_is_neither_its_own_nor_its_to_keep_goes_after_a_while) {
  replicators f{{1, 1, 1}};
  f.leave(1, 0, 4);
  f.leave(1, 1, 4);
  // Of a stage that it served before.
  f.leave(1, 2, 4);
  f.world.pass(2s);
  BOOST_TEST(f.keeps(1, 2, 4));
  f.world.pass(30s);
  BOOST_TEST(!f.keeps(1, 2, 4));
  BOOST_TEST(f.keeps(1, 0, 4));
  BOOST_TEST(f.keeps(1, 1, 4));
}

BOOST_AUTO_TEST_CASE(nothing_goes_while_a_stage_has_nobody) {
  for (const uint64_t lost : {2U, 3U}) {
    replicators f{{1, 1, 1}};
    f.leave(1, 0, 4);
    f.leave(1, 1, 4);
    f.leave(1, 2, 4);
    f.kill(lost);
    f.world.pass(60s);
    for (int32_t s = 0; s < 3; ++s)
      BOOST_TEST(f.keeps(1, s, 4));
  }
}
