#include "actors/stage/activation_cache.hpp"

#include <boost/test/unit_test.hpp>
#include <memory>
#include <random>

namespace {

using namespace swarm;
using cache = stage::activation_cache<std::shared_ptr<int>>;

cache::key at(int64_t step, int64_t index) {
  return {step_id(step), microbatch_id(index)};
}
std::shared_ptr<int> graph(int value) {
  return std::make_shared<int>(value);
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_is_inserted_can_be_taken_once) {
  cache c(100);
  BOOST_TEST(c.insert(at(1, 2), graph(7), 40).empty());
  BOOST_TEST(**c.find(at(1, 2)) == 7);
  BOOST_TEST(**c.take(at(1, 2)) == 7);
  BOOST_TEST(!c.take(at(1, 2)));
  BOOST_TEST(c.find(at(1, 2)) == nullptr);
  BOOST_TEST(c.bytes() == 0u);
  BOOST_TEST(c.counters().hits == 1u);
  BOOST_TEST(c.counters().misses == 1u);
}

BOOST_AUTO_TEST_CASE(taking_releases_the_memory) {
  cache c(100);
  auto g = graph(1);
  c.insert(at(0, 0), g, 10);
  BOOST_TEST(g.use_count() == 2);
  c.clear();
  BOOST_TEST(g.use_count() == 1);
  BOOST_TEST(c.bytes() == 0u);
}

BOOST_AUTO_TEST_CASE(the_same_key_replaces_and_is_counted_once) {
  cache c(100);
  c.insert(at(0, 0), graph(1), 60);
  BOOST_TEST(c.insert(at(0, 0), graph(2), 80).empty());
  BOOST_TEST(c.bytes() == 80u);
  BOOST_TEST(c.size() == 1u);
  BOOST_TEST(**c.take(at(0, 0)) == 2);
}

BOOST_AUTO_TEST_CASE(a_full_cache_gives_up_the_newcomer) {
  cache c(100);
  c.insert(at(0, 0), graph(0), 50);
  c.insert(at(0, 1), graph(1), 50);
  const auto evicted = c.insert(at(0, 2), graph(2), 1);
  BOOST_REQUIRE(evicted.size() == 1u);
  BOOST_TEST((evicted[0] == at(0, 2)));
  BOOST_TEST(c.find(at(0, 0)) != nullptr);
  BOOST_TEST(c.counters().evictions == 1u);
}

BOOST_AUTO_TEST_CASE(an_item_above_the_budget_is_not_kept_and_evicts_nothing) {
  cache c(100);
  c.insert(at(0, 0), graph(0), 50);
  const auto evicted = c.insert(at(1, 0), graph(1), 101);
  BOOST_REQUIRE(evicted.size() == 1u);
  BOOST_TEST((evicted[0] == at(1, 0)));
  BOOST_TEST(c.size() == 1u);
}

BOOST_AUTO_TEST_CASE(entries_of_older_steps_go_first) {
  cache c(100);
  c.insert(at(3, 0), graph(0), 50);
  c.insert(at(2, 9), graph(1), 50);
  const auto evicted = c.insert(at(3, 1), graph(2), 50);
  BOOST_REQUIRE(evicted.size() == 1u);
  BOOST_TEST((evicted[0] == at(2, 9)));
  BOOST_TEST(c.find(at(3, 0)) != nullptr);
  BOOST_TEST(c.find(at(3, 1)) != nullptr);
}

BOOST_AUTO_TEST_CASE(erasing_a_step_leaves_the_others) {
  cache c(100);
  for (int64_t i = 0; i < 10; ++i)
    c.insert(at(i % 2, i), graph(0), 5);
  c.erase(step_id(0));
  BOOST_TEST(c.size() == 5u);
  BOOST_TEST(c.bytes() == 25u);
  BOOST_TEST(c.find(at(1, 3)) != nullptr);
  BOOST_TEST(c.erase(at(1, 3)));
  BOOST_TEST(!c.erase(at(1, 3)));
}

BOOST_AUTO_TEST_CASE(one_too_many_in_flight_misses_seldom) {
  constexpr int64_t room = 4;
  cache c(room);
  // First in, first out, with room + 1 microbatches in flight.
  for (int64_t i = 0; i < 1000; ++i) {
    c.insert(at(0, i), graph(0), 1);
    if (i >= room) c.take(at(0, i - room));
  }
  const auto& counted = c.counters();
  BOOST_TEST(static_cast<double>(counted.hits) /
                 static_cast<double>(counted.hits + counted.misses) >=
             0.79);
}

BOOST_AUTO_TEST_CASE(abandoned_entries_do_not_hold_their_place) {
  cache c(8);
  for (int64_t i = 0; i < 7; ++i)
    c.insert(at(0, i), graph(0), 1);  // nobody will take these
  uint64_t late_hits = 0;
  for (int64_t i = 100; i < 1100; ++i) {
    c.insert(at(0, i), graph(0), 1);
    if (i < 104) continue;
    const bool hit = c.take(at(0, i - 4)).has_value();
    if (i >= 600) late_hits += hit ? 1 : 0;
  }
  BOOST_TEST(late_hits == 500u);
}

BOOST_AUTO_TEST_CASE(the_budget_holds_whatever_happens) {
  std::mt19937 random(5);
  for (int round = 0; round < 50; ++round) {
    const size_t budget = random() % 200;
    cache c(budget);
    for (int i = 0; i < 400; ++i) {
      const auto k = at(random() % 3, random() % 20);
      switch (random() % 4) {
        case 0:
        case 1: {
          const auto evicted = c.insert(k, graph(1), random() % 60);
          for (const auto& gone : evicted)
            BOOST_TEST(c.find(gone) == nullptr);
          BOOST_TEST((c.find(k) != nullptr) == (evicted.empty() || evicted.back() != k));
          break;
        }
        case 2:
          c.take(k);
          break;
        default:
          if (random() % 10 == 0) c.erase(k.step);
      }
      BOOST_REQUIRE(c.bytes() <= budget);
    }
  }
}
