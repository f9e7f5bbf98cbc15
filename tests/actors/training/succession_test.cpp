#include "actors/training/succession.hpp"

#include <boost/test/unit_test.hpp>

namespace {

using namespace swarm;
using namespace swarm::training;
using verdict = succession::verdict;

worker_id worker(uint64_t peer) {
  return {peer_id{peer}, incarnation_id{1}};
}

constexpr attempt_id old_attempt{term_id{1}, round_id{2}};

position at(int32_t stage, int64_t version) {
  position s;
  s.stage = stage_id{stage};
  s.weights.version = step_id{version};
  return s;
}

position reduced(int32_t stage, int64_t version, const char* hash = "sum",
                 attempt_id attempt = old_attempt) {
  auto s = at(stage, version);
  s.reduced = attempt;
  s.hash = hash;
  s.squared_norm = 1.5;
  s.counted = 4;
  return s;
}

position committed(int32_t stage, int64_t version, double scale = 0.25) {
  auto s = at(stage, version);
  s.committed = old_attempt;
  s.scale = scale;
  s.committed_counted = 4;
  return s;
}

using sums = std::map<worker_id, stage_sum>;

}  // namespace

BOOST_AUTO_TEST_CASE(stages_that_are_level_begin_by_gathering) {
  const auto plan = succeed({{worker(1), at(0, 7)}, {worker(2), at(1, 7)}}, 2, 4);
  BOOST_TEST((plan.what == verdict::begin));
  BOOST_TEST((plan.weights.version == step_id{7}));
}

BOOST_AUTO_TEST_CASE(an_older_worker_beside_a_newer_one_of_its_stage_changes_nothing) {
  const auto plan =
      succeed({{worker(1), at(0, 7)}, {worker(2), at(1, 7)}, {worker(3), at(1, 4)}}, 2, 4);
  BOOST_TEST((plan.what == verdict::begin));
  BOOST_TEST((plan.weights.version == step_id{7}));
}

BOOST_AUTO_TEST_CASE(a_stage_without_an_answer_is_waited_for) {
  const auto plan = succeed({{worker(1), at(0, 7)}}, 2, 4);
  BOOST_TEST((plan.what == verdict::wait));
  BOOST_TEST((plan.stage == stage_id{1}));
}

BOOST_AUTO_TEST_CASE(a_commit_that_one_stage_has_applied_is_finished_at_the_others) {
  const auto plan = succeed({{worker(1), committed(0, 8)},
                             {worker(2), reduced(1, 7)},
                             {worker(3), at(1, 7)},
                             {worker(4), reduced(2, 7)}},
                            3, 4);
  BOOST_TEST((plan.what == verdict::finish));
  BOOST_TEST((plan.weights.version == step_id{8}));
  BOOST_TEST(plan.scale == 0.25);
  BOOST_TEST(
      (plan.lagging == sums{{worker(2), {old_attempt, "sum"}}, {worker(4), {old_attempt, "sum"}}}));
}

BOOST_AUTO_TEST_CASE(a_stage_that_cannot_make_the_committed_step_is_named) {
  const auto lost = succeed({{worker(1), committed(0, 8)}, {worker(2), at(1, 7)}}, 2, 4);
  BOOST_TEST((lost.what == verdict::behind));
  BOOST_TEST((lost.stage == stage_id{1}));
  const auto older = succeed({{worker(1), committed(0, 8)}, {worker(2), reduced(1, 6)}}, 2, 4);
  BOOST_TEST((older.what == verdict::behind));
  const attempt_id other{term_id{7}, round_id{3}};
  const auto another =
      succeed({{worker(1), committed(0, 8)}, {worker(2), reduced(1, 7, "sum", other)}}, 2, 5);
  BOOST_TEST((another.what == verdict::behind));
  // With every microbatch in both, the sums are one.
  const auto same =
      succeed({{worker(1), committed(0, 8)}, {worker(2), reduced(1, 7, "sum", other)}}, 2, 4);
  BOOST_TEST((same.what == verdict::finish));
  BOOST_TEST((same.lagging == sums{{worker(2), {other, "sum"}}}));
}

BOOST_AUTO_TEST_CASE(a_step_that_every_stage_has_reduced_is_committed) {
  const auto plan = succeed(
      {{worker(1), reduced(0, 7, "a")}, {worker(2), reduced(1, 7, "b")}, {worker(3), at(1, 7)}}, 2,
      4);
  BOOST_TEST((plan.what == verdict::commit));
  BOOST_TEST((plan.weights.version == step_id{7}));
  BOOST_TEST(plan.squared_norm == 3.0);
  BOOST_TEST(plan.counted == 4U);
  BOOST_TEST(
      (plan.lagging == sums{{worker(1), {old_attempt, "a"}}, {worker(2), {old_attempt, "b"}}}));
}

BOOST_AUTO_TEST_CASE(sums_that_differ_or_do_not_go_together_are_gathered_again) {
  const auto differ = succeed({{worker(1), reduced(0, 7, "a")},
                               {worker(2), reduced(1, 7, "b")},
                               {worker(3), reduced(1, 7, "c")}},
                              2, 4);
  BOOST_TEST((differ.what == verdict::begin));
  // Another coordinator may have dropped other microbatches.
  const attempt_id other{term_id{7}, round_id{3}};
  const auto mixed =
      succeed({{worker(1), reduced(0, 7, "a")}, {worker(2), reduced(1, 7, "b", other)}}, 2, 5);
  BOOST_TEST((mixed.what == verdict::begin));
  const auto whole =
      succeed({{worker(1), reduced(0, 7, "a")}, {worker(2), reduced(1, 7, "b", other)}}, 2, 4);
  BOOST_TEST((whole.what == verdict::commit));
  BOOST_TEST((whole.lagging == sums{{worker(1), {old_attempt, "a"}}, {worker(2), {other, "b"}}}));
}

