#include "actors/simulation/scenario.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>

namespace {

using namespace swarm;
using namespace swarm::simulation;
using namespace std::chrono_literals;

/// The complaint about a file that should not be read.
std::string complaint_about(const std::string& text) {
  std::string complaint;
  BOOST_TEST(!parse_scenario("file", text, complaint), text);
  return complaint;
}

bool names(const std::string& complaint, const std::string& what) {
  return complaint.find("file") == 0 && complaint.find(what) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_file_declares_ranges_and_leaves_the_rest_at_its_defaults) {
  std::string complaint;
  const auto read = parse_scenario("some", R"(// comments are fine
    {"about": "a sentence", "stages": [2, 4], "trainers": 3, "fault_s": [1.5, 2.5],
     "network": {"loss": [0, 0.25]}, "compute": {"stall": 0.5},
     "faults_per_minute": {"kill": [1, 9]}})",
                                   complaint);
  BOOST_REQUIRE_MESSAGE(read, complaint);
  BOOST_TEST(read->name == "some");
  BOOST_TEST(read->model == "modelled");
  BOOST_TEST(read->stages.low == 2);
  BOOST_TEST(read->stages.high == 4);
  BOOST_TEST(read->trainers.high == 3);
  BOOST_TEST(read->network.loss.high == 0.25);
  BOOST_TEST(read->compute.stall.low == 0.5);
  BOOST_TEST(read->faults_per_minute.at("kill").high == 9);
  BOOST_TEST(read->microbatches.low == scenario{}.microbatches.low);
}

BOOST_AUTO_TEST_CASE(what_is_wrong_is_named_with_its_place) {
  BOOST_TEST(names(complaint_about("{"), "parse"));
  BOOST_TEST(names(complaint_about("[]"), "one object"));
  BOOST_TEST(names(complaint_about(R"({"stage": 2})"), "stage: there is no such knob"));
  BOOST_TEST(names(complaint_about(R"({"network": {"los": 0}})"), "network.los"));
  BOOST_TEST(names(complaint_about(R"({"network": {"loss": 0.9}})"), "network.loss: outside"));
  BOOST_TEST(names(complaint_about(R"({"stages": [4, 2]})"), "stages: low is above high"));
  BOOST_TEST(names(complaint_about(R"({"stages": 9})"), "stages: outside"));
  BOOST_TEST(names(complaint_about(R"({"stages": "two"})"), "stages: give a number"));
  BOOST_TEST(names(complaint_about(R"({"stages": [1, 2, 3]})"), "stages: give a number"));
  BOOST_TEST(names(complaint_about(R"({"about": 1})"), "about: give a string"));
  BOOST_TEST(names(complaint_about(R"({"faults_per_minute": {"kill": -1}})"), "kill: outside"));
}

BOOST_AUTO_TEST_CASE(a_swarm_of_real_size_says_what_its_stages_and_hosts_are) {
  std::string complaint;
  const auto read = parse_scenario("big", R"({
    "stages": 4, "workers_per_stage": 100, "trainers": 16, "microbatches": 4096,
    "mean_life_s": 3600, "absent_s": [10, 60], "silence_ms": 1000, "silent_deaths": 0.5,
    "production_times": 1, "size": {"parameters": 250e6, "width": 1024},
    "workers": {"up_mbit_per_s": [100, 1000], "down_mbit_per_s": 200, "tera_flop_per_s": 5},
    "training": {"latency_ms": 3}})",
                                   complaint);
  BOOST_REQUIRE_MESSAGE(read, complaint);
  BOOST_TEST(read->has_size());
  BOOST_TEST(read->size.parameters.high == 250e6);
  BOOST_TEST(read->size.width.low == 1024);
  BOOST_TEST(read->size.state_bytes.low == 12);
  BOOST_TEST(read->workers.given);
  BOOST_TEST(read->training.given);
  BOOST_TEST(read->silent_deaths.low == 0.5);
  splitmix64 random{1};
  double slowest = 1e9;
  double fastest = 0;
  for (int i = 0; i < 200; ++i) {
    const auto line = draw_host(read->workers, {1ms, 0, 0}, random);
    BOOST_TEST(line.down_bytes_per_s == 25e6);
    BOOST_TEST((line.latency == 1ms));
    slowest = std::min(slowest, line.up_bytes_per_s);
    fastest = std::max(fastest, line.up_bytes_per_s);
  }
  BOOST_TEST((slowest >= 12.5e6 && slowest < 15e6));
  BOOST_TEST((fastest <= 125e6 && fastest > 80e6));
  const auto trainer = draw_host(read->training, {1ms, 5e6, 6e6}, random);
  BOOST_TEST((trainer.latency == 4ms));
  BOOST_TEST(trainer.up_bytes_per_s == 5e6);
  BOOST_TEST(trainer.down_bytes_per_s == 6e6);
}

BOOST_AUTO_TEST_CASE(what_does_not_go_together_is_refused) {
  BOOST_TEST(names(complaint_about(R"({"size": {"width": 8}})"), "size: say how many parameters"));
  BOOST_TEST(names(complaint_about(R"({"workers": {"tera_flop_per_s": 5}})"), "without a size"));
  BOOST_TEST(
      names(complaint_about(R"({"silence_ms": 1000, "network": {"loss": 0.1}})"), "silence_ms"));
  BOOST_TEST(names(complaint_about(R"({"workers": {"speed": 5}})"), "workers.speed"));
}

BOOST_AUTO_TEST_CASE(draws_lie_in_the_range_and_reach_both_ends) {
  splitmix64 random{1};
  const knob range{2, 5};
  bool seen[6] = {};
  for (int i = 0; i < 200; ++i) {
    const double value = range.draw(random);
    BOOST_TEST((value >= 2 && value <= 5));
    const auto whole = range.draw_whole(random);
    BOOST_REQUIRE((whole >= 2 && whole <= 5));
    seen[whole] = true;
  }
  BOOST_TEST((seen[2] && seen[3] && seen[4] && seen[5]));
  BOOST_TEST((knob{3, 3}.draw_whole(random) == 3));
}
