#include "actors/training/lease_run.hpp"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "actors/random.hpp"

namespace {

using namespace swarm;
using namespace swarm::training;
using state = lease_run::state;

worker_id worker(uint64_t peer) {
  return {peer_id{peer}, incarnation_id{1}};
}

stage_call call(call_kind kind, int32_t stage, std::optional<worker_id> only = std::nullopt) {
  return {kind, stage_id{stage}, 1, only};
}

lease_run of(std::deque<stage_call> calls, uint32_t most = attempts_max) {
  return {{}, round_id{1}, std::move(calls), most};
}

/// A loss and a backward.
lease_run two_calls(uint32_t most = attempts_max) {
  return of({call(call_kind::loss, 1), call(call_kind::backward, 0)}, most);
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_lease_is_done_when_every_call_was_answered) {
  auto r = two_calls();
  BOOST_TEST((r.now() == state::choosing));
  BOOST_TEST(!r.is_last_call());
  r.sent(worker(1), 7, 3.5);
  BOOST_TEST((r.now() == state::calling));
  BOOST_TEST(r.waits_for(7));
  BOOST_TEST(!r.waits_for(6));
  BOOST_TEST(r.waits_for(worker(1)));
  BOOST_TEST(r.sent_s() == 3.5);
  r.answered();
  BOOST_TEST((r.now() == state::choosing));
  BOOST_TEST(r.is_last_call());
  BOOST_TEST(!r.waits_for(7));
  r.sent(worker(2), 8, 4);
  r.answered();
  BOOST_TEST((r.now() == state::over));
  BOOST_TEST((r.outcome() == lease_outcome::done));
}

BOOST_AUTO_TEST_CASE(a_lease_without_calls_is_done) {
  BOOST_TEST((of({}).now() == state::over));
}

BOOST_AUTO_TEST_CASE(what_a_failure_leads_to) {
  struct row {
    call_failure why;
    bool at_once;
    state next;
    lease_outcome outcome;  ///< if it is over
    bool forgets;
    bool avoids;
    bool input;
  };
  const auto returned = lease_outcome::returned;
  for (const auto& x :
       {row{call_failure::round_over, true, state::over, returned, false, false, false},
        row{call_failure::not_finite, true, state::over, lease_outcome::non_finite, true, false,
            false},
        row{call_failure::no_graph, true, state::choosing, returned, false, false, true},
        row{call_failure::gone, true, state::choosing, returned, false, true, false},
        row{call_failure::refused, true, state::choosing, returned, false, true, false},
        row{call_failure::refused, false, state::resting, returned, false, true, false},
        row{call_failure::timed_out, true, state::choosing, returned, false, true, false},
        row{call_failure::timed_out, false, state::resting, returned, false, true, false}}) {
    const auto what = std::to_string(static_cast<int>(x.why)) + (x.at_once ? " at once" : "");
    auto r = two_calls();
    r.sent(worker(1), 7, 0);
    r.failed(x.why, x.at_once);
    BOOST_TEST((r.now() == x.next), what);
    BOOST_TEST(r.forget_saved() == x.forgets, what);
    BOOST_TEST((r.avoid().count(worker(1)) == 1) == x.avoids, what);
    BOOST_TEST((r.retries() == 1) == x.avoids, what);
    if (x.next == state::over) {
      BOOST_TEST((r.outcome() == x.outcome), what);
      continue;
    }
    BOOST_TEST(r.sends_input() == x.input, what);
    BOOST_TEST(!r.is_last_call(), what);
  }
}

BOOST_AUTO_TEST_CASE(a_graph_that_is_missing_with_the_input_is_a_failure) {
  auto r = two_calls();
  r.sent(worker(1), 1, 0);
  r.failed(call_failure::no_graph);
  BOOST_TEST(r.retries() == 0U);
  r.sent(worker(1), 2, 0);
  r.failed(call_failure::no_graph);
  BOOST_TEST(r.retries() == 1U);
  BOOST_TEST(r.avoid().count(worker(1)) == 1U);
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_two_workers_is_begun_from_its_tokens) {
  auto r = two_calls();
  r.sent(worker(1), 1, 0);
  r.failed(call_failure::misfit);
  BOOST_TEST((r.now() == state::choosing));
  BOOST_TEST(r.avoid().count(worker(1)) == 1U);
  r.sent(worker(2), 2, 0);
  r.failed(call_failure::misfit);
  BOOST_TEST((r.now() == state::over));
  BOOST_TEST((r.outcome() == lease_outcome::returned));
  BOOST_TEST(r.forget_saved());
}

BOOST_AUTO_TEST_CASE(the_next_call_begins_anew) {
  auto r = two_calls();
  r.sent(worker(1), 1, 0);
  r.failed(call_failure::no_graph);
  r.sent(worker(1), 2, 0);
  r.failed(call_failure::refused);
  r.sent(worker(2), 3, 0);
  r.answered();
  BOOST_TEST(r.avoid().empty());
  BOOST_TEST(!r.sends_input());
  BOOST_TEST(r.attempts() == 0U);
  BOOST_TEST(r.retries() == 1U);
}

BOOST_AUTO_TEST_CASE(only_its_own_alarm_ends_a_rest) {
  auto r = two_calls();
  BOOST_TEST(!r.woken(0));
  r.nobody();
  BOOST_TEST((r.now() == state::resting));
  r.rests(5);
  BOOST_TEST(!r.woken(4));
  BOOST_TEST(!r.waits_for(5));
  BOOST_TEST(r.woken(5));
  BOOST_TEST((r.now() == state::choosing));
  BOOST_TEST(!r.woken(5));
}

BOOST_AUTO_TEST_CASE(after_a_rest_for_want_of_workers_all_may_be_asked_again) {
  auto r = two_calls();
  r.sent(worker(1), 1, 0);
  r.failed(call_failure::refused);
  r.nobody();
  BOOST_TEST(r.avoid().empty());
}

BOOST_AUTO_TEST_CASE(a_call_for_one_worker_waits_for_it_or_is_skipped) {
  auto r = of({call(call_kind::loss, 1, worker(3)), call(call_kind::backward, 0)});
  r.sent(worker(3), 1, 0);
  r.failed(call_failure::timed_out);
  BOOST_TEST((r.now() == state::resting));
  BOOST_TEST(r.avoid().empty());
  r.rests(2);
  BOOST_TEST(r.woken(2));
  r.skip();
  BOOST_TEST((r.now() == state::choosing));
  BOOST_TEST(r.is_last_call());
}

BOOST_AUTO_TEST_CASE(whatever_fails_a_lease_ends_after_so_many_attempts) {
  splitmix64 random{5};
  for (int run = 0; run < 500; ++run) {
    auto r = two_calls(attempts_max);
    uint64_t serial = 0;
    int steps = 0;
    while (r.now() != state::over) {
      BOOST_REQUIRE(++steps < 1'000);
      if (r.now() == state::resting) {
        r.rests(++serial);
        BOOST_REQUIRE(r.woken(serial));
      } else if (random.below(3) == 0) {
        r.nobody();
      } else {
        r.sent(worker(random.below(3)), ++serial, 0);
        r.failed(random.below(2) == 0 ? call_failure::gone : call_failure::timed_out,
                 random.below(2) == 0);
      }
    }
    BOOST_TEST((r.outcome() == lease_outcome::returned));
    BOOST_TEST(r.forget_saved());
  }
}
