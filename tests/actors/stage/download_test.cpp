#include "actors/stage/download.hpp"

#include <boost/test/unit_test.hpp>
#include <functional>
#include <map>
#include <set>
#include <vector>

#include "tests/actors/stage/download_rig.hpp"

namespace {

using namespace swarm;
using namespace swarm::stage;
using namespace swarm::testing;
using verdict = download::verdict;
using refusal = download::refusal;

/// Asks, and has every question answered at once, until nothing is asked any more.
void serve_all(download& d, uint64_t elements, weights_id weights, double now_s = 0) {
  for (auto asked = d.ask(now_s); !asked.empty(); asked = d.ask(now_s))
    for (const auto& q : asked) {
      BOOST_TEST((d.answered(q.number, right(q, elements, weights), now_s) == verdict::taken));
      d.placed(q.shard);
    }
}

}  // namespace

// -- one question after the other -----------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_state_comes_in_shards_of_which_the_last_is_shorter) {
  download d{options_of(10, 4)};
  BOOST_TEST(d.shards() == 3U);
  BOOST_TEST((d.range(0) == shard_range{0, 4}));
  BOOST_TEST((d.range(2) == shard_range{8, 2}));
  BOOST_TEST(d.ask(0).empty());
  d.add(donor(1));
  serve_all(d, 10, at(5));
  BOOST_TEST((d.complete() == at(5)));
  BOOST_TEST(d.received_bytes() == 120U);
  BOOST_TEST(d.status().done_bytes == 120U);
}

BOOST_AUTO_TEST_CASE(the_first_answer_says_how_large_the_state_is) {
  download d{options_of(0, 4)};
  d.add(donor(1));
  const auto asked = d.ask(0);
  BOOST_REQUIRE(asked.size() == 1U);
  BOOST_TEST((asked[0].range == shard_range{0, 4}));
  BOOST_TEST(d.status().total_bytes == 0U);
  BOOST_TEST((d.answered(asked[0].number, right(asked[0], 10, at(5)), 0) == verdict::taken));
  d.placed(0);
  BOOST_TEST(d.status().total_bytes == 120U);
  serve_all(d, 10, at(5));
  BOOST_TEST((d.complete() == at(5)));
}

BOOST_AUTO_TEST_CASE(
    while_others_need_the_line_one_shard_is_asked_for_at_a_time_and_then_it_rests) {
  download d{options_of(40, 4)};
  d.add(donor(1));
  d.add(donor(2));
  d.allow(0);
  BOOST_TEST(d.ask(0).empty());
  d.allow(std::nullopt);
  d.spare(true);
  double now_s = 0;
  for (size_t shards = 0; shards < d.shards() / 2; ++shards) {
    const auto asked = d.ask(now_s);
    BOOST_REQUIRE(asked.size() == 1U);
    now_s += 2;
    BOOST_TEST((d.answered(asked[0].number, right(asked[0], 40, at(5)), now_s) == verdict::taken));
    BOOST_TEST(d.ask(now_s).empty());
    d.placed(asked[0].shard);
    now_s += 2 * sparing_rests - 1;
    BOOST_TEST(d.ask(now_s).empty());
    BOOST_TEST(d.wakes_at_s().value() == now_s + 1);
    now_s += 1;
  }
  d.spare(false);
  d.allow(3);
  BOOST_TEST(d.ask(now_s).size() == 3U);
  BOOST_TEST(d.ask(now_s).empty());
  BOOST_TEST(d.asked_since() == 3U);
}

BOOST_AUTO_TEST_CASE(a_state_smaller_than_a_shard_comes_at_once) {
  download d{options_of(0, 400)};
  d.add(donor(1));
  serve_all(d, 10, at(5));
  BOOST_TEST((d.complete() == at(5)));
}

BOOST_AUTO_TEST_CASE(what_is_not_in_its_place_yet_is_not_complete) {
  download d{options_of(4, 4)};
  d.add(donor(1));
  const auto asked = d.ask(0);
  d.answered(asked.at(0).number, right(asked[0], 4, at(5)), 0);
  BOOST_TEST(d.all_here());
  BOOST_TEST(!d.complete());
  d.placed(0);
  BOOST_TEST((d.complete() == at(5)));
}

