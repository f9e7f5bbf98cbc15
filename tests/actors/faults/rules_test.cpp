#include "actors/faults/rules.hpp"

#include <boost/test/unit_test.hpp>

#include "actors/faults/conditions.hpp"
#include "actors/faults/errc.hpp"
#include "actors/faults/rule_book.hpp"
#include "tests/actors/faults/rig.hpp"

using namespace swarm;
using namespace swarm::faults;
using namespace swarm::faults::testing;
using namespace std::chrono_literals;

namespace {

using add = caf::add_atom;

/// A ledger of additions; its caller notes the outcome of each call: the answer, -1 for an error,
/// nothing when it hears nothing.
struct ledger : rig {
  ledger() {
    target = own(system.spawn([this]() -> caf::behavior {
      return {[this](add, int x) { return sum += x; }, [this](caf::get_atom) { return sum; },
              [this](caf::put_atom, int x) { sum = x; }};
    }));
    link = faulty_link(system, target, under);
    caller = own(system.spawn([this](caf::event_based_actor* self) -> caf::behavior {
      return {
          [this, self](int x) {
            self->request(link, caf::infinite, add::value, x)
                .then([this](int y) { heard.push_back(y); }, [this](caf::error& e) { fail(e); });
          },
          [this, self](caf::get_atom) {
            self->request(link, caf::infinite, caf::get_atom::value)
                .then([this](int y) { heard.push_back(y); }, [this](caf::error& e) { fail(e); });
          }};
    }));
  }

  void fail(const caf::error& why) {
    heard.push_back(-1);
    last = why;
  }
  void call(int x) {
    caf::anon_send(caller, x);
    scheduler.run();
  }
  void read() {
    caf::anon_send(caller, caf::get_atom::value);
    scheduler.run();
  }
  uint64_t count(fault_class what) const { return under.counts().of(what); }

  conditions under{1};
  caf::actor target;
  caf::actor link;
  caf::actor caller;
  int sum = 0;
  std::vector<int> heard;
  caf::error last;
};

using ints = std::vector<int>;

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_call_that_fails_before_is_not_executed, ledger) {
  under.add(fail_before(next<add, int>()));
  call(1);
  BOOST_TEST(sum == 0);
  BOOST_TEST(heard == ints{-1});
  BOOST_CHECK(last == make_error(errc::injected));
  call(1);
  BOOST_TEST(heard == (ints{-1, 1}));
  BOOST_TEST(count(fault_class::failed_before) == 1U);
}

BOOST_FIXTURE_TEST_CASE(a_call_that_fails_during_is_executed, ledger) {
  under.add(fail_during(next<add, int>(), caf::make_error(caf::sec::runtime_error)));
  call(1);
  BOOST_TEST(sum == 1);
  BOOST_TEST(heard == ints{-1});
  BOOST_CHECK(last == caf::sec::runtime_error);
  BOOST_TEST(count(fault_class::failed_during) == 1U);
}

BOOST_FIXTURE_TEST_CASE(a_call_whose_reply_is_lost_is_executed, ledger) {
  under.add(lose_reply(next<add, int>()));
  call(1);
  BOOST_TEST(sum == 1);
  BOOST_TEST(heard.empty());
  BOOST_TEST(count(fault_class::lost_reply) == 1U);
}

BOOST_FIXTURE_TEST_CASE(all_replies_to_a_duplicated_request_are_lost, ledger) {
  weather w;
  w.duplication = 1;
  under.set(direction::forward, w);
  under.add(fail_after(next<add, int>()));
  call(1);
  BOOST_TEST(sum == 2);
  BOOST_TEST(heard.empty());
}

BOOST_FIXTURE_TEST_CASE(a_rule_leaves_other_messages_alone, ledger) {
  under.add(lose_reply(next<add, int>()));
  read();
  caf::anon_send(link, caf::put_atom::value, 5);
  read();
  BOOST_TEST(heard == (ints{0, 5}));
  BOOST_TEST(under.counts().total() == 0U);
}

BOOST_FIXTURE_TEST_CASE(the_nth_call_is_the_nth, ledger) {
  under.add(fail_before(nth<add, int>(3)));
  for (int i = 0; i < 5; ++i)
    call(1);
  BOOST_TEST(heard == (ints{1, 2, -1, 3, 4}));
}

BOOST_FIXTURE_TEST_CASE(each_call_is_every_call, ledger) {
  under.add(fail_before(each<add, int>()));
  for (int i = 0; i < 5; ++i)
    call(1);
  BOOST_TEST(sum == 0);
  under.clear_rules();
  call(1);
  BOOST_TEST(sum == 1);
}

