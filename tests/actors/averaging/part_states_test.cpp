#include <boost/test/unit_test.hpp>
#include <functional>
#include <string>

#include "actors/averaging/all_reduce.hpp"

// The tables of actors/averaging/README.md: what one part does at its owner and at the others.

namespace {

using namespace swarm;
using namespace swarm::averaging;

constexpr size_t members = 5;
constexpr int64_t own_value = 1;

worker_id worker(size_t index) {
  return {peer_id{index + 1}, incarnation_id{1}};
}

/// Member 0 of five; part p is one element and belongs to member p. A follower is the last.
struct table_member {
  explicit table_member(bool follower = false) {
    std::vector<reduce_member> group;
    for (size_t i = 0; i < members + (follower ? 1 : 0); ++i)
      group.push_back({worker(i), i < members, 0});
    const auto plan = reduce_plan::make(group, members, 1).value();
    machine = all_reduce<int64_t>::make(
        plan, worker(follower ? members : 0), vector(own_value), members,
        std::shared_ptr<int64_t>(new int64_t[members]{}, std::default_delete<int64_t[]>()));
    machine->open(0);
  }

  static std::shared_ptr<const int64_t> vector(int64_t value) {
    const auto values = std::make_shared<std::vector<int64_t>>(members, value);
    return {values, values->data()};
  }

  reduce_actions<int64_t> contribution(size_t from, uint32_t part, int64_t value,
                                       unit_list units = {true, {}}) {
    return last = machine->on_part({worker(from), part, false, units, &value, 1}, 0);
  }
  reduce_actions<int64_t> sum(size_t from, uint32_t part, int64_t value) {
    return last = machine->on_part({worker(from), part, true, {}, &value, 1}, 0);
  }
  reduce_actions<int64_t> want_sum(size_t from, uint32_t part) {
    return last = machine->on_want({worker(from), machine->revision(), {part}, true, {}, false});
  }
  reduce_actions<int64_t> want(size_t from, uint32_t part, unit_list units, bool or_sum = false,
                               uint32_t revision = 0) {
    return last = machine->on_want({worker(from), revision, {part}, false, units, or_sum});
  }
  reduce_actions<int64_t> lose(size_t who, std::vector<size_t> helpers) {
    losses.push_back({who, std::move(helpers)});
    return revise();
  }
  void add_follower() {
    auto group = machine->plan().members();
    group.push_back({worker(group.size()), false, 0});
    BOOST_REQUIRE(!machine->add_followers(group));
  }
  reduce_actions<int64_t> revise() {
    return last = machine->revise(machine->revision() + 1, losses, 0);
  }

  bool asks(size_t whom, uint32_t part, bool is_sum, unit_list units = {}) const {
    for (const auto& q : last.ask)
      for (const uint32_t p : q.parts)
        if (q.to == whom && p == part && q.sum == is_sum && (is_sum || q.units == units))
          return true;
    return false;
  }
  bool sends(size_t whom, uint32_t part, bool is_sum, int64_t value) const {
    for (const auto& a : last.send)
      if (a.to == whom && a.part == part && a.sum == is_sum && *a.data == value) return true;
    return false;
  }
  /// The finished sum, as anybody who asks gets it.
  bool finished(uint32_t part, int64_t value) {
    want_sum(1, part);
    return sends(1, part, true, value);
  }

  std::optional<all_reduce<int64_t>> machine;
  std::vector<reduce_loss> losses;
  reduce_actions<int64_t> last;
};

const unit_list own{true, {}};
constexpr share_id first_of_4{4, 0};
constexpr share_id second_of_4{4, 1};

}  // namespace

// -- at its owner -----------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(collecting_adds_what_is_lacking_and_finishes_when_all_is_in) {
  table_member m;
  for (size_t from = 1; from < members; ++from) {
    BOOST_TEST(!m.finished(0, 11));
    m.contribution(from, 0, 10);
  }
  // Who has asked meanwhile is served at once.
  BOOST_TEST(m.sends(1, 0, true, 41));
  BOOST_TEST(m.finished(0, 41));
}

BOOST_AUTO_TEST_CASE(collecting_adds_nothing_twice) {
  table_member m;
  m.contribution(1, 0, 10);
  BOOST_TEST(m.contribution(1, 0, 10).late);
  for (const size_t from : {2, 3, 4})
    m.contribution(from, 0, 10);
  BOOST_TEST(m.finished(0, 41));
  BOOST_TEST(m.contribution(4, 0, 10).late);
  BOOST_TEST(m.finished(0, 41));
}

