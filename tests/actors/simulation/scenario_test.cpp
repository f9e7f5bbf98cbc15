#include "actors/simulation/scenario.hpp"

#include <boost/test/unit_test.hpp>

namespace {

using namespace swarm;
using namespace swarm::simulation;

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
