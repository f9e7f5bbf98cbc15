#include "actors/training/microbatch_run.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

namespace {

using namespace swarm;
using namespace swarm::training;

tensors::host_tensor some_tensor() {
  return tensors::host_tensor::adopt(std::vector<float>{1, 2}, {2});
}

/// A microbatch of which the named boundary tensors are saved.
saved_microbatch saved(size_t stages, const std::vector<size_t>& inputs,
                       const std::vector<size_t>& gradients) {
  saved_microbatch result;
  result.inputs.resize(stages);
  result.output_gradients.resize(stages);
  result.graph_holders.resize(stages);
  for (size_t s : inputs)
    result.inputs[s] = some_tensor();
  for (size_t s : gradients)
    result.output_gradients[s] = some_tensor();
  return result;
}

/// "F0 F1 L2+1 B1+1 B0+1"
std::string text(const std::deque<stage_call>& calls) {
  std::string result;
  for (const auto& call : calls) {
    if (!result.empty()) result += ' ';
    result += call.kind == call_kind::forward ? 'F' : call.kind == call_kind::loss ? 'L' : 'B';
    result += std::to_string(call.stage.value());
    if (call.kind != call_kind::forward)
      result += (call.weight >= 0 ? "+" : "") + std::to_string(call.weight);
  }
  return result;
}

lease_item item(uint64_t stages, int weight = 1, worker_id target = {}) {
  return {0, microbatch_id{0}, stages, weight, target};
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_fresh_microbatch_goes_all_the_way) {
  BOOST_TEST(text(plan_calls(item(7), 3, saved(3, {0}, {}))) == "F0 F1 L2+1 B1+1 B0+1");
}

BOOST_AUTO_TEST_CASE(one_stage_takes_one_call) {
  BOOST_TEST(text(plan_calls(item(1), 1, saved(1, {0}, {}))) == "L0+1");
}

BOOST_AUTO_TEST_CASE(a_lost_stage_is_called_alone_when_its_tensors_are_saved) {
  const auto all = saved(3, {0, 1, 2}, {0, 1});
  BOOST_TEST(text(plan_calls(item(2), 3, all)) == "B1+1");
  BOOST_TEST(text(plan_calls(item(1), 3, all)) == "B0+1");
  BOOST_TEST(text(plan_calls(item(4), 3, all)) == "L2+1");
  BOOST_TEST(text(plan_calls(item(5), 3, all)) == "L2+1 B0+1");
}

BOOST_AUTO_TEST_CASE(a_replay_without_saved_tensors_accumulates_only_where_asked) {
  BOOST_TEST(text(plan_calls(item(2), 3, saved(3, {0}, {}))) == "F0 F1 L2+0 B1+1");
}

BOOST_AUTO_TEST_CASE(a_replay_starts_from_the_deepest_saved_input) {
  BOOST_TEST(text(plan_calls(item(1), 3, saved(3, {0, 1}, {}))) == "F1 L2+0 B1+0 B0+1");
}

BOOST_AUTO_TEST_CASE(giving_up_goes_to_exactly_the_holder) {
  const worker_id target{peer_id{9}, incarnation_id{2}};
  const auto calls = plan_calls(item(2, -1, target), 3, saved(3, {0, 1, 2}, {0, 1}));
  BOOST_TEST(text(calls) == "B1-1");
  BOOST_TEST((calls.front().only == target));
}

BOOST_AUTO_TEST_CASE(the_budget_evicts_the_oldest_that_is_not_in_flight) {
  saved_inputs store{20};
  for (int64_t m = 0; m < 4; ++m)
    store.at(microbatch_id{m}) = saved(2, {0, 1}, {});
  store.trim([](microbatch_id id) { return id == microbatch_id{0}; });
  BOOST_TEST(store.has(microbatch_id{0}));
  BOOST_TEST(!store.has(microbatch_id{1}));
  BOOST_TEST(store.has(microbatch_id{3}));
}