BOOST_AUTO_TEST_CASE(receivers_begin_with_different_shards) {
  std::set<size_t> first;
  for (uint64_t seed = 1; seed <= 16; ++seed) {
    auto options = options_of(1000, 1);
    options.seed = seed;
    download d{options};
    d.add(donor(1));
    first.insert(d.ask(0).at(0).shard);
  }
  BOOST_TEST(first.size() > 12U);
}

/// Of a hundred receivers with one shard on its way each none may burden the same few donors: those
/// would be the slowest members of their all-reduce.
BOOST_AUTO_TEST_CASE(receivers_spread_what_they_ask_for_over_all_donors) {
  constexpr uint64_t donors = 20;
  std::map<worker_id, size_t> asked_of;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    auto options = options_of(donors * 10, 1);
    options.seed = seed;
    download d{options};
    d.spare(true);
    for (uint64_t p = 1; p <= donors; ++p)
      d.add(donor(p));
    std::map<worker_id, size_t> own;
    for (uint64_t shard = 0; shard < 2 * donors; ++shard) {
      const auto asked = d.ask(0);
      BOOST_REQUIRE(asked.size() == 1U);
      ++own[asked[0].donor];
      if (shard < 3) ++asked_of[asked[0].donor];
      BOOST_REQUIRE(
          (d.answered(asked[0].number, right(asked[0], donors * 10, at(5)), 0) == verdict::taken));
      d.placed(asked[0].shard);
    }
    for (uint64_t p = 1; p <= donors; ++p)
      BOOST_REQUIRE(own[donor(p)] == 2U);
  }
  // Of the first three shards of each, 15 in the mean.
  for (uint64_t p = 1; p <= donors; ++p) {
    BOOST_TEST(asked_of[donor(p)] >= 4U);
    BOOST_TEST(asked_of[donor(p)] <= 30U);
  }
}

/// The first donor is silent, and there is no room to ask the second meanwhile.
BOOST_AUTO_TEST_CASE(a_silent_donor_that_fills_the_window_is_given_up_in_time) {
  auto options = options_of(40, 4);
  options.window_bytes_max = 4 * element_state_bytes;
  download d{options};
  d.add(donor(1));
  d.add(donor(2));
  const auto asked = d.ask(0);
  BOOST_REQUIRE(asked.size() == 1U);
  BOOST_TEST(d.wakes_at_s().value() == options.first_patience_s);
  d.expire(options.first_patience_s);
  const auto again = d.ask(options.first_patience_s);
  BOOST_REQUIRE(again.size() == 1U);
  BOOST_TEST((again[0].donor != asked[0].donor));
}

