#include "tools/swarm/up_folder.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace fs = std::filesystem;
using namespace swarm::tools;
using kind = beginning::kind;

namespace {

const std::vector<std::string> two_and_two{"trainer-1", "trainer-2", "peer-1", "peer-2"};

struct a_folder {
  a_folder() {
    const char* base = std::getenv("TEST_TMPDIR");
    root = std::string{base == nullptr ? "/tmp" : base} + "/up-XXXXXX";
    BOOST_REQUIRE(mkdtemp(root.data()) != nullptr);
  }
  ~a_folder() { fs::remove_all(root); }

  void put(const std::string& path) const {
    fs::create_directories((root + "/" + path).substr(0, (root + "/" + path).rfind('/')));
    std::ofstream{root + "/" + path} << "x";
  }
  beginning begin(int32_t stages) const {
    return beginning_of(root, stages, {"trainer-1", "peer-1", "peer-2", "peer-3"});
  }

  std::string root;
};

}  // namespace

BOOST_AUTO_TEST_CASE(tokens_are_given_in_order_and_stay) {
  const auto first = assign_tokens(two_and_two, {});
  BOOST_TEST(first.at("trainer-1") == 1);
  BOOST_TEST(first.at("peer-2") == 4);
  // A third trainer takes the next, and one less takes none away.
  const auto more =
      assign_tokens({"trainer-1", "trainer-2", "trainer-3", "peer-1", "peer-2"}, first);
  BOOST_TEST(more.at("peer-1") == first.at("peer-1"));
  BOOST_TEST(more.at("trainer-3") == 5);
  const auto less = assign_tokens({"trainer-1", "peer-1", "peer-2", "peer-3"}, more);
  BOOST_TEST(less.at("peer-2") == first.at("peer-2"));
  BOOST_TEST(less.at("peer-3") == 6);
  BOOST_TEST(less.at("trainer-2") == 2);
}

BOOST_FIXTURE_TEST_CASE(tokens_are_written_down_and_read, a_folder) {
  BOOST_TEST(read_token_numbers(root).empty());
  const token_numbers numbers{{"peer-1", 7}, {"trainer-1", 2}};
  BOOST_TEST(!write_token_numbers(root, numbers));
  BOOST_TEST((read_token_numbers(root) == numbers));
  // Two processes never have one token, whatever the file says.
  std::ofstream{root + "/tokens"} << "a 1\nb 1\nc x\n\nd 0\ne 3";
  BOOST_TEST((read_token_numbers(root) == token_numbers{{"a", 1}, {"e", 3}}));
}

BOOST_FIXTURE_TEST_CASE(a_folder_from_before_has_them_by_order, a_folder) {
  for (const auto& name : two_and_two)
    fs::create_directories(root + "/" + name);
  BOOST_TEST((read_token_numbers(root) == assign_tokens(two_and_two, {})));
}

BOOST_FIXTURE_TEST_CASE(a_run_of_which_nothing_is_kept_begins, a_folder) {
  BOOST_TEST((begin(2).how == kind::begins));
  // Folders and files of lives that have not come to a step.
  put("peer-1/life");
  fs::create_directories(root + "/peer-1/stage-0");
  fs::create_directories(root + "/peer-2/copy-0");
  put("peer-1/stage-0/state-0.kept");
  put("peer-2/copy-0/state-40.kept.part");
  const auto at = begin(2);
  BOOST_TEST((at.how == kind::begins));
  BOOST_TEST(at.why == "");
}

BOOST_FIXTURE_TEST_CASE(a_state_of_any_step_goes_on_and_never_begins, a_folder) {
  put("peer-1/copy-1/state-20.kept");
  put("peer-3/stage-0/state-0.kept");
  put("peer-3/stage-0/sum.kept");
  BOOST_TEST((begin(2).how == kind::goes_on));
  BOOST_TEST(!write_progress(root, {3, 20}));
  BOOST_TEST((begin(2).how == kind::goes_on));
  const auto third = begin(3);
  BOOST_TEST((third.how == kind::impossible));
  BOOST_TEST(third.why.find("stage 2") != std::string::npos, third.why);
}

BOOST_FIXTURE_TEST_CASE(who_alone_has_a_stage_is_not_left_out, a_folder) {
  put("peer-1/stage-0/state-5.kept");
  put("peer-4/stage-1/state-5.kept");
  const auto without = begin(2);
  BOOST_TEST((without.how == kind::impossible));
  BOOST_TEST(without.why.find("stage 1 is kept by peer-4") != std::string::npos, without.why);
  put("peer-3/copy-1/state-4.kept");
  BOOST_TEST((begin(2).how == kind::goes_on));
  // Nor does it begin when all that is kept is left out.
  BOOST_TEST((beginning_of(root, 2, {"trainer-1", "peer-2"}).how == kind::impossible));
}

BOOST_FIXTURE_TEST_CASE(before_the_first_copy_it_begins_again_and_says_so, a_folder) {
  BOOST_TEST(!write_progress(root, {39, 20}));
  const auto again = begin(2);
  BOOST_TEST((again.how == kind::begins));
  BOOST_TEST(again.why.find("step 39") != std::string::npos, again.why);
}

BOOST_FIXTURE_TEST_CASE(what_was_reached_is_not_thrown_away_in_silence, a_folder) {
  BOOST_TEST(!write_progress(root, {40, 20}));
  BOOST_TEST((begin(2).how == kind::impossible));
  BOOST_TEST(!write_progress(root, {5, 0}));
  const auto never_kept = begin(2);
  BOOST_TEST((never_kept.how == kind::impossible));
  BOOST_TEST(never_kept.why.find("--dir") != std::string::npos);
  std::ofstream{root + "/progress"} << "damaged";
  BOOST_TEST((begin(2).how == kind::begins));
}

BOOST_AUTO_TEST_CASE(peers_are_spread_over_the_stages) {
  const std::vector<std::string> peers{"peer-1", "peer-2", "peer-3", "peer-4", "peer-5"};
  const std::vector<int32_t> expected{0, 1, 0, 1, 0};
  BOOST_TEST(assign_stages(peers, 2, {}) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(who_kept_a_stage_goes_there) {
  const std::vector<std::string> peers{"peer-1", "peer-2", "peer-3", "peer-4"};
  // Peer 1 has been in both; without it stage 1 would have nobody who knows it.
  const std::vector<kept_state> kept{{"peer-1", 0, 90, false}, {"peer-1", 1, 80, false},
                                     {"peer-2", 0, 90, false}, {"peer-3", 0, 70, false},
                                     {"peer-4", 1, 80, true},  {"elsewhere", 1, 99, false},
                                     {"peer-2", 7, 99, false}};
  const std::vector<int32_t> expected{1, 0, 0, 1};
  BOOST_TEST(assign_stages(peers, 2, kept) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_crowd_that_kept_one_stage_does_not_stay_together) {
  const std::vector<std::string> peers{"peer-1", "peer-2", "peer-3", "peer-4"};
  std::vector<kept_state> kept;
  for (const auto& peer : peers)
    kept.push_back({peer, 0, 10, false});
  const auto stages = assign_stages(peers, 2, kept);
  BOOST_TEST(std::count(stages.begin(), stages.end(), 0) == 2);
  BOOST_TEST(std::count(stages.begin(), stages.end(), 1) == 2);
}
