#include "actors/stage/backup_stage.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <map>

#include "actors/random.hpp"

using namespace swarm;
using swarm::stage::backup_stage_of;
using swarm::stage::backups_per_stage;

namespace {

worker_id worker(uint64_t peer) {
  return {peer_id{peer}, incarnation_id{1}};
}

}  // namespace

BOOST_AUTO_TEST_CASE(with_one_stage_there_is_nothing_to_back_up) {
  BOOST_TEST(!backup_stage_of({{worker(1), stage_id{0}}}, 1, worker(1), stage_id{0}).has_value());
}

BOOST_AUTO_TEST_CASE(nobody_backs_up_its_own_stage_and_every_stage_has_its_copies) {
  splitmix64 random{7};
  for (int run = 0; run < 200; ++run) {
    const auto stages = static_cast<int32_t>(2 + random.below(7));
    std::map<worker_id, stage_id> workers;
    std::map<stage_id, size_t> serving;
    uint64_t next = 1;
    for (stage_id s{0}; s.value() < stages; s = s.next()) {
      serving[s] = 1 + random.below(5);
      for (size_t n = 0; n < serving[s]; ++n)
        workers[worker(next++)] = s;
    }
    std::map<stage_id, size_t> copies;
    std::map<stage_id, size_t> backups;
    for (const auto& [id, own] : workers) {
      const auto kept = backup_stage_of(workers, stages, id, own);
      if (!kept) continue;
      BOOST_TEST((*kept != own));
      BOOST_TEST(kept->value() < stages);
      ++copies[*kept];
      ++backups[own];
    }
    BOOST_TEST(copies.size() == static_cast<size_t>(stages));
    for (const auto& [s, n] : serving)
      BOOST_TEST(backups[s] == std::min<size_t>(n, backups_per_stage));
  }
}

BOOST_AUTO_TEST_CASE(copies_do_not_grow_with_the_stage) {
  std::map<worker_id, stage_id> workers;
  for (uint64_t p = 1; p <= 400; ++p)
    workers[worker(p)] = stage_id{static_cast<int32_t>(p % 4)};
  std::map<stage_id, size_t> copies;
  for (const auto& [id, own] : workers)
    if (const auto kept = backup_stage_of(workers, 4, id, own)) ++copies[*kept];
  for (stage_id s{0}; s.value() < 4; s = s.next())
    BOOST_TEST(copies[s] == size_t{backups_per_stage});
}

BOOST_AUTO_TEST_CASE(who_dies_or_comes_moves_its_own_place_only) {
  std::map<worker_id, stage_id> workers;
  for (uint64_t p = 1; p <= 100; ++p)
    workers[worker(p)] = stage_id{0};
  const auto kept = [&] {
    std::map<worker_id, stage_id> result;
    for (const auto& [id, own] : workers)
      if (const auto stage = backup_stage_of(workers, 4, id, own)) result[id] = *stage;
    return result;
  };
  const auto before = kept();
  BOOST_REQUIRE(before.size() == size_t{backups_per_stage});
  for (const auto& [id, stage] : before) {
    workers.erase(id);
    const auto after = kept();
    size_t same = 0;
    for (const auto& [other, of] : after)
      same += before.count(other) != 0 && before.at(other) == of ? 1 : 0;
    // The next one may have had a later place.
    BOOST_TEST(same + 2 >= before.size());
    workers[id] = stage_id{0};
  }
  BOOST_TEST((kept() == before));
}