// -- answers that are not taken -------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(an_answer_that_lies_about_its_size_is_not_taken) {
  const std::vector<std::function<void(download::answer&)>> lies = {
      [](auto& a) { a.total_elements = 9; }, [](auto& a) { a.total_elements = 0; },
      [](auto& a) { a.range.first = 4; },    [](auto& a) { a.range.count = 3; },
      [](auto& a) { a.bytes -= 1; },         [](auto& a) { a.bytes = 0; },
      [](auto& a) { a.sound = false; },      [](auto& a) { a.range.count = ~uint64_t{0}; }};
  for (const uint64_t known : {10U, 0U}) {
    for (const auto& lie : lies) {
      download d{options_of(known, 4)};
      d.add(donor(1));
      const auto q = d.ask(0).at(0);
      auto a = right(q, 10, at(5));
      lie(a);
      // A size that nobody has named before may be any.
      if (known == 0 && a.total_elements == 9) continue;
      BOOST_TEST((d.answered(q.number, a, 0) == verdict::wrong));
      BOOST_TEST(!d.begun());
      BOOST_TEST(d.ask(0).empty());
      d.add(donor(2));
      serve_all(d, 10, at(5));
      BOOST_TEST((d.complete() == at(5)));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_state_larger_than_allowed_is_not_begun) {
  auto options = options_of(0, 4);
  options.elements_max = 100;
  download d{options};
  d.add(donor(1));
  const auto q = d.ask(0).at(0);
  BOOST_TEST((d.answered(q.number, right(q, 101, at(5)), 0) == verdict::wrong));
  BOOST_TEST(d.shards() == 1U);
}

BOOST_AUTO_TEST_CASE(a_donor_that_is_wrong_again_and_again_is_not_asked_any_more) {
  download d{options_of(10, 4)};
  d.add(donor(1));
  double now_s = 0;
  for (uint32_t i = 0; i < wrong_answers_max; ++i, now_s += 60) {
    const auto asked = d.ask(now_s);
    BOOST_REQUIRE(!asked.empty());
    auto a = right(asked[0], 10, at(5));
    a.sound = false;
    d.answered(asked[0].number, a, now_s);
  }
  BOOST_TEST(d.ask(now_s + 1e6).empty());
  BOOST_TEST(!d.wakes_at_s());
}

BOOST_AUTO_TEST_CASE(a_shard_that_does_not_fit_its_place_is_asked_for_again) {
  download d{options_of(4, 4)};
  d.add(donor(1));
  const auto q = d.ask(0).at(0);
  d.answered(q.number, right(q, 4, at(5)), 0);
  d.spoiled(0, donor(1), 0);
  BOOST_TEST(!d.all_here());
  BOOST_TEST(d.ask(0).empty());
  BOOST_TEST(d.ask(60).size() == 1U);
}

BOOST_AUTO_TEST_CASE(an_answer_to_nobodys_question_is_not_taken) {
  download d{options_of(4, 4)};
  d.add(donor(1));
  const auto q = d.ask(0).at(0);
  BOOST_TEST((d.answered(q.number + 1, right(q, 4, at(5)), 0) == verdict::unasked));
  d.remove(donor(1));
  BOOST_TEST((d.answered(q.number, right(q, 4, at(5)), 0) == verdict::unasked));
  BOOST_TEST(!d.begun());
}

// -- weights --------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(shards_come_at_their_donors_weights_and_follow_the_steps) {
  download d{options_of(8, 4)};
  d.add(donor(1));
  const auto first = d.ask(0).at(0);
  d.answered(first.number, right(first, 8, at(5)), 0);
  d.placed(first.shard);
  BOOST_TEST((d.advance(at(5), at(6)) == std::vector<shard_range>{first.range}));
  const auto next = d.ask(0).at(0);
  d.answered(next.number, right(next, 8, at(6)), 0);
  // Whole, but not in its place yet.
  BOOST_TEST(d.all_here());
  BOOST_TEST(!d.mixed());
  BOOST_TEST(!d.complete());
  d.placed(next.shard);
  BOOST_TEST((d.complete() == at(6)));
  // Neighbours are told as one run.
  BOOST_TEST((d.advance(at(6), at(7)) == std::vector<shard_range>{{0, 8}}));
  BOOST_TEST(d.advance(at(6), at(7)).empty());
  BOOST_TEST((d.complete() == at(7)));
}

BOOST_AUTO_TEST_CASE(only_a_shard_that_has_missed_a_step_is_asked_for_again) {
  download d{options_of(8, 4)};
  d.add(donor(1));
  const auto first = d.ask(0).at(0);
  d.answered(first.number, right(first, 8, at(5)), 0);
  d.placed(first.shard);
  const auto next = d.ask(0).at(0);
  d.answered(next.number, right(next, 8, at(6)), 0);
  d.placed(next.shard);
  BOOST_TEST(d.all_here());
  BOOST_TEST(d.mixed());
  BOOST_TEST(!d.complete());
  BOOST_TEST((d.newest() == at(6)));
  d.require(at(6));
  const auto again = d.ask(0);
  BOOST_REQUIRE(again.size() == 1U);
  BOOST_TEST(again[0].shard == first.shard);
  d.answered(again[0].number, right(again[0], 8, at(6)), 0);
  d.placed(again[0].shard);
  BOOST_TEST((d.complete() == at(6)));
}

BOOST_AUTO_TEST_CASE(of_two_histories_the_later_counts) {
  download d{options_of(4, 4)};
  d.add(donor(1));
  d.require(at(100, 7));
  const auto q = d.ask(0).at(0);
  BOOST_TEST((d.answered(q.number, right(q, 4, at(118, 0)), 0) == verdict::older));
  BOOST_TEST(d.older_in_a_row() == 1U);
  serve_all(d, 4, at(101, 7), 60);
  BOOST_TEST((d.complete() == at(101, 7)));
  BOOST_TEST(d.older_in_a_row() == 0U);
}

