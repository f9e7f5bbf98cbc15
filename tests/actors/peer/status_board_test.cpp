#include "actors/peer/status_board.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

#include "actors/peer/event_sentence.hpp"

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

BOOST_AUTO_TEST_CASE(the_latest_events_are_kept_as_sentences) {
  peer::status_board board;
  for (int64_t i = 0; i < 200; ++i)
    board.on_event({"rework", {{"step", i}, {"items", int64_t{3}}}}, i * 1s);
  BOOST_TEST(board.events().size() == peer::status_events_max);
  BOOST_TEST(board.events().back().text == "step 199: 3 lost gradients are computed again");
}

BOOST_AUTO_TEST_CASE(what_happens_all_the_time_does_not_drown_what_counts) {
  peer::status_board board;
  board.on_event({"rescued", {{"detail", std::string{"a stage was lost: back to step 1780"}}}}, 0s);
  const auto id = static_cast<int64_t>(0x1234abcd00000000);
  board.on_event({"peer_down", {{"peer", id}, {"text", std::string{"it closed"}}}}, 1s);
  board.on_event({"disk_full", {{"detail", std::string{"/s is full: make room"}}}}, 2s);
  for (int64_t i = 0; i < 500; ++i) {
    board.on_event({"copies_kept", {{"version", i}, {"step", i}}}, 3s);
    board.on_event({"backup", {{"stage", int64_t{0}}, {"version", i}, {"peer", id}}}, 3s);
    board.on_event({"fetch_failed", {{"stage", int64_t{0}}, {"why", std::string{"no donor"}}}},
                   i * 1s);
  }
  BOOST_REQUIRE(board.events().size() == 4U);
  BOOST_TEST(board.events()[0].text == "a stage was lost: back to step 1780");
  BOOST_TEST(board.events()[1].text == "peer 1234abcd is gone: it closed");
  BOOST_TEST(board.events()[2].text == "/s is full: make room");
  BOOST_TEST((board.events()[3].when == 499s));
}

BOOST_AUTO_TEST_CASE(failures_are_told_when_they_are_for_good) {
  const auto dial = [](int64_t final) {
    return telemetry::event{"dial_failed",
                            {{"text", std::string{"a:1: another run"}}, {"final", final}}};
  };
  BOOST_TEST(!peer::event_sentence(dial(0)));
  BOOST_TEST(*peer::event_sentence(dial(1)) == "a:1: another run");
  const auto lease = [](const char* outcome) {
    return telemetry::event{
        "lease_failed",
        {{"step", int64_t{4}}, {"microbatch", int64_t{2}}, {"outcome", std::string{outcome}}}};
  };
  BOOST_TEST(!peer::event_sentence(lease("returned")));
  BOOST_TEST(*peer::event_sentence(lease("non_finite")) ==
             "step 4: microbatch 2 is not finite and left out");
}

BOOST_AUTO_TEST_CASE(a_peer_has_its_short_name_in_sentences_of_the_rooms_below) {
  const auto id = static_cast<int64_t>(0x1234abcd00000000);
  BOOST_TEST(*peer::event_sentence({"peer_dropped",
                                    {{"peer", id},
                                     {"detail", "stage 1 is without peer " + std::to_string(id) +
                                                    " from step 4"}}}) ==
             "stage 1 is without peer 1234abcd from step 4");
}

BOOST_AUTO_TEST_CASE(an_event_that_nobody_has_worded_is_told_by_its_fields) {
  BOOST_TEST(*peer::event_sentence({"new", {{"step", int64_t{1}}, {"f", 0.5}}}) ==
             "new step=1 f=0.5");
  BOOST_TEST(*peer::event_sentence({"moves", {}}) == "moves to stage ?");
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