BOOST_AUTO_TEST_CASE(a_merged_answer_with_a_unit_that_is_in_is_asked_for_again_without_it) {
  table_member m;
  // 1 helps; before it answers (it was asked for its own vector only) 2 takes its place.
  m.lose(4, {1});
  m.contribution(1, 0, 10);
  BOOST_TEST(m.asks(1, 0, false, {false, {first_of_4}}));
  m.losses[0].helpers[0] = 2;
  m.revise();
  m.contribution(2, 0, 100);
  BOOST_TEST(m.asks(2, 0, false, {false, {first_of_4}}));
  m.contribution(2, 0, 1000, {false, {first_of_4}});
  // What 1 has computed comes all the same.
  BOOST_TEST(!m.contribution(1, 0, 7000, {false, {first_of_4}}).error);
  m.contribution(3, 0, 10'000);
  BOOST_TEST(m.finished(0, 11'111));
}

BOOST_AUTO_TEST_CASE(collecting_takes_a_sum_in_place_of_what_it_has_added) {
  table_member m;
  m.lose(4, {1, 2});
  // Part 4 is ours now: the others are asked for their contribution or the sum.
  BOOST_REQUIRE(m.machine->plan().owner(4) == 0);
  m.contribution(1, 4, 10);
  m.sum(2, 4, 555);
  BOOST_TEST(m.finished(4, 555));
  // A contribution that was on its way changes nothing.
  m.contribution(3, 4, 10);
  BOOST_TEST(m.finished(4, 555));
}

BOOST_AUTO_TEST_CASE(a_sum_in_place_of_a_contribution_is_wrong_where_no_owner_was_lost) {
  table_member m;
  BOOST_TEST((m.sum(2, 0, 555).error == averaging_errc::not_asked));
  for (const size_t from : {1, 2, 3, 4})
    m.contribution(from, 0, 10);
  BOOST_TEST(m.finished(0, 41));
}

BOOST_AUTO_TEST_CASE(a_loss_of_a_contributor_that_is_not_in_asks_for_its_shares) {
  table_member m;
  for (const size_t from : {1, 2, 3})
    m.contribution(from, 0, 10);
  m.lose(4, {1, 2});
  BOOST_TEST(m.asks(1, 0, false, {false, {first_of_4}}));
  BOOST_TEST(m.asks(2, 0, false, {false, {second_of_4}}));
  // Its own vector comes late: both together would count it twice.
  BOOST_TEST(m.contribution(4, 0, 3).late);
  m.contribution(1, 0, 100, {false, {first_of_4}});
  BOOST_TEST(!m.finished(0, 131));
  m.contribution(2, 0, 1000, {false, {second_of_4}});
  BOOST_TEST(m.finished(0, 1131));
}

BOOST_AUTO_TEST_CASE(a_loss_of_a_contributor_that_is_in_changes_nothing) {
  table_member m;
  for (const size_t from : {2, 3, 4})
    m.contribution(from, 0, 10);
  m.lose(4, {1, 2});
  BOOST_TEST(!m.asks(1, 0, false, {false, {first_of_4}}));
  m.contribution(1, 0, 10);
  BOOST_TEST(m.finished(0, 41));
}

BOOST_AUTO_TEST_CASE(own_vector_and_shares_are_asked_for_in_one_question) {
  table_member m;
  // Part 4 has not been asked for yet.
  m.lose(4, {1, 2});
  BOOST_TEST(m.asks(1, 4, false, {true, {first_of_4}}));
  m.contribution(1, 4, 110, {true, {first_of_4}});
  m.contribution(2, 4, 1000, {true, {second_of_4}});
  m.contribution(3, 4, 10'000);
  BOOST_TEST(m.finished(4, 11'111));
}

BOOST_AUTO_TEST_CASE(a_lost_helper_s_share_is_asked_of_the_next_where_it_is_lacking) {
  table_member m;
  m.lose(4, {3});
  for (const size_t from : {1, 2, 3})
    m.contribution(from, 0, 10);
  m.contribution(3, 0, 100, {false, {first_of_4}});
  BOOST_TEST(m.finished(0, 131));
  // Part 4 has nothing of 3 yet.
  m.losses[0].helpers[0] = 1;
  m.lose(3, {2});
  BOOST_TEST(m.finished(0, 131));
  m.contribution(1, 4, 10);
  BOOST_TEST(m.asks(1, 4, false, {false, {first_of_4}}));
}

BOOST_AUTO_TEST_CASE(its_own_share_is_added_where_it_is_lacking) {
  table_member m;
  m.lose(4, {0});
  for (const size_t from : {1, 2, 3})
    m.contribution(from, 0, 10);
  BOOST_TEST(!m.finished(0, 31));
  m.last = m.machine->add_share(first_of_4, table_member::vector(100), members, 0);
  BOOST_TEST(m.sends(1, 0, true, 131));
  BOOST_TEST(m.machine->add_share(first_of_4, table_member::vector(100), members, 0).late);
}

// -- at the others ----------------------------------------------------------------------------

/// Of a member that dies meanwhile everybody would lack it, and nobody waits for the sum.
BOOST_AUTO_TEST_CASE(a_sum_is_asked_of_nobody_who_owes_a_contribution) {
  table_member m;
  m.contribution(2, 0, 10);
  BOOST_TEST(m.asks(2, 2, true));
  BOOST_TEST(!m.asks(3, 3, true));
  // Shares may have to be computed first: they keep no sum back.
  m.lose(1, {3});
  BOOST_REQUIRE(m.machine->plan().owner(1) == 2);
  m.contribution(3, 0, 10);
  BOOST_TEST(m.asks(3, 0, false, {false, {{1, 0}}}));
  BOOST_TEST(m.asks(3, 3, true));
}

BOOST_AUTO_TEST_CASE(a_part_that_another_owner_has_left_is_collected_before_sums_are_asked_for) {
  table_member m;
  for (const size_t from : {1, 2, 3})
    m.contribution(from, 0, 10);
  m.lose(4, {1});
  // Part 4 is dealt to this member.
  BOOST_REQUIRE(m.machine->plan().owner(4) == 0);
  BOOST_TEST(m.asks(2, 4, false, own));
  // Who has the sum of it owes nothing any more.
  m.sum(2, 4, 60);
  m.contribution(1, 0, 100, {false, {first_of_4}});
  for (const size_t owner : {1, 2, 3})
    m.sum(owner, static_cast<uint32_t>(owner), 77);
  BOOST_TEST(m.machine->done());
}

BOOST_AUTO_TEST_CASE(a_lacking_part_is_taken_from_its_owner) {
  table_member m;
  m.contribution(2, 0, 10);
  BOOST_TEST(m.machine->progress().parts_done == 0U);
  m.sum(2, 2, 77);
  BOOST_TEST(m.machine->progress().parts_done == 1U);
  BOOST_TEST(m.sum(2, 2, 78).late);
  BOOST_TEST(m.machine->result().get()[2] == 77);
}

BOOST_AUTO_TEST_CASE(
    a_lacking_part_of_a_lost_owner_is_asked_of_the_next_and_not_taken_from_the_dead) {
  table_member m;
  m.contribution(1, 0, 10);
  m.contribution(2, 0, 10);
  m.lose(1, {3});
  BOOST_REQUIRE(m.machine->plan().owner(1) == 2);
  BOOST_TEST(m.asks(2, 1, true));
  BOOST_TEST(m.sum(1, 1, 5).late);
  m.sum(2, 1, 6);
  BOOST_TEST(m.machine->result().get()[1] == 6);
}

/// One question to each member at a time, two parts each. The second owner also gets part 2 of the
/// lost first: a question for that waits until it has collected it.
BOOST_AUTO_TEST_CASE(what_an_owner_had_from_the_beginning_is_asked_for_first) {
  std::vector<reduce_member> group;
  for (size_t i = 0; i < members; ++i)
    group.push_back({worker(i), true, 0});
  const std::vector<int64_t> values(2 * members, own_value);
  asking_limits one_each;
  one_each.window_bytes_min = 0;
  auto machine = all_reduce<int64_t>::make(
      reduce_plan::make(group, 2 * members, 1).value(), worker(0),
      {std::shared_ptr<void>{}, values.data()}, 2 * members,
      std::shared_ptr<int64_t>(new int64_t[2 * members]{}, std::default_delete<int64_t[]>()),
      one_each);
  BOOST_REQUIRE(machine.has_value());
  machine->open(0);
  const int64_t vector = 1;
  for (const uint32_t part : {0, 1})
    BOOST_REQUIRE(!machine->on_part({worker(2), part, false, own, &vector, 1}, 0).error);
  BOOST_REQUIRE(!machine->revise(1, {{1, {2, 3}}}, 0).error);
  std::vector<uint32_t> asked;
  for (uint32_t part = 4; asked.size() < 2; part = asked.back()) {
    const int64_t value = 5;
    const auto then = machine->on_part({worker(2), part, true, {}, &value, 1}, 0);
    BOOST_REQUIRE(!then.error);
    for (const auto& q : then.ask)
      if (q.sum && q.to == 2) asked.insert(asked.end(), q.parts.begin(), q.parts.end());
    BOOST_REQUIRE(!asked.empty());
  }
  BOOST_TEST(asked == (std::vector<uint32_t>{5, 2}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_present_part_is_given_to_the_owner_that_comes_after_the_lost_one) {
  table_member m;
  m.contribution(1, 0, 10);
  m.contribution(2, 0, 10);
  m.sum(1, 1, 77);
  m.lose(1, {3});
  m.want(2, 1, own, true, 1);
  BOOST_TEST(m.sends(2, 1, true, 77));
  // Without that wish it is an old question of an owner that has the sum.
  m.sum(2, 2, 88);
  m.want(2, 2, own, false, 1);
  BOOST_TEST(m.last.send.empty());
}

BOOST_AUTO_TEST_CASE(a_lacking_part_is_contributed_to) {
  table_member m;
  m.want(3, 3, own);
  BOOST_TEST(m.sends(3, 3, false, own_value));
  m.lose(1, {3});
  m.want(2, 1, own, true, 1);
  BOOST_TEST(m.sends(2, 1, false, own_value));
}

BOOST_AUTO_TEST_CASE(a_share_that_is_not_complete_is_held_and_what_is_here_is_sent) {
  table_member m;
  m.lose(4, {0, 0});
  m.want(3, 3, {true, {first_of_4}}, false, 1);
  BOOST_TEST(m.sends(3, 3, false, own_value));
  m.want(3, 3, {false, {first_of_4, second_of_4}}, false, 1);
  BOOST_TEST(m.last.send.empty());
  m.last = m.machine->add_share(first_of_4, table_member::vector(100), members, 0);
  BOOST_TEST(m.sends(3, 3, false, 100));
  m.last = m.machine->add_share(second_of_4, table_member::vector(1000), members, 0);
  m.want(3, 3, {true, {first_of_4, second_of_4}}, false, 1);
  BOOST_TEST(m.sends(3, 3, false, 1101));
}

BOOST_AUTO_TEST_CASE(a_question_of_a_later_revision_waits_for_it) {
  table_member m;
  m.contribution(1, 0, 10);
  m.want(2, 1, own, true, 1);
  BOOST_TEST(m.last.send.empty());
  // What comes meanwhile from the owner by this revision is the answer then.
  m.sum(1, 1, 77);
  m.lose(1, {3});
  BOOST_TEST(m.sends(2, 1, true, 77));
}

BOOST_AUTO_TEST_CASE(nothing_is_given_to_the_lost) {
  table_member m;
  m.want_sum(4, 0);
  m.lose(4, {1});
  BOOST_TEST(m.want(4, 4, own, false, 0).late);
  for (const size_t from : {1, 2, 3})
    m.contribution(from, 0, 10);
  BOOST_TEST(!m.sends(4, 0, true, 31));
}

/// Parts for a slow follower wait long after the others have all of theirs.
BOOST_AUTO_TEST_CASE(a_part_for_a_follower_does_not_keep_the_result_alive) {
  table_member m;
  m.add_follower();
  for (size_t from = 1; from < members; ++from)
    m.contribution(from, 0, 10);
  const auto alive = m.machine->result().use_count();
  m.want_sum(members, 0);
  BOOST_TEST(m.sends(members, 0, true, 41));
  BOOST_TEST(m.machine->result().use_count() == alive);
  m.want_sum(1, 0);
  BOOST_TEST(m.machine->result().use_count() == alive + 1);
}

BOOST_AUTO_TEST_CASE(a_follower_drops_what_it_has_of_a_lost_owner) {
  table_member m(true);
  for (uint32_t p = 0; p < members; ++p)
    m.sum(p, p, 10 + p);
  BOOST_TEST(m.machine->done());
  m.lose(1, {3});
  BOOST_TEST(!m.machine->done());
  BOOST_TEST(m.asks(2, 1, true));
  m.sum(2, 1, 99);
  BOOST_TEST(m.machine->done());
  BOOST_TEST(m.machine->result().get()[1] == 99);
}

// -- what is wrong ----------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(what_makes_no_sense_is_an_error_and_changes_nothing) {
  table_member m;
  const int64_t value = 5;
  auto& machine = *m.machine;
  const auto part_error = [&](received_part<int64_t> part) {
    return *machine.on_part(part, 0).error;
  };
  BOOST_TEST((part_error({worker(9), 0, false, own, &value, 1}) == averaging_errc::not_a_member));
  BOOST_TEST((part_error({worker(0), 0, false, own, &value, 1}) == averaging_errc::wrong_sender));
  BOOST_TEST((part_error({worker(1), 9, false, own, &value, 1}) == averaging_errc::wrong_part));
  BOOST_TEST((part_error({worker(1), 0, false, own, &value, 2}) == averaging_errc::wrong_size));
  BOOST_TEST((part_error({worker(1), 2, true, {}, &value, 1}) == averaging_errc::not_asked));
  BOOST_TEST((part_error({worker(1), 0, false, {}, &value, 1}) == averaging_errc::not_asked));
  BOOST_TEST((part_error({worker(2), 2, false, own, &value, 1}) == averaging_errc::not_asked));
  const auto want_error = [&](received_want want) { return *machine.on_want(want).error; };
  BOOST_TEST((want_error({worker(9), 0, {0}, true, {}, false}) == averaging_errc::not_a_member));
  BOOST_TEST((want_error({worker(0), 0, {0}, true, {}, false}) == averaging_errc::wrong_sender));
  BOOST_TEST((want_error({worker(1), 0, {9}, true, {}, false}) == averaging_errc::wrong_part));
  BOOST_TEST((want_error({worker(1), 0, {1}, true, {}, false}) == averaging_errc::wrong_owner));
  BOOST_TEST((want_error({worker(1), 0, {2}, false, own, false}) == averaging_errc::wrong_owner));
  BOOST_TEST((want_error({worker(1), 0, {1}, false, {}, false}) == averaging_errc::wrong_part));
  BOOST_TEST((want_error({worker(1), 0, std::vector<uint32_t>(want_parts_max + 1, 1), false, own,
                          false}) == averaging_errc::wrong_part));
  for (const size_t from : {1, 2, 3, 4})
    m.contribution(from, 0, 10);
  BOOST_TEST(m.finished(0, 41));
}

BOOST_AUTO_TEST_CASE(an_order_that_does_not_continue_the_last_is_refused) {
  table_member m;
  m.lose(4, {1});
  const auto refused = [&](std::vector<reduce_loss> losses) {
    return m.machine->revise(7, losses, 0).error;
  };
  BOOST_TEST((*refused({}) == averaging_errc::bad_losses));
  BOOST_TEST((*refused({{3, {1}}}) == averaging_errc::bad_losses));
  BOOST_TEST((*refused({{4, {1, 2}}}) == averaging_errc::bad_losses));
  BOOST_TEST((*refused({{4, {4}}}) == averaging_errc::bad_losses));
  BOOST_TEST((*refused({{4, {1}}, {4, {1}}}) == averaging_errc::bad_losses));
  BOOST_TEST((*refused({{4, {1}}, {9, {1}}}) == averaging_errc::bad_losses));
  BOOST_TEST((*refused({{4, {1}}, {0, {1}}}) == averaging_errc::lost_here));
  BOOST_TEST(m.machine->revision() == 1U);
  BOOST_TEST(!refused({{4, {2}}, {3, {1}}}));
}

BOOST_AUTO_TEST_CASE(a_question_that_is_repeated_while_it_waits_is_answered_once) {
  table_member m;
  for (int repeat = 0; repeat < 3; ++repeat)
    m.want(2, 1, own, true, 1);
  m.lose(1, {3});
  BOOST_TEST(m.last.send.size() == 1U);
  for (int repeat = 0; repeat < 3; ++repeat)
    m.want_sum(2, 0);
  for (const size_t from : {2, 3, 4})
    m.contribution(from, 0, 10);
  m.contribution(3, 0, 10, {false, {{1, 0}}});
  BOOST_TEST(m.last.send.size() == 1U);
}

BOOST_AUTO_TEST_CASE(questions_that_wait_for_a_revision_are_bounded) {
  const size_t count = 9 * held_wants_max;
  const auto plan = reduce_plan::make({{worker(0)}, {worker(1)}, {worker(2)}}, count, 1).value();
  const auto vector = std::make_shared<std::vector<int64_t>>(count);
  auto machine = all_reduce<int64_t>::make(
                     plan, worker(0), {vector, vector->data()}, count,
                     std::shared_ptr<int64_t>(new int64_t[count], std::default_delete<int64_t[]>()))
                     .value();
  machine.open(0);
  for (uint32_t p = 0; p < count; ++p)
    machine.on_want({worker(2), 1, {p}, false, own, true});
  // Those of the lost member's parts that are the sender's now.
  const auto out = machine.revise(1, {{1, {0}}}, 0);
  BOOST_TEST(out.send.size() <= held_wants_max);
}
