#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <random>

#include "tensors/model/model_config.hpp"

using namespace swarm::tensors;

namespace {

double cost_of(const stage_span& span, const std::vector<double>& costs, double head) {
  double cost = span.last ? head : 0.0;
  for (int64_t i = span.first_block; i < span.end_block; ++i)
    cost += costs[i];
  return cost;
}

double bottleneck_of(const std::vector<stage_span>& spans, const std::vector<double>& costs,
                     double head) {
  double worst = 0;
  for (const auto& span : spans)
    worst = std::max(worst, cost_of(span, costs, head));
  return worst;
}

/// Tries every cut.
double best_bottleneck(const std::vector<double>& costs, double head, int64_t stages,
                       int64_t first) {
  const auto layers = static_cast<int64_t>(costs.size());
  if (stages == 1) return cost_of({first, layers, false, true}, costs, head);
  double best = 1e300;
  for (int64_t end = first + 1; end <= layers - (stages - 1); ++end) {
    const double here = cost_of({first, end, false, false}, costs, head);
    best = std::min(best, std::max(here, best_bottleneck(costs, head, stages - 1, end)));
  }
  return best;
}

}  // namespace

BOOST_AUTO_TEST_CASE(stages_cover_the_blocks_once_in_order) {
  for (int64_t layers = 1; layers <= 9; ++layers) {
    for (int64_t stages = 1; stages <= layers; ++stages) {
      model_config model;
      model.layers = layers;
      const auto spans = partition(model, stages);
      BOOST_REQUIRE_EQUAL(spans.size(), stages);
      int64_t next = 0;
      for (int64_t s = 0; s < stages; ++s) {
        BOOST_TEST(spans[s].first_block == next);
        BOOST_TEST(spans[s].end_block > spans[s].first_block);
        BOOST_TEST(spans[s].first == (s == 0));
        BOOST_TEST(spans[s].last == (s == stages - 1));
        next = spans[s].end_block;
      }
      BOOST_TEST(next == layers);
    }
  }
}

BOOST_AUTO_TEST_CASE(no_cut_has_a_cheaper_bottleneck) {
  std::mt19937 random(7);
  std::uniform_real_distribution<double> cost(0.1, 3.0);
  for (int round = 0; round < 200; ++round) {
    model_config model;
    model.layers = 1 + static_cast<int64_t>(random() % 8);
    const int64_t stages = 1 + static_cast<int64_t>(random() % model.layers);
    std::vector<double> costs;
    for (int64_t i = 0; i < model.layers; ++i)
      costs.push_back(cost(random));
    const double head = cost(random);
    const double found = bottleneck_of(partition(model, stages, costs, head), costs, head);
    BOOST_TEST(found == best_bottleneck(costs, head, stages, 0),
               boost::test_tools::tolerance(1e-12));
  }
}

BOOST_AUTO_TEST_CASE(an_even_cut_wins_among_equals) {
  model_config model;
  model.layers = 8;
  // One dear block fixes the bottleneck; the other stages still share what is left evenly.
  const auto spans = partition(model, 3, {10, 1, 1, 1, 1, 1, 1, 1}, 0.5);
  BOOST_TEST(spans[0].end_block == 1);
  BOOST_TEST(spans[1].end_block == 5);
}

BOOST_AUTO_TEST_CASE(a_dear_head_takes_blocks_from_the_last_stage) {
  model_config model;
  model.vocabulary = 50257;
  const auto spans = partition(model, 2);
  BOOST_TEST(spans[1].end_block - spans[1].first_block == 1);
}

BOOST_AUTO_TEST_CASE(flop_are_those_of_the_matrices) {
  model_config model;
  BOOST_TEST(block_flop(model) == 24.0 * 128 * 128 + 4.0 * 64 * 128);
  BOOST_TEST(head_flop(model) > 2.0 * 128 * 256);
  BOOST_TEST(head_flop(model) < 1.1 * 2.0 * 128 * 256);
}

BOOST_AUTO_TEST_CASE(a_wrong_model_gets_a_sentence) {
  const auto wrong = [](auto change, int64_t stages = 1) {
    model_config model;
    change(model);
    const auto sentence = validate(model, stages);
    return sentence ? *sentence : std::string();
  };
  BOOST_TEST(wrong([](model_config&) {}).empty());
  BOOST_TEST(wrong([](model_config&) {}, 6).empty());
  BOOST_TEST(wrong([](model_config& m) { m.heads = 5; }).find("multiple") != std::string::npos);
  BOOST_TEST(wrong([](model_config& m) { m.layers = 0; }).find("layers") != std::string::npos);
  BOOST_TEST(wrong([](model_config& m) { m.vocabulary = vocabulary_max + 1; }).size() > 0u);
  BOOST_TEST(wrong([](model_config& m) { m.dropout = 1.0; }).size() > 0u);
  BOOST_TEST(wrong([](model_config&) {}, 7).find("cannot be cut") != std::string::npos);
  BOOST_TEST(wrong([](model_config& m) { m.tied_head = true; }).empty());
  BOOST_TEST(wrong([](model_config& m) { m.tied_head = true; }, 2).find("tied") !=
             std::string::npos);
}
