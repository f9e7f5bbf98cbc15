#include "actors/stage/snapshot_store.hpp"

#include <boost/test/unit_test.hpp>
#include <map>
#include <memory>
#include <vector>

using namespace swarm;
using namespace swarm::stage;

namespace {

stored_state at(int64_t version, uint64_t history = 0) {
  return {step_id{version},
          tensors::host_tensor::adopt(std::vector<float>(3), {3, 1}),
          {},
          history_id{history}};
}

weights_id named(int64_t version, uint64_t history = 0) {
  return {history_id{history}, step_id{version}};
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_newest_versions_of_each_stage_stay) {
  snapshot_store snapshots;
  for (int64_t v = 0; v <= 50; v += 10)
    snapshots.put(stage_id{1}, at(v));
  snapshots.put(stage_id{0}, at(30));
  BOOST_TEST((snapshots.newest(stage_id{1}) == named(50)));
  BOOST_TEST(snapshots.find(stage_id{1}, named(30)).has_value());
  BOOST_TEST(!snapshots.find(stage_id{1}, named(20)).has_value());
  BOOST_TEST(!snapshots.find(stage_id{0}, named(50)).has_value());
  BOOST_TEST(!snapshots.newest(stage_id{2}).has_value());
  const auto all = snapshots.versions();
  BOOST_TEST(all.at(stage_id{1}).size() == snapshot_versions_max);
}

BOOST_AUTO_TEST_CASE(going_back_drops_what_came_after) {
  snapshot_store snapshots;
  for (int64_t v : {10, 20, 30})
    snapshots.put(stage_id{0}, at(v));
  snapshots.put(stage_id{0}, at(10));
  BOOST_TEST((snapshots.newest(stage_id{0}) == named(10)));
  BOOST_TEST(!snapshots.find(stage_id{0}, named(20)).has_value());
}

BOOST_AUTO_TEST_CASE(only_so_many_stages_are_kept) {
  snapshot_store snapshots;
  for (size_t s = 0; s < snapshot_stages_max; ++s)
    BOOST_TEST(snapshots.put(stage_id{static_cast<int32_t>(s)}, at(1)));
  BOOST_TEST(!snapshots.put(stage_id{99}, at(1)));
  BOOST_TEST(snapshots.put(stage_id{0}, at(2)));
  snapshots.retain({stage_id{0}, stage_id{1}});
  BOOST_TEST(snapshots.versions().size() == 2U);
  BOOST_TEST(snapshots.put(stage_id{99}, at(1)));
}

BOOST_AUTO_TEST_CASE(the_next_life_finds_what_the_disk_has) {
  std::map<stage_id, std::shared_ptr<memory_state_store>> disk;
  const auto open = [&](stage_id stage) {
    auto& store = disk[stage];
    if (!store) store = std::make_shared<memory_state_store>();
    return store;
  };
  const std::vector<stage_id> both{stage_id{0}, stage_id{2}};
  {
    snapshot_store snapshots{open, {}};
    for (int64_t v : {10, 20, 30})
      snapshots.put(stage_id{2}, at(v));
    snapshots.put(stage_id{0}, at(20));
    // Going back goes back on the disk, too.
    snapshots.put(stage_id{2}, at(20));
  }
  snapshot_store snapshots{open, both};
  BOOST_TEST((snapshots.newest(stage_id{2}) == named(20)));
  BOOST_TEST(!snapshots.find(stage_id{2}, named(30)).has_value());
  BOOST_TEST((snapshots.newest(stage_id{0}) == named(20)));
  BOOST_TEST(!snapshots.newest(stage_id{1}).has_value());
}

BOOST_AUTO_TEST_CASE(a_copy_of_an_earlier_history_never_counts_as_newer) {
  snapshot_store snapshots;
  for (int64_t v : {100, 120})
    snapshots.put(stage_id{0}, at(v));
  BOOST_TEST(snapshots.put(stage_id{0}, at(101, 7)));
  BOOST_TEST((snapshots.newest(stage_id{0}) == named(101, 7)));
  BOOST_TEST(!snapshots.find(stage_id{0}, named(120)).has_value());
  BOOST_TEST(snapshots.find(stage_id{0}, named(100)).has_value());
  // Somebody who was away comes with what the others have given up.
  BOOST_TEST(!snapshots.put(stage_id{0}, at(130)));
  BOOST_TEST((snapshots.newest(stage_id{0}) == named(101, 7)));
}

BOOST_AUTO_TEST_CASE(weights_to_which_the_run_went_back_have_several_names) {
  snapshot_store snapshots;
  auto back = at(100, 7);
  back.also = {history_id{3}, history_id{4}};
  snapshots.put(stage_id{0}, back);
  BOOST_TEST(snapshots.find(stage_id{0}, named(100, 7)).has_value());
  BOOST_TEST(snapshots.find(stage_id{0}, named(100, 3)).has_value());
  BOOST_TEST(snapshots.find(stage_id{0}, named(100, 4)).has_value());
  BOOST_TEST(!snapshots.find(stage_id{0}, named(100, 5)).has_value());
  BOOST_TEST(snapshots.find(stage_id{0}, {any_history, step_id{100}}).has_value());
  BOOST_TEST((snapshots.versions()[stage_id{0}] ==
              std::vector<weights_id>{named(100, 7), named(100, 3), named(100, 4)}));
}

// -- memory --------------------------------------------------------------------------------------

namespace {

constexpr uint64_t copy_bytes = 12;

}  // namespace

BOOST_AUTO_TEST_CASE(no_more_is_in_memory_than_the_budget_and_the_oldest_goes_first) {
  snapshot_store snapshots{3 * copy_bytes};
  for (int64_t v : {10, 20, 30}) {
    snapshots.put(stage_id{0}, at(v));
    snapshots.put(stage_id{1}, at(v));
    BOOST_TEST(snapshots.memory_bytes() <= 3 * copy_bytes);
  }
  // The newest of each stage, and one before.
  BOOST_TEST((snapshots.newest(stage_id{0}) == named(30)));
  BOOST_TEST((snapshots.newest(stage_id{1}) == named(30)));
  BOOST_TEST(snapshots.versions()[stage_id{0}].size() + snapshots.versions()[stage_id{1}].size() ==
             3U);
}

BOOST_AUTO_TEST_CASE(a_copy_that_is_larger_than_the_budget_is_not_kept) {
  snapshot_store snapshots{copy_bytes - 1};
  BOOST_TEST(!snapshots.put(stage_id{0}, at(10)));
  BOOST_TEST(!snapshots.newest(stage_id{0}).has_value());
  BOOST_TEST(snapshots.memory_bytes() == 0U);
}

BOOST_AUTO_TEST_CASE(what_is_above_the_budget_is_read_from_the_disk) {
  std::map<stage_id, std::shared_ptr<memory_state_store>> disks;
  snapshot_store snapshots{[&](stage_id stage) {
                             auto& disk = disks[stage];
                             if (!disk) disk = std::make_shared<memory_state_store>();
                             return disk;
                           },
                           {},
                           copy_bytes};
  for (int64_t v : {10, 20})
    for (int32_t stage : {0, 1}) {
      BOOST_TEST(snapshots.put(stage_id{stage}, at(v)));
      BOOST_TEST(snapshots.memory_bytes() <= copy_bytes);
    }
  for (int64_t v : {10, 20})
    for (int32_t stage : {0, 1}) {
      const auto found = snapshots.find(stage_id{stage}, named(v));
      BOOST_REQUIRE(found.has_value());
      BOOST_TEST(found->state.bytes() == copy_bytes);
    }
  BOOST_TEST(snapshots.memory_bytes() <= copy_bytes);
}
