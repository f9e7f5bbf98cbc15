#include "actors/peer/status_board.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

using namespace swarm;
using namespace std::chrono_literals;

namespace {

telemetry::event step(int64_t number, double seconds) {
  return {"step",
          {{"step", number},
           {"loss", 2.5},
           {"lr", 1e-3},
           {"seconds", seconds},
           {"tokens", int64_t{1'000}},
           {"term", int64_t{77}}}};
}

}  // namespace

BOOST_AUTO_TEST_CASE(progress_is_the_last_step_and_the_mean_rate_of_the_latest) {
  peer::status_board board;
  BOOST_TEST(!board.progress());
  for (int64_t i = 0; i < 50; ++i)
    board.on_event(step(i, i < 30 ? 10.0 : 0.5), 0s);
  BOOST_REQUIRE(board.progress());
  BOOST_TEST(board.progress()->step == 50);
  BOOST_TEST(board.progress()->loss == 2.5);
  BOOST_TEST(board.progress()->tokens_per_s == 2'000.0);
  BOOST_TEST(board.progress()->term == 77U);
}

BOOST_AUTO_TEST_CASE(who_does_not_lead_any_more_has_no_progress) {
  peer::status_board board;
  board.on_event(step(0, 1), 0s);
  board.on_event({"coordinator_stands_down", {}}, 1s);
  BOOST_TEST(!board.progress());
  board.on_event({"coordinator_leads", {}}, 2s);
  BOOST_TEST(board.progress().has_value());
}

BOOST_AUTO_TEST_CASE(the_latest_events_are_kept_as_lines) {
  peer::status_board board;
  for (int64_t i = 0; i < 200; ++i)
    board.on_event({"rework", {{"step", i}, {"why", std::string{"x"}}, {"f", 0.5}}}, i * 1s);
  BOOST_TEST(board.events().size() == peer::status_events_max);
  BOOST_TEST(board.events().back().text == "rework step=199 why=x f=0.5");
}

BOOST_AUTO_TEST_CASE(the_roster_is_kept_without_handles) {
  peer::status_board board;
  wire::member m;
  m.id = {peer_id{4}, incarnation_id{1}};
  board.on_roster({{m}, {}});
  BOOST_TEST(board.members().size() == 1U);
  board.on_roster({{}, {m.id}});
  BOOST_TEST(board.members().empty());
}
