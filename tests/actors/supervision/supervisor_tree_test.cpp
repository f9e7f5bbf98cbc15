#include <boost/test/unit_test.hpp>
#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <random>
#include <vector>

#include "actors/supervision/supervisor.hpp"
#include "tests/actors/supervision/virtual_tree.hpp"

namespace {

using namespace swarm::supervision;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto one_for_one = restart_strategy::one_for_one;
constexpr auto one_for_all = restart_strategy::one_for_all;
constexpr auto rest_for_one = restart_strategy::rest_for_one;

struct fixture : virtual_tree {
  void fail_until_escalation(const std::string& id, const std::string& supervisor) {
    const auto before = escalations(supervisor);
    for (int i = 0; i < 4; ++i) {
      tell(id, act::fail);
      pass(milliseconds{1'000});
    }
    BOOST_TEST(escalations(supervisor) == before + 1);
  }

  int escalations(const std::string& supervisor) {
    int result = 0;
    for (const auto& event : seen().events)
      if (event.kind == event_kind::escalated && event.supervisor == supervisor) ++result;
    return result;
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(supervisor_tree, fixture)

BOOST_AUTO_TEST_CASE(an_escalation_is_a_failed_child_to_the_parent) {
  grow(options(rest_for_one),
       {child("a"), subtree("s", options(one_for_all, "s"), {child("x"), child("y")}), child("b")});
  BOOST_TEST(take_lines() == "+a +b +x +y");
  fail_until_escalation("x", "s");
  pass(seconds{1});
  BOOST_TEST(summary() == "a:running:0 s:running:1 b:running:1");
  const auto lines = take_lines();
  BOOST_TEST(lines.substr(lines.size() - 14) == "-y -b +b +x +y", lines);
  BOOST_TEST(!seen().overlapped);
}

BOOST_AUTO_TEST_CASE(an_escalation_climbs_through_two_levels) {
  auto middle = options(one_for_one, "middle");
  middle.policy.intensity = 1;
  middle.policy.period = seconds{60};
  grow(
      options(one_for_one),
      {child("a"), subtree("m", middle,
                           {child("b"), subtree("l", options(one_for_one, "low"), {child("x")})})});
  fail_until_escalation("x", "low");
  BOOST_TEST(escalations("middle") == 0);
  fail_until_escalation("x", "low");
  BOOST_TEST(escalations("middle") == 1);
  BOOST_TEST(escalations("root") == 0);
  pass(seconds{1});
  BOOST_TEST(summary() == "a:running:0 m:running:1");
  BOOST_TEST(seen().alive["x"] == 1);
  BOOST_TEST(!seen().overlapped);
}

BOOST_AUTO_TEST_CASE(a_tree_stops_from_the_last_leaf_to_the_first) {
  grow(options(one_for_one),
       {child("a"), subtree("s", options(one_for_one, "s"), {child("x"), child("y")}), child("b")});
  take_lines();
  caf::anon_send_exit(root, caf::exit_reason::user_shutdown);
  run();
  BOOST_TEST(take_lines() == "-b -y -x -a");
}

BOOST_AUTO_TEST_CASE(a_killed_supervisor_leaves_no_orphans) {
  grow(options(one_for_one),
       {child("a"), subtree("s", options(one_for_one, "s"), {deaf_child("x"), child("y")})});
  take_lines();
  caf::anon_send_exit(current("s"), caf::exit_reason::kill);
  run();
  BOOST_TEST(take_lines() == "-y -x");
  pass(milliseconds{100});
  BOOST_TEST(take_lines() == "+x +y");
  caf::anon_send_exit(root, caf::exit_reason::kill);
  run();
  BOOST_TEST(all_gone());
}

BOOST_AUTO_TEST_CASE(dropping_the_last_handle_leaves_no_orphans) {
  grow(options(one_for_one), {child("a"), subtree("s", options(one_for_one, "s"), {child("x")})});
  root = nullptr;
  run();
  BOOST_TEST(all_gone());
}

BOOST_AUTO_TEST_CASE(a_subtree_that_stops_slowly_is_waited_for) {
  grow(options(one_for_all),
       {child("a"), subtree("s", options(one_for_one, "s"), {deaf_child("x"), deaf_child("y")})});
  take_lines();
  tell("a", act::fail);
  pass(milliseconds{1'990});  // each of the deaf takes its second
  BOOST_TEST(take_lines() == "-a -y");
  pass(milliseconds{10});
  BOOST_TEST(take_lines() == "-x +a +x +y");
}

BOOST_AUTO_TEST_CASE(random_failures_for_an_hour_keep_the_tree_whole) {
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    const auto strategy = static_cast<restart_strategy>(seed % 3);
    auto top = options(strategy);
    top.policy.intensity = 1'000'000;
    const std::vector<std::string> leaves{"a", "x", "y", "z", "b"};
    grow(top, {child("a"),
               subtree("s", options(one_for_all, "s"), {child("x"), deaf_child("y"), child("z")}),
               child("b")});
    std::mt19937_64 generator{seed};
    for (int i = 0; i < 600; ++i) {
      const auto& victim = leaves[generator() % leaves.size()];
      if (current(victim)) tell(victim, generator() % 2 == 0 ? act::fail : act::finish);
      pass(milliseconds{10 * (generator() % 400)});
      BOOST_REQUIRE(!seen().overlapped);
    }
    pass(seconds{60});
    for (const auto& leaf : leaves)
      BOOST_TEST(seen().alive[leaf] == 1, "seed " << seed << ": " << leaf);
    caf::anon_send_exit(root, caf::exit_reason::user_shutdown);
    pass(seconds{10});
    BOOST_TEST(all_gone());
  }
}

BOOST_AUTO_TEST_CASE(events_and_status_survive_a_round_trip) {
  supervision_event event{event_kind::child_killed, "root", "a", 7, -5, "why"};
  child_status status{"a", {}, child_state::stopping, 9};
  std::vector<char> bytes;
  caf::binary_serializer sink{system(), bytes};
  BOOST_TEST(!sink(event, status));
  supervision_event read;
  child_status read_status;
  caf::binary_deserializer source{system(), bytes};
  BOOST_TEST(!source(read, read_status));
  BOOST_TEST((read.kind == event.kind && read.supervisor == "root" && read.child == "a"));
  BOOST_TEST((read.restarts == 7 && read.delay_ms == -5 && read.reason == "why"));
  BOOST_TEST((read_status.id == "a" && read_status.state == child_state::stopping));
  BOOST_TEST((read_status.restarts == 9 && !read_status.handle));
}

BOOST_AUTO_TEST_SUITE_END()
