#include "tools/planner/workload.hpp"

#include <boost/test/unit_test.hpp>

namespace {

using namespace swarm;
using namespace swarm::planner;

workload example() {
  workload work;
  work.model.layers = 12;
  work.model.heads = 8;
  work.model.width = 256;
  work.model.context = 128;
  work.model.vocabulary = 1'000;
  work.rows = 2;
  return work;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_stage_costs_what_its_blocks_and_ends_cost) {
  const auto work = example();
  const auto loads = loads_of(work, 3);
  BOOST_REQUIRE_EQUAL(loads.size(), 3U);
  const double tokens = 2 * 128;
  // 24 d^2 + 4 T d per block and token.
  const double block = 24.0 * 256 * 256 + 4.0 * 128 * 256;
  const auto blocks = [](const stage_load& load) {
    return static_cast<double>(load.span.end_block - load.span.first_block);
  };
  BOOST_TEST(loads[0].forward_flop == tokens * block * blocks(loads[0]));
  BOOST_TEST(loads[2].forward_flop ==
             tokens * (block * blocks(loads[2]) + tensors::head_flop(work.model)));
  for (const auto& load : loads)
    BOOST_TEST(load.backward_flop == 2 * load.forward_flop);
}

BOOST_AUTO_TEST_CASE(a_middle_stage_passes_two_tensors_each_way) {
  const auto loads = loads_of(example(), 3);
  const double tensor = 2 * 128 * 256 * raw_value_bytes;
  BOOST_TEST(loads[1].in_bytes() == 2 * tensor);
  BOOST_TEST(loads[1].out_bytes() == 2 * tensor);
  // Tokens in and nothing out at the model's input; one call with targets at its output.
  BOOST_TEST(loads[0].in_bytes() == tensor + 2 * 128 * token_bytes);
  BOOST_TEST(loads[0].out_bytes() == tensor);
  BOOST_TEST(loads[2].in_bytes() == tensor + 2 * 128 * token_bytes);
  BOOST_TEST(loads[2].out_bytes() == tensor);
}

BOOST_AUTO_TEST_CASE(cuts_add_up_to_the_whole_model) {
  const auto work = example();
  const auto whole = loads_of(work, 1).front();
  for (int64_t stages = 1; stages <= work.model.layers; ++stages) {
    double flop = 0;
    double parameters = 0;
    for (const auto& load : loads_of(work, stages)) {
      flop += load.flop();
      parameters += load.parameters;
    }
    BOOST_TEST(flop == whole.flop(), boost::test_tools::tolerance(1e-12));
    // Each flat vector is padded.
    BOOST_TEST(parameters >= whole.parameters);
    BOOST_TEST(parameters <= whole.parameters + 16.0 * static_cast<double>(stages));
  }
}

BOOST_AUTO_TEST_CASE(more_stages_never_need_more_memory_for_the_largest) {
  const auto work = example();
  double before = 1e300;
  for (int64_t stages = 1; stages <= work.model.layers; ++stages) {
    double largest = 0;
    for (const auto& load : loads_of(work, stages))
      largest = std::max(largest, load.parameters);
    BOOST_TEST(largest <= before + 16);
    before = largest;
  }
}

BOOST_AUTO_TEST_CASE(memory_grows_with_what_waits_and_with_fixed_point) {
  auto work = example();
  const auto load = loads_of(work, 2).front();
  const auto one = memory_of(work, load, 1);
  const auto three = memory_of(work, load, 3);
  BOOST_TEST(one.weights == 4 * load.parameters);
  BOOST_TEST(one.moments == 8 * load.parameters);
  BOOST_TEST(three.activations == 3 * one.activations);
  BOOST_TEST(three.total() - one.total() == 2 * load.saved_bytes);
  work.reproducible = true;
  BOOST_TEST(memory_of(work, load, 1).gradients > one.gradients);
  BOOST_TEST(load_of(work, load.span).gradient_bytes == 2 * load.gradient_bytes);
}

BOOST_AUTO_TEST_CASE(a_smaller_value_shrinks_boundary_tensors_only) {
  auto work = example();
  const auto raw = loads_of(work, 2).front();
  work.value_bytes = fp16_value_bytes;
  const auto half = loads_of(work, 2).front();
  BOOST_TEST(half.out_bytes() == raw.out_bytes() / 2);
  BOOST_TEST(half.gradient_bytes == raw.gradient_bytes);
  BOOST_TEST(half.saved_bytes == raw.saved_bytes);
}