BOOST_AUTO_TEST_CASE(a_donor_is_not_blamed_for_what_it_sent_before_a_step) {
  download d{options_of(400, 4)};
  d.add(donor(1));
  const auto early = d.ask(0).at(0);
  d.require(at(6));
  BOOST_TEST((d.answered(early.number, right(early, 400, at(5)), 0) == verdict::older));
  BOOST_TEST(d.older_in_a_row() == 0U);
  const auto later = d.ask(0);
  BOOST_REQUIRE(!later.empty());
  BOOST_TEST((d.answered(later[0].number, right(later[0], 400, at(5)), 0) == verdict::older));
  BOOST_TEST(d.older_in_a_row() == 1U);
  BOOST_TEST(d.wakes_at_s().value() > 0.1);
}

BOOST_AUTO_TEST_CASE(a_floor_never_sinks_by_itself) {
  download d{options_of(4, 4)};
  d.add(donor(1));
  d.require(at(6));
  d.require(at(5));
  BOOST_TEST((d.floor() == at(6)));
  d.require_nothing();
  serve_all(d, 4, at(3));
  BOOST_TEST((d.complete() == at(3)));
}

BOOST_AUTO_TEST_CASE(of_a_fixed_version_nothing_else_is_taken) {
  auto options = options_of(8, 4);
  options.only = at(5);
  download d{options};
  d.add(donor(1));
  d.add(donor(2));
  const auto q = d.ask(0);
  BOOST_REQUIRE(q.size() == 2U);
  BOOST_TEST((q[0].only == at(5)));
  BOOST_TEST((d.answered(q[0].number, right(q[0], 8, at(6)), 0) == verdict::older));
  BOOST_TEST((d.answered(q[1].number, right(q[1], 8, at(5)), 0) == verdict::taken));
  // The first one has something else and is not asked again.
  for (const auto& again : d.ask(100))
    BOOST_TEST(again.donor == q[1].donor);
  BOOST_TEST(!d.hopeless());
}

BOOST_AUTO_TEST_CASE(the_first_weights_that_come_may_fix_the_others) {
  for (const bool by_version : {true, false}) {
    auto options = options_of(8, 4);
    if (by_version) {
      options.only = weights_id{any_history, step_id{5}};
    } else {
      options.one_version = true;
    }
    download d{options};
    d.add(donor(1));
    d.add(donor(2));
    const auto q = d.ask(0);
    BOOST_REQUIRE(q.size() == 2U);
    BOOST_TEST((d.answered(q[0].number, right(q[0], 8, at(5, 3)), 0) == verdict::taken));
    BOOST_TEST((d.answered(q[1].number, right(q[1], 8, at(5, 2)), 0) == verdict::older));
    const auto next = d.ask(0);
    BOOST_REQUIRE(next.size() == 1U);
    BOOST_TEST((next[0].only == at(5, 3)));
    BOOST_TEST(next[0].donor == q[0].donor);
  }
}

BOOST_AUTO_TEST_CASE(there_is_no_hope_when_all_have_said_that_they_have_nothing) {
  auto options = options_of(8, 4);
  options.only = at(5);
  download d{options};
  BOOST_TEST(d.hopeless());
  d.add(donor(1));
  d.add(donor(2));
  const auto q = d.ask(0);
  BOOST_TEST(!d.hopeless());
  d.refused(q.at(0).number, refusal::nothing, 0);
  BOOST_TEST(!d.hopeless());
  d.remove(q.at(1).donor);
  BOOST_TEST(d.hopeless());
  BOOST_TEST(!d.wakes_at_s());
}

BOOST_AUTO_TEST_CASE(there_is_hope_while_donors_fail_now_and_then) {
  auto options = options_of(8, 4);
  options.only = at(5);
  download d{options};
  d.add(donor(1));
  double now_s = 0;
  for (uint32_t i = 0; i < failures_in_a_row_max; ++i) {
    BOOST_TEST(!d.hopeless());
    now_s = d.wakes_at_s().value();
    const auto q = d.ask(now_s);
    BOOST_REQUIRE(q.size() == 1U);
    d.failed(q[0].number, now_s);
  }
  BOOST_TEST(d.hopeless());
}