BOOST_FIXTURE_TEST_CASE(sometimes_is_a_share, ledger) {
  under.add(fail_before(sometimes<add, int>(0.25)));
  for (int i = 0; i < 1000; ++i)
    call(1);
  const auto failed = std::count(heard.begin(), heard.end(), -1);
  BOOST_TEST(failed > 180);
  BOOST_TEST(failed < 320);
  BOOST_TEST(static_cast<int>(failed) + sum == 1000);
}

BOOST_FIXTURE_TEST_CASE(the_first_rule_that_chooses_wins, ledger) {
  under.add(fail_before(next<add, int>()));
  under.add(fail_during(next<add, int>()));
  call(1);
  BOOST_TEST(sum == 0);
  call(1);
  BOOST_TEST(sum == 1);
  BOOST_TEST(heard == (ints{-1, -1}));
}

BOOST_FIXTURE_TEST_CASE(what_asks_for_nothing_is_not_a_call, ledger) {
  under.add(fail_before(next(of<add, int>())));
  caf::anon_send(link, add::value, 1);
  scheduler.run();
  BOOST_TEST(sum == 1);
  call(1);
  BOOST_TEST(sum == 1);
  BOOST_TEST(heard == ints{-1});
  under.add(lose(next<add, int>()));
  caf::anon_send(link, add::value, 1);
  scheduler.run();
  BOOST_TEST(sum == 1);
  BOOST_TEST(count(fault_class::loss) == 1U);
}

BOOST_FIXTURE_TEST_CASE(replies_can_be_late_or_lies, ledger) {
  under.add(delay_reply(next<add, int>(), 5ms));
  under.add(change_reply(next<caf::get_atom>(), caf::make_message(99)));
  call(1);
  read();
  BOOST_TEST(heard == ints{99});
  BOOST_TEST(sum == 1);
  pass(5ms);
  BOOST_TEST(heard == (ints{99, 1}));
  BOOST_TEST(count(fault_class::changed_reply) == 1U);
}

BOOST_FIXTURE_TEST_CASE(requests_can_be_late_or_double, ledger) {
  under.add(delay(next<add, int>(), 5ms));
  under.add(duplicate(next<add, int>(), 2ms));
  call(10);
  call(1);
  BOOST_TEST(heard == ints{1});
  pass(2ms);
  BOOST_TEST(sum == 2);
  pass(3ms);
  BOOST_TEST(sum == 12);
}

BOOST_FIXTURE_TEST_CASE(a_predicate_may_look_inside, ledger) {
  under.add(fail_before(each([](const passage& message) {
    return message.content.match_elements<add, int>() && message.content.get_as<int>(1) < 0;
  })));
  call(1);
  call(-1);
  BOOST_TEST(heard == (ints{1, -1}));
  BOOST_TEST(sum == 1);
}

BOOST_AUTO_TEST_CASE(bad_rules_are_refused) {
  BOOST_CHECK_THROW(next(nullptr), std::invalid_argument);
  BOOST_CHECK_THROW((sometimes<int>(2)), std::invalid_argument);
  BOOST_CHECK_THROW(lose(selection{}), std::invalid_argument);
  BOOST_CHECK_THROW(delay(next<int>(), -1ms), std::invalid_argument);
  BOOST_CHECK_THROW(duplicate(next<int>(), -1ms), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(what_is_owed_to_answers_is_bounded) {
  const auto nothing = caf::make_message(1);
  const auto message = [&](uint64_t request, bool answer) {
    return passage{
        answer ? direction::back : direction::forward, true, answer, 1, request, nothing};
  };
  rule_book book;
  splitmix64 random{1};
  fault_counts counts;
  book.add(lose_reply(each<int>()));
  const auto send = [&](uint64_t request, bool answer) {
    fate f;
    book.apply(message(request, answer), f, random, counts);
    return f.copies;
  };
  for (uint64_t i = 0; i <= rule_book::owed_max; ++i)
    BOOST_REQUIRE(send(i, false) == 1);
  BOOST_TEST(send(0, true) == 1);
  BOOST_TEST(send(1, true) == 0);
  BOOST_TEST(send(rule_book::owed_max, true) == 0);
}

BOOST_AUTO_TEST_CASE(every_class_has_a_name_of_its_own) {
  std::set<std::string> names;
  for (size_t i = 0; i < fault_classes; ++i)
    names.insert(to_string(static_cast<fault_class>(i)));
  BOOST_TEST(names.size() == fault_classes);
  BOOST_TEST(names.count("unknown") == 0U);
}
