#include "actors/stage/backup_stage.hpp"

#include <boost/test/unit_test.hpp>
#include <set>

#include "actors/random.hpp"

using namespace swarm;
using swarm::stage::backup_stage_of;

namespace {

worker_id worker(uint64_t peer) {
  return {peer_id{peer}, incarnation_id{1}};
}

}  // namespace

BOOST_AUTO_TEST_CASE(with_one_stage_there_is_nothing_to_back_up) {
  BOOST_TEST(!backup_stage_of({{worker(1), stage_id{0}}}, 1, worker(1), stage_id{0}).has_value());
}

BOOST_AUTO_TEST_CASE(nobody_backs_up_its_own_stage_and_every_stage_has_one) {
  splitmix64 random{7};
  for (int run = 0; run < 200; ++run) {
    const auto stages = static_cast<int32_t>(2 + random.below(7));
    std::map<worker_id, stage_id> workers;
    uint64_t next = 1;
    for (int32_t s = 0; s < stages; ++s)
      for (uint64_t n = 1 + random.below(5); n > 0; --n)
        workers[worker(next++)] = stage_id{s};
    std::map<stage_id, size_t> copies;
    for (const auto& [id, own] : workers) {
      const auto kept = backup_stage_of(workers, stages, id, own);
      BOOST_REQUIRE(kept.has_value());
      BOOST_TEST((*kept != own));
      BOOST_TEST(kept->value() < stages);
      ++copies[*kept];
    }
    BOOST_TEST(copies.size() == static_cast<size_t>(stages));
  }
}

BOOST_AUTO_TEST_CASE(a_stage_of_many_spreads_over_all_others) {
  std::map<worker_id, stage_id> workers;
  for (uint64_t p = 1; p <= 6; ++p)
    workers[worker(p)] = stage_id{0};
  std::set<stage_id> kept;
  for (const auto& [id, own] : workers)
    kept.insert(*backup_stage_of(workers, 4, id, own));
  BOOST_TEST(kept.size() == 3U);
}