// -- who is asked ---------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(pauses_after_failures_double_up_to_a_limit) {
  auto options = options_of(4, 4);
  options.pause_s = 0.1;
  download d{options};
  d.add(donor(1));
  std::vector<double> pauses;
  double now_s = 0;
  for (int i = 0; i < 9; ++i) {
    const auto q = d.ask(now_s);
    BOOST_REQUIRE(q.size() == 1U);
    d.failed(q[0].number, now_s);
    pauses.push_back(d.wakes_at_s().value() - now_s);
    now_s += pauses.back();
  }
  const std::vector<double> expected = {0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 3.2, 3.2, 3.2};
  for (size_t i = 0; i < expected.size(); ++i)
    BOOST_TEST(pauses[i] == expected[i], boost::test_tools::tolerance(1e-9));
}

BOOST_AUTO_TEST_CASE(a_donor_that_is_gone_is_replaced_at_once) {
  download d{options_of(8, 8)};
  d.add(donor(1));
  BOOST_TEST(d.ask(0).size() == 1U);
  d.add(donor(2));
  BOOST_TEST(d.ask(0).empty());
  d.remove(donor(1));
  const auto again = d.ask(0);
  BOOST_REQUIRE(again.size() == 1U);
  BOOST_TEST(again[0].donor == donor(2));
}

BOOST_AUTO_TEST_CASE(a_silent_donor_is_given_up_by_what_it_took_before) {
  download d{options_of(400, 4)};
  d.add(donor(1));
  double now_s = 0;
  std::vector<download::question> open;
  // Answers of two seconds each, so far.
  for (int i = 0; i < 5; ++i) {
    for (const auto& q : d.ask(now_s))
      open.push_back(q);
    now_s += 2;
    d.answered(open.front().number, right(open.front(), 400, at(1)), now_s);
    d.placed(open.front().shard);
    open.erase(open.begin());
  }
  for (const auto& q : d.ask(now_s))
    open.push_back(q);
  const auto wakes_s = d.wakes_at_s().value();
  BOOST_TEST(wakes_s > now_s + 7);
  BOOST_TEST(wakes_s < now_s + 30);
  d.add(donor(2));
  d.expire(wakes_s - 0.01);
  std::vector<download::question> elsewhere = d.ask(wakes_s - 0.01);
  for (const auto& q : elsewhere)
    for (const auto& o : open)
      BOOST_TEST(q.shard != o.shard);
  d.expire(wakes_s);
  // It was only slow: what it sends is taken, and it is asked again.
  BOOST_TEST(
      (d.answered(open[0].number, right(open[0], 400, at(1)), wakes_s + 1) == verdict::taken));
  bool asked_again = false;
  for (const auto& q : d.ask(wakes_s + 1))
    asked_again |= q.donor == donor(1);
  BOOST_TEST(asked_again);
}

BOOST_AUTO_TEST_CASE(a_late_answer_to_what_has_come_from_elsewhere_changes_nothing) {
  download d{options_of(4, 4)};
  d.add(donor(1));
  const auto first = d.ask(0).at(0);
  d.expire(d.wakes_at_s().value());
  d.add(donor(2));
  const auto again = d.ask(40).at(0);
  BOOST_TEST((d.answered(again.number, right(again, 4, at(1)), 41) == verdict::taken));
  d.placed(0);
  BOOST_TEST((d.answered(first.number, right(first, 4, at(1)), 42) == verdict::known));
  BOOST_TEST((d.complete() == at(1)));
}

BOOST_AUTO_TEST_CASE(a_donor_is_asked_only_for_what_it_says_it_has) {
  auto options = options_of(12, 4);
  options.only = at(1);
  download other{options};
  other.add(donor(9));
  const auto q = other.ask(0).at(0);
  other.answered(q.number, right(q, 12, at(1)), 0);
  BOOST_TEST(other.present(at(1)) == std::vector<uint8_t>{0});
  other.placed(q.shard);
  BOOST_REQUIRE(q.shard < 8U);
  BOOST_TEST(other.present(at(1)) == std::vector<uint8_t>(1, static_cast<uint8_t>(1U << q.shard)));
  BOOST_TEST(other.present(at(2)) == std::vector<uint8_t>{0});

  download d{options};
  d.add(donor(1));
  const auto asked = d.ask(0).at(0);
  auto a = right(asked, 12, at(1));
  a.present = {static_cast<uint8_t>(1U << asked.shard)};
  d.answered(asked.number, a, 0);
  BOOST_TEST(d.ask(0).empty());
  d.add(donor(2));
  BOOST_TEST(!d.ask(0).empty());
}
