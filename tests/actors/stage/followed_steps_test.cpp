#include "actors/stage/followed_steps.hpp"

#include <boost/test/unit_test.hpp>
#include <vector>

namespace {

using namespace swarm;
using namespace swarm::stage;

followed_steps::step step(int64_t from, size_t elements) {
  return {
      {{}, step_id{from}},
      tensors::host_tensor::adopt(std::vector<float>(elements), {static_cast<int64_t>(elements)}),
      0.5};
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_last_steps_stay_that_fit_the_budget) {
  followed_steps steps{40};
  BOOST_TEST(!steps.oldest().has_value());
  for (int64_t from = 3; from < 9; ++from) {
    steps.add(step(from, 4));
    BOOST_TEST(steps.bytes() <= 40U);
  }
  BOOST_TEST((steps.oldest() == weights_id{{}, step_id{7}}));
  int64_t from = 7;
  for (const auto& s : steps)
    BOOST_TEST((s.from.version == step_id{from++}));
  BOOST_TEST(from == 9);
  steps.clear();
  BOOST_TEST(!steps.oldest().has_value());
  BOOST_TEST(steps.bytes() == 0U);
}

BOOST_AUTO_TEST_CASE(a_result_above_the_budget_leaves_nothing) {
  followed_steps steps{40};
  steps.add(step(3, 4));
  steps.add(step(4, 11));
  BOOST_TEST(!steps.oldest().has_value());
  BOOST_TEST(steps.bytes() == 0U);
}
