#include "tools/planner/placement.hpp"

#include <boost/test/unit_test.hpp>

#include "actors/random.hpp"

namespace {

using namespace swarm;
using namespace swarm::planner;

workload example(int64_t layers) {
  workload work;
  work.model.layers = layers;
  return work;
}

peer_kind kind(const char* name, int64_t count, double flop_per_s) {
  peer_kind result;
  result.name = name;
  result.count = count;
  result.flop_per_s = flop_per_s;
  result.memory_bytes = 1e9;
  return result;
}

fitness all_fit(size_t stages, size_t kinds) {
  return fitness(stages, std::vector<bool>(kinds, true));
}

int64_t placed(const placement& where) {
  int64_t sum = 0;
  for (const auto& counts : where)
    for (const auto count : counts)
      sum += count;
  return sum;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_square_cube_condition_compares_computing_with_the_line) {
  const auto load = loads_of(example(6), 3)[1];
  auto peer = kind("a", 1, load.flop());
  peer.up_bits_per_s = load.out_bytes() * 8 * 2;
  peer.down_bits_per_s = load.in_bytes() * 8 / 0.75;
  const auto seconds = seconds_of(peer, load);
  BOOST_TEST(seconds.compute == 1);
  BOOST_TEST(seconds.up == 0.5);
  BOOST_TEST(seconds.down == 0.75);
  BOOST_TEST(seconds.hidden());
  peer.flop_per_s *= 2;
  BOOST_TEST(!seconds_of(peer, load).hidden());
  BOOST_TEST(seconds_of(peer, load).slowest() == 0.75);
}

BOOST_AUTO_TEST_CASE(wider_and_deeper_stages_hide_more) {
  // The ratio grows with layers per stage times width.
  peer_kind peer = kind("a", 1, 1e12);
  peer.up_bits_per_s = peer.down_bits_per_s = 1e8;
  const auto ratio = [&](int64_t layers, int64_t width) {
    auto work = example(layers);
    work.model.width = width;
    const auto seconds = seconds_of(peer, loads_of(work, 3)[1]);
    return seconds.compute / seconds.line();
  };
  BOOST_TEST(ratio(12, 256) > 1.5 * ratio(6, 256));
  BOOST_TEST(ratio(6, 1024) > 3 * ratio(6, 256));
}

BOOST_AUTO_TEST_CASE(everybody_is_placed_and_no_stage_is_empty) {
  splitmix64 random{3};
  for (int i = 0; i < 200; ++i) {
    const size_t stages = 1 + random.below(6);
    fleet peers;
    for (size_t k = 0; k <= random.below(3); ++k)
      peers.push_back(kind("k", static_cast<int64_t>(stages + random.below(5)),
                           1e9 * (1 + 15 * random.unit())));
    const auto loads = loads_of(example(8), static_cast<int64_t>(stages));
    const auto result = place(peers, loads, all_fit(stages, peers.size()));
    const auto* where = std::get_if<placement>(&result);
    BOOST_REQUIRE(where != nullptr);
    BOOST_TEST(placed(*where) == peers_of(peers));
    BOOST_TEST(pipeline_rate(peers, loads, *where) > 0);
  }
}

BOOST_AUTO_TEST_CASE(the_slowest_stage_is_near_the_best_possible) {
  // Many peers: the rates can be made nearly equal, each 1 / stages of the whole.
  splitmix64 random{5};
  for (int i = 0; i < 50; ++i) {
    const fleet peers{
        kind("slow", 20 + static_cast<int64_t>(random.below(20)), 1e9),
        kind("fast", 10 + static_cast<int64_t>(random.below(10)), 1e9 * (1 + 7 * random.unit()))};
    const int64_t stages = 2 + static_cast<int64_t>(random.below(4));
    const auto loads = loads_of(example(12), stages);
    const auto where =
        std::get<placement>(place(peers, loads, all_fit(loads.size(), peers.size())));
    double flop = 0;
    for (const auto& load : loads)
      flop += load.flop();
    double speed = 0;
    for (const auto& k : peers)
      speed += static_cast<double>(k.count) * k.flop_per_s;
    const double best = speed / flop;
    BOOST_TEST(pipeline_rate(peers, loads, where) <= best * 1.000001);
    BOOST_TEST(pipeline_rate(peers, loads, where) >= best * 0.9);
  }
}

BOOST_AUTO_TEST_CASE(a_further_peer_never_lowers_the_rate) {
  splitmix64 random{9};
  for (int i = 0; i < 200; ++i) {
    const int64_t stages = 1 + static_cast<int64_t>(random.below(5));
    const auto loads = loads_of(example(10), stages);
    fleet peers{kind("a", stages + static_cast<int64_t>(random.below(9)), 1e9),
                kind("b", static_cast<int64_t>(random.below(5)), 3e9)};
    const auto rate = [&] {
      return pipeline_rate(
          peers, loads,
          std::get<placement>(place(peers, loads, all_fit(loads.size(), peers.size()))));
    };
    const double before = rate();
    ++peers[random.below(2)].count;
    BOOST_TEST(rate() >= before * 0.999999);
  }
}

BOOST_AUTO_TEST_CASE(who_fits_one_stage_only_is_put_there) {
  const fleet peers{kind("small", 2, 9e9), kind("large", 1, 1e9)};
  const auto loads = loads_of(example(6), 2);
  const fitness fits{{false, true}, {true, true}};
  const auto where = std::get<placement>(place(peers, loads, fits));
  BOOST_TEST(where[0][1] == 1);
  BOOST_TEST(where[1][0] == 2);
  const fleet no_large{kind("small", 3, 9e9), kind("large", 0, 1e9)};
  BOOST_TEST(std::holds_alternative<std::string>(place(no_large, loads, fits)));
}

BOOST_AUTO_TEST_CASE(fitted_cuts_give_fast_peers_more_blocks) {
  const auto work = example(12);
  const fleet peers{kind("slow", 1, 1e9), kind("fast", 1, 3e9)};
  const placement where{{1, 0}, {0, 1}};
  const auto spans = fitted_cuts(work, peers, where);
  BOOST_REQUIRE_EQUAL(spans.size(), 2U);
  BOOST_TEST(spans[0].end_block == spans[1].first_block);
  BOOST_TEST(spans[1].end_block == 12);
  BOOST_TEST(spans[0].end_block <= 4);
  std::vector<stage_load> fitted;
  for (const auto& span : spans)
    fitted.push_back(load_of(work, span));
  BOOST_TEST(pipeline_rate(peers, fitted, where) >=
             pipeline_rate(peers, loads_of(work, 2), where) * 1.3);
}
