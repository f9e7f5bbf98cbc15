#include "actors/averaging/question_book.hpp"

#include <boost/test/unit_test.hpp>

namespace {

using namespace swarm::averaging;

constexpr size_t members = 4;
constexpr size_t part_bytes = 100;
const unit_list own{true, {}};

/// Asks whatever may be asked; returns how much that was.
size_t ask_all(question_book& book, size_t window_bytes, double now_s = 0) {
  size_t asked = 0;
  while (const auto next = book.next(window_bytes, part_bytes)) {
    book.asked(*next, own, part_bytes, now_s);
    ++asked;
  }
  return asked;
}

void want_many(question_book& book) {
  for (uint32_t part = 0; part < 100; ++part)
    for (size_t member = 1; member < members; ++member)
      book.want(member, part);
}

}  // namespace

BOOST_AUTO_TEST_CASE(members_take_turns) {
  question_book book(members, 2, {});
  want_many(book);
  std::vector<size_t> order;
  for (int i = 0; i < 6; ++i) {
    const auto next = book.next(1'000'000, part_bytes);
    BOOST_REQUIRE(next);
    book.asked(*next, own, part_bytes, 0);
    order.push_back(next->first);
  }
  BOOST_TEST((order == std::vector<size_t>{2, 3, 1, 2, 3, 1}));
}

BOOST_AUTO_TEST_CASE(the_window_bounds_what_is_asked_and_leaves_some_to_each_member) {
  asking_limits limits;
  limits.in_flight_parts_max = 10;
  limits.in_flight_parts_min = 2;
  limits.window_bytes_min = 0;
  question_book book(members, 0, limits);
  want_many(book);
  BOOST_TEST(ask_all(book, 0) == 3 * 2U);
  BOOST_TEST(ask_all(book, 12 * part_bytes) == 6U);
  BOOST_TEST(ask_all(book, 1'000'000) == 3 * 10U - 12U);
  BOOST_TEST(book.in_flight_bytes() == 30 * part_bytes);
  limits.window_bytes_min = 9 * part_bytes;
  question_book unmeasured(members, 0, limits);
  want_many(unmeasured);
  BOOST_TEST(ask_all(unmeasured, 0) == 9U);
}

BOOST_AUTO_TEST_CASE(the_budget_in_bytes_is_never_exceeded_by_more_than_one_question) {
  asking_limits limits;
  limits.in_flight_bytes_max = 5 * part_bytes;
  question_book book(members, 0, limits);
  want_many(book);
  BOOST_TEST(ask_all(book, 1'000'000) == 5U);
  limits.in_flight_bytes_max = 1;
  question_book small(members, 0, limits);
  want_many(small);
  BOOST_TEST(ask_all(small, 1'000'000) == 1U);
}

BOOST_AUTO_TEST_CASE(an_answer_is_credit_for_the_next_question) {
  asking_limits limits;
  limits.in_flight_bytes_max = 5 * part_bytes;
  question_book book(members, 0, limits);
  member_paces paces(members, limits);
  want_many(book);
  ask_all(book, 1'000'000);
  BOOST_TEST(book.answered({1, 0}, 1, paces, true).has_value());
  // A second answer gives none.
  BOOST_TEST(!book.answered({1, 0}, 1, paces, true));
  BOOST_TEST(ask_all(book, 1'000'000) == 1U);
  book.forget(2);
  BOOST_TEST(book.in_flight_parts(2) == 0U);
  BOOST_TEST(ask_all(book, 1'000'000) > 0U);
  BOOST_TEST(book.in_flight_parts(2) == 0U);
}

BOOST_AUTO_TEST_CASE(what_is_overdue_is_asked_again_ever_later) {
  asking_limits limits;
  limits.first_deadline_s = 2;
  question_book book(members, 0, limits);
  member_paces paces(members, limits);
  book.asked({1, 7}, own, part_bytes, 10);
  BOOST_TEST(*book.next_deadline_s(paces) == 12);
  BOOST_TEST(book.overdue(11.9, paces).empty());
  BOOST_TEST((book.overdue(12, paces) == std::vector<question_book::key>{{1, 7}}));
  book.asked_again({1, 7}, own, 12);
  BOOST_TEST(*book.next_deadline_s(paces) == 16);
  for (int repeat = 0; repeat < 20; ++repeat)
    book.asked_again({1, 7}, own, 20);
  BOOST_TEST(*book.next_deadline_s(paces) == 20 + limits.deadline_max_s);
  BOOST_TEST(book.in_flight_bytes() == part_bytes);
}