BOOST_AUTO_TEST_CASE(each_stage_has_its_own_attempt) {
  // One coordinator: what it had dropped when five were left is the same at both stages.
  const attempt_id later{old_attempt.term, old_attempt.round.next()};
  const auto plan =
      succeed({{worker(1), reduced(0, 7, "a")}, {worker(2), reduced(1, 7, "b", later)}}, 2, 5);
  BOOST_TEST((plan.what == verdict::commit));
  BOOST_TEST((plan.lagging == sums{{worker(1), {old_attempt, "a"}}, {worker(2), {later, "b"}}}));
  const auto finished =
      succeed({{worker(1), committed(0, 8)}, {worker(2), reduced(1, 7, "b", later)}}, 2, 5);
  BOOST_TEST((finished.what == verdict::finish));
  BOOST_TEST((finished.lagging == sums{{worker(2), {later, "b"}}}));
}

BOOST_AUTO_TEST_CASE(a_successor_that_begins_knows_the_commit_before_and_who_lacks_it) {
  const auto plan = succeed({{worker(1), committed(0, 7)},
                             {worker(2), reduced(0, 6)},
                             {worker(3), committed(1, 7)},
                             {worker(4), reduced(1, 6, "sum", {term_id{1}, round_id{1}})},
                             {worker(5), reduced(1, 5)}},
                            2, 4);
  BOOST_TEST((plan.what == verdict::begin));
  BOOST_TEST((plan.weights.version == step_id{7}));
  BOOST_TEST((plan.made_by.at(stage_id{0}).attempt == old_attempt));
  BOOST_TEST(plan.scale == 0.25);
  BOOST_TEST(plan.counted == 4U);
  BOOST_TEST((plan.lagging == sums{{worker(2), {old_attempt, "sum"}}}));
}

BOOST_AUTO_TEST_CASE(a_commit_that_nobody_remembers_is_nobodys_to_repeat) {
  const auto plan = succeed({{worker(1), at(0, 7)}, {worker(2), reduced(0, 6)}}, 1, 4);
  BOOST_TEST((plan.what == verdict::begin));
  BOOST_TEST(plan.made_by.empty());
  BOOST_TEST(plan.lagging.empty());
}

BOOST_AUTO_TEST_CASE(who_went_on_after_it_counted_as_dead_does_not_keep_a_commit_from_its_stage) {
  const auto plan = succeed({{worker(1), committed(0, 8)},
                             {worker(2), reduced(1, 7, "a")},
                             {worker(3), reduced(1, 7, "b")},
                             {worker(4), reduced(1, 7, "b")}},
                            2, 4);
  BOOST_TEST((plan.what == verdict::finish));
  BOOST_TEST(
      (plan.lagging == sums{{worker(3), {old_attempt, "b"}}, {worker(4), {old_attempt, "b"}}}));
  const auto undecided = succeed({{worker(1), committed(0, 8)},
                                  {worker(2), reduced(1, 7, "a")},
                                  {worker(3), reduced(1, 7, "b")}},
                                 2, 4);
  BOOST_TEST((undecided.what == verdict::behind));
}

BOOST_AUTO_TEST_CASE(who_has_another_sum_than_was_committed_does_not_lack_only_the_commit) {
  auto made = committed(0, 7);
  made.committed_hash = "b";
  const auto plan = succeed(
      {{worker(1), made}, {worker(2), reduced(0, 6, "a")}, {worker(3), reduced(0, 6, "b")}}, 1, 4);
  BOOST_TEST((plan.what == verdict::begin));
  BOOST_TEST((plan.lagging == sums{{worker(3), {old_attempt, "b"}}}));
}

BOOST_AUTO_TEST_CASE(a_stage_that_missed_that_the_run_went_back_is_behind_whatever_its_version) {
  auto restored = at(0, 5);
  restored.weights.history = history_id{9};
  const auto plan = succeed({{worker(1), restored}, {worker(2), at(1, 8)}}, 2, 4);
  BOOST_TEST((plan.what == verdict::behind));
  BOOST_TEST((plan.stage == stage_id{1}));
  BOOST_TEST((plan.weights == restored.weights));
  // Nor does its sum go with theirs.
  auto next = committed(0, 6);
  next.weights.history = history_id{9};
  BOOST_TEST(
      (succeed({{worker(1), next}, {worker(2), reduced(1, 5)}}, 2, 4).what == verdict::behind));
}

BOOST_AUTO_TEST_CASE(who_stands_in_an_earlier_history_changes_nothing_beside_others_of_its_stage) {
  auto restored = at(0, 5);
  restored.weights.history = history_id{9};
  auto other = at(1, 5);
  other.weights.history = history_id{9};
  const auto plan =
      succeed({{worker(1), restored}, {worker(2), other}, {worker(3), at(1, 8)}}, 2, 4);
  BOOST_TEST((plan.what == verdict::begin));
  BOOST_TEST((plan.weights == restored.weights));
}
