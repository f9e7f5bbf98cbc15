#include "actors/stage/state_vault.hpp"

#include <boost/test/unit_test.hpp>
#include <map>
#include <memory>
#include <vector>

using namespace swarm;
using namespace swarm::stage;

namespace {

stored_state at(int64_t version) {
  return {step_id{version}, tensors::host_tensor::adopt(std::vector<float>(3), {3, 1}), {}};
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_newest_versions_of_each_stage_stay) {
  state_vault vault;
  for (int64_t v = 0; v <= 50; v += 10)
    vault.put(stage_id{1}, at(v));
  vault.put(stage_id{0}, at(30));
  BOOST_TEST((vault.newest(stage_id{1}) == step_id{50}));
  BOOST_TEST(vault.find(stage_id{1}, step_id{30}).has_value());
  BOOST_TEST(!vault.find(stage_id{1}, step_id{20}).has_value());
  BOOST_TEST(!vault.find(stage_id{0}, step_id{50}).has_value());
  BOOST_TEST(!vault.newest(stage_id{2}).has_value());
  const auto all = vault.versions();
  BOOST_TEST(all.at(stage_id{1}).size() == vault_versions_max);
}

BOOST_AUTO_TEST_CASE(going_back_drops_what_came_after) {
  state_vault vault;
  for (int64_t v : {10, 20, 30})
    vault.put(stage_id{0}, at(v));
  vault.put(stage_id{0}, at(10));
  BOOST_TEST((vault.newest(stage_id{0}) == step_id{10}));
  BOOST_TEST(!vault.find(stage_id{0}, step_id{20}).has_value());
}

BOOST_AUTO_TEST_CASE(only_so_many_stages_are_kept) {
  state_vault vault;
  for (size_t s = 0; s < vault_stages_max; ++s)
    BOOST_TEST(vault.put(stage_id{static_cast<int32_t>(s)}, at(1)));
  BOOST_TEST(!vault.put(stage_id{99}, at(1)));
  BOOST_TEST(vault.put(stage_id{0}, at(2)));
  vault.retain({stage_id{0}, stage_id{1}});
  BOOST_TEST(vault.versions().size() == 2U);
  BOOST_TEST(vault.put(stage_id{99}, at(1)));
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
    state_vault vault{open, {}};
    for (int64_t v : {10, 20, 30})
      vault.put(stage_id{2}, at(v));
    vault.put(stage_id{0}, at(20));
    // Going back goes back on the disk, too.
    vault.put(stage_id{2}, at(20));
  }
  state_vault vault{open, both};
  BOOST_TEST((vault.newest(stage_id{2}) == step_id{20}));
  BOOST_TEST(!vault.find(stage_id{2}, step_id{30}).has_value());
  BOOST_TEST((vault.newest(stage_id{0}) == step_id{20}));
  BOOST_TEST(!vault.newest(stage_id{1}).has_value());
}