/// Answers come one after the other over one line: none of them is late while others come.
BOOST_AUTO_TEST_CASE(a_slow_line_is_not_asked_for_everything_twice) {
  asking_limits limits;
  question_book book(members, 0, limits);
  member_paces paces(members, limits);
  for (uint32_t part = 0; part < 30; ++part)
    book.asked({1, part}, own, part_bytes, 0);
  for (uint32_t part = 0; part < 30; ++part) {
    const double now = 1.9 * (part + 1);
    BOOST_TEST(book.overdue(now, paces).empty());
    book.answered({1, part}, now, paces, true);
  }
  // A line with 5 s per part: the first answer teaches it, although the question was repeated.
  book.asked({2, 0}, own, part_bytes, 100);
  book.asked({2, 1}, own, part_bytes, 100);
  book.asked_again({2, 0}, own, 102);
  book.answered({2, 0}, 105, paces, true);
  BOOST_TEST(book.overdue(124, paces).empty());
  BOOST_TEST(book.overdue(125, paces).size() == 1U);
}

BOOST_AUTO_TEST_CASE(what_was_held_for_a_reason_does_not_teach_the_deadline) {
  asking_limits limits;
  question_book book(members, 0, limits);
  member_paces paces(members, limits);
  book.asked({1, 0}, own, part_bytes, 0);
  book.answered({1, 0}, 0.1, paces, true);
  book.asked({1, 1}, {}, part_bytes, 0);
  book.answered({1, 1}, 50, paces, false);
  book.asked({1, 2}, own, part_bytes, 50);
  BOOST_TEST(*book.next_deadline_s(paces) == 50 + limits.deadline_min_s);
}

BOOST_AUTO_TEST_CASE(the_window_is_twice_what_the_line_carries_in_a_round_trip) {
  line_meter line;
  BOOST_TEST(line.window_bytes() == 0U);
  line.round_trip(0.1);
  line.round_trip(0.3);
  for (int i = 0; i <= 1000; ++i)
    line.received(25'000, 0, i * 0.001);
  BOOST_TEST(line.bytes_per_s() == 25e6, boost::test_tools::tolerance(0.02));
  BOOST_TEST(static_cast<double>(line.window_bytes()) == 2 * 25e6 * 0.1,
             boost::test_tools::tolerance(0.02));
  // A pause does not count.
  line.pause();
  for (int i = 0; i <= 1000; ++i)
    line.received(25'000, 0, 100 + i * 0.001);
  BOOST_TEST(line.bytes_per_s() == 25e6, boost::test_tools::tolerance(0.02));
}

/// Many flows that share a line end together, and then the line seems to be empty for a while.
BOOST_AUTO_TEST_CASE(a_burst_of_what_was_long_on_its_way_is_no_rate) {
  line_meter line;
  line.round_trip(0.06);
  const size_t on_its_way = 100;
  for (int burst = 1; burst <= 10; ++burst) {
    const double end = 4.0 * burst;
    for (size_t i = 0; i < on_its_way; ++i) {
      line.received(1000, on_its_way * 1000, end + 0.001 * static_cast<double>(i));
      // 25,000 bytes per second; the first rate may be twice that.
      BOOST_TEST(line.bytes_per_s() <= (burst < 5 ? 2.1 : 1.5) * 25'000);
    }
  }
  BOOST_TEST(line.bytes_per_s() >= 0.9 * 25'000);
  BOOST_TEST(line.patience_s(100'000) == 2 * 100'000 / line.bytes_per_s());
}

BOOST_AUTO_TEST_CASE(nothing_is_overdue_before_the_line_can_have_carried_it) {
  asking_limits limits;
  question_book book(members, 0, limits);
  member_paces paces(members, limits);
  paces.set_least_s(7);
  book.asked({1, 0}, own, part_bytes, 10);
  BOOST_TEST(*book.next_deadline_s(paces) == 17);
  // The way may have become shorter meanwhile.
  paces.set_least_s(0);
  BOOST_TEST(*book.next_deadline_s(paces) == 10 + limits.first_deadline_s);
}
