#include "actors/stage/step_guard.hpp"

#include <boost/test/unit_test.hpp>
#include <random>
#include <set>

namespace {

using namespace swarm;
using namespace swarm::stage;

constexpr term_id term{5};
constexpr step_id step{10};

round_id round_of(uint32_t n) {
  return round_id{n};
}

bool refused_because(const std::optional<refusal>& why, refusal_reason reason) {
  return why.has_value() && why->reason == reason;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_request_of_the_current_step_is_admitted) {
  step_guard guard{step};
  BOOST_TEST(!guard.admit_read(term, step));
  BOOST_TEST(!guard.admit_accumulate(term, step, round_of(1)));
}

BOOST_AUTO_TEST_CASE(another_version_is_refused_and_says_which) {
  step_guard guard{step};
  BOOST_TEST(refused_because(guard.admit_read(term, step_id{9}), refusal_reason::ahead));
  BOOST_TEST(refused_because(guard.admit_read(term, step_id{11}), refusal_reason::behind));
  BOOST_TEST((guard.admit_read(term, step_id{9})->version == step));
}

BOOST_AUTO_TEST_CASE(a_lower_term_is_refused_whatever_the_step) {
  step_guard guard{step};
  BOOST_TEST(!guard.admit_read(term_id{6}, step));
  BOOST_TEST(
      refused_because(guard.admit_accumulate(term, step, round_of(1)), refusal_reason::lower_term));
  BOOST_TEST(refused_because(guard.gather(term, step, round_of(1)), refusal_reason::lower_term));
}

BOOST_AUTO_TEST_CASE(a_repeat_weighs_nothing) {
  step_guard guard{step};
  const microbatch_id m{3};
  BOOST_TEST(guard.effective_weight(m, 1) == 1);
  guard.accumulated(m, 1);
  BOOST_TEST(guard.effective_weight(m, 1) == 0);
  BOOST_TEST(guard.effective_weight(m, -1) == -1);
  guard.accumulated(m, -1);
  BOOST_TEST(guard.effective_weight(m, -1) == 0);
  BOOST_TEST(guard.held().size() == 0U);
}

BOOST_AUTO_TEST_CASE(gather_closes_its_round_and_opens_the_next) {
  step_guard guard{step};
  BOOST_TEST(!guard.gather(term, step, round_of(1)));
  BOOST_TEST(
      refused_because(guard.admit_accumulate(term, step, round_of(1)), refusal_reason::frozen));
  BOOST_TEST(!guard.admit_accumulate(term, step, round_of(2)));
  BOOST_TEST(!guard.gather(term, step, round_of(1)));  // a repeat
  BOOST_TEST(!guard.gather(term, step, round_of(2)));
  BOOST_TEST(refused_because(guard.gather(term, step, round_of(1)), refusal_reason::frozen));
}

BOOST_AUTO_TEST_CASE(forwards_still_run_in_a_closed_round) {
  step_guard guard{step};
  BOOST_TEST(!guard.gather(term, step, round_of(1)));
  BOOST_TEST(!guard.admit_read(term, step));
}

BOOST_AUTO_TEST_CASE(commit_needs_the_reduce_of_its_round) {
  step_guard guard{step};
  BOOST_TEST(!guard.gather(term, step, round_of(2)));
  BOOST_TEST(
      refused_because(guard.commit(term, step, {term, round_of(2)}), refusal_reason::wrong_round));
  BOOST_TEST(refused_because(guard.reduce(term, step, round_of(1)), refusal_reason::wrong_round));
  BOOST_TEST(!guard.reduce(term, step, round_of(2)));
  guard.reduced({{term, round_of(2)}, "hash", 1, 4});
  BOOST_TEST(
      refused_because(guard.commit(term, step, {term, round_of(1)}), refusal_reason::wrong_round));
  BOOST_TEST(!guard.commit(term, step, {term, round_of(2)}));
  guard.commit_applied(0.5, 4);
  BOOST_TEST((guard.version() == step.next()));
  BOOST_TEST((guard.committed().attempt == attempt_id{term, round_of(2)}));
  BOOST_TEST(guard.committed().scale == 0.5);
  BOOST_TEST(refused_because(guard.commit(term, step, {term, round_of(2)}), refusal_reason::ahead));
}

BOOST_AUTO_TEST_CASE(a_higher_term_makes_all_rounds_old_and_leaves_the_sum_to_be_committed) {
  step_guard guard{step};
  const term_id higher{6};
  BOOST_TEST(!guard.gather(term, step, round_of(4)));
  guard.reduced({{term, round_of(4)}, "hash", 1, 4});
  BOOST_TEST(!guard.take_over(higher));
  BOOST_TEST(
      refused_because(guard.commit(term, step, {term, round_of(4)}), refusal_reason::lower_term));
  BOOST_TEST(refused_because(guard.take_over(term), refusal_reason::lower_term));
  BOOST_TEST(guard.may_follow());
  BOOST_TEST(!guard.admit_accumulate(higher, step, round_of(1)));
  BOOST_TEST(!guard.commit(higher, step, {term, round_of(4)}));
  BOOST_TEST(!guard.gather(higher, step, round_of(1)));
  BOOST_TEST(!guard.may_follow());
}

BOOST_AUTO_TEST_CASE(a_resumed_life_obeys_no_lower_term_than_its_sum_or_commit) {
  for (const bool with_sum : {true, false}) {
    step_guard guard{step};
    const attempt_id attempt{term_id{9}, round_id{2}};
    guard.resume({{}, step}, with_sum ? last_commit{} : last_commit{attempt, 1, 4},
                 with_sum ? reduced_sum{attempt, "hash", 1, 4} : reduced_sum{});
    // A coordinator that knows of no such term is told, instead of finding every round frozen.
    const auto why = guard.gather(term_id{8}, step, round_of(1));
    BOOST_TEST(refused_because(why, refusal_reason::lower_term));
    BOOST_TEST((why->term == term_id{9}));
    BOOST_TEST(guard.may_follow() == with_sum);
    BOOST_TEST(!guard.gather(term_id{10}, step, round_of(1)));
  }
}

BOOST_AUTO_TEST_CASE(an_advance_starts_with_an_empty_set) {
  step_guard guard{step};
  guard.accumulated(microbatch_id{0}, 1);
  BOOST_TEST(!guard.gather(term, step, round_of(4)));
  guard.advance(step.next());
  BOOST_TEST(guard.held().size() == 0U);
  BOOST_TEST(!guard.admit_accumulate(term, step.next(), round_of(1)));
}

/// Law: under any mixture of requests the guard's set is what a plain set would be, and the sum of
/// the effective weights of each microbatch is 0 or 1.
BOOST_AUTO_TEST_CASE(no_order_of_requests_counts_a_microbatch_twice) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random{seed};
    step_guard guard{step};
    std::vector<int> sum(40, 0);
    for (int i = 0; i < 300; ++i) {
      const microbatch_id m{static_cast<int64_t>(random() % 40)};
      const int weight = guard.effective_weight(m, random() % 3 == 0 ? -1 : 1);
      guard.accumulated(m, weight);
      auto& total = sum[static_cast<size_t>(m.value())];
      total += weight;
      BOOST_REQUIRE(total == 0 || total == 1);
      BOOST_REQUIRE(guard.held().contains(m) == (total == 1));
    }
  }
}
