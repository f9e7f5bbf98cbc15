#include "actors/training/stage_round.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

using namespace swarm;
using namespace swarm::training;

namespace {

using phase = stage_round::phase;

worker_id worker(uint64_t peer) {
  return {peer_id{peer}, incarnation_id{0}};
}

const stage_result sum{"a", 1.0};

/// Two members, of which the first holds the only microbatch, brought to a phase.
stage_round in(phase which) {
  stage_round result{1};
  if (which == phase::computing) return result;
  result.open_gather(round_id{1}, {worker(1), worker(2)});
  if (which == phase::gathering) return result;
  result.report(worker(1), round_id{1}, {1});
  result.report(worker(2), round_id{1}, {});
  result.reconcile({});
  if (which == phase::reducing) return result;
  result.reduced(worker(1), round_id{1}, sum);
  result.reduced(worker(2), round_id{1}, sum);
  return result;
}

struct row {
  std::string event;
  std::function<void(stage_round&)> happens;
  std::vector<phase> then;   ///< by the phase it happens in
  std::vector<bool> failed;  ///< the same
};

constexpr phase computing = phase::computing;
constexpr phase gathering = phase::gathering;
constexpr phase reducing = phase::reducing;
constexpr phase reduced = phase::reduced;

const std::vector<row>& table() {
  static const std::vector<row> rows{
      {"open_gather",
       [](stage_round& r) { r.open_gather(r.round().next(), {worker(1)}); },
       {gathering, gathering, gathering, gathering},
       {false, false, false, false}},
      {"ask_too",
       [](stage_round& r) { BOOST_TEST(r.ask_too(worker(3)) == (r.now() == gathering)); },
       {computing, gathering, reducing, reduced},
       {false, false, false, false}},
      {"report",
       [](stage_round& r) { BOOST_TEST(r.report(worker(1), round_id{1}, {})); },
       {computing, gathering, reducing, reduced},
       {false, false, false, false}},
      {"a report of another round",
       [](stage_round& r) { BOOST_TEST(r.report(worker(1), round_id{9}, {2})); },
       {computing, gathering, reducing, reduced},
       {false, false, false, false}},
      {"a member lost",
       [](stage_round& r) { r.lost(worker(2)); },
       {computing, gathering, reducing, reduced},
       {false, false, true, false}},
      {"all members lost",
       [](stage_round& r) { r.lost(worker(1)), r.lost(worker(2)); },
       {computing, gathering, reducing, reduced},
       {false, false, true, true}},
      {"a stranger lost",
       [](stage_round& r) { r.lost(worker(3)); },
       {computing, gathering, reducing, reduced},
       {false, false, false, false}},
      {"a result",
       [](stage_round& r) { BOOST_TEST(r.reduced(worker(1), round_id{1}, sum)); },
       {computing, gathering, reducing, reduced},
       {false, false, false, false}},
      {"both results",
       [](stage_round& r) {
         r.reduced(worker(1), round_id{1}, sum), r.reduced(worker(2), round_id{1}, sum);
       },
       {computing, gathering, reduced, reduced},
       {false, false, false, false}},
      {"results that differ",
       [](stage_round& r) {
         r.reduced(worker(1), round_id{1}, sum), r.reduced(worker(2), round_id{1}, {"b", 1.0});
       },
       {computing, gathering, reducing, reduced},
       {false, false, true, false}},
      {"a result that is not finite",
       [](stage_round& r) {
         r.reduced(worker(1), round_id{1}, {"a", std::nan("")});
       },
       {computing, gathering, reducing, reduced},
       {false, false, true, false}},
      {"a result of another round",
       [](stage_round& r) {
         BOOST_TEST(r.reduced(worker(1), round_id{9}, {"b", 2.0}));
       },
       {computing, gathering, reducing, reduced},
       {false, false, false, false}},
      {"reopen",
       [](stage_round& r) { r.reopen(); },
       {computing, gathering, reducing, reduced},
       {false, false, true, true}},
  };
  return rows;
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_event_in_every_phase) {
  for (const auto& row : table()) {
    for (const auto from : {computing, gathering, reducing, reduced}) {
      const auto index = static_cast<size_t>(from);
      auto round = in(from);
      row.happens(round);
      BOOST_TEST((round.now() == row.then[index]), row.event << " in phase " << index);
      BOOST_TEST(round.failed() == row.failed[index], row.event << " in phase " << index);
    }
  }
}

BOOST_AUTO_TEST_CASE(reports_that_go_together_are_clean) {
  auto round = in(gathering);
  BOOST_TEST(!round.gathered());
  round.report(worker(1), round_id{1}, {1});
  round.lost(worker(2));
  BOOST_TEST(round.gathered());
  BOOST_TEST((round.reconcile({}).what == stage_round::verdict::clean));
  BOOST_TEST((round.members() == std::vector<worker_id>{worker(1)}));
  BOOST_TEST(round.holds(microbatch_id{0}));
}

BOOST_AUTO_TEST_CASE(what_nobody_holds_is_lacking) {
  auto round = in(gathering);
  round.report(worker(1), round_id{1}, {});
  round.report(worker(2), round_id{1}, {});
  const auto found = round.reconcile({});
  BOOST_TEST((found.what == stage_round::verdict::rework));
  BOOST_TEST((found.lacking == std::vector<int64_t>{0}));
  BOOST_TEST((round.now() == computing));
}

BOOST_AUTO_TEST_CASE(nobody_at_all_leaves_the_gather_open) {
  auto round = in(gathering);
  round.lost(worker(1));
  round.lost(worker(2));
  BOOST_TEST((round.reconcile({}).what == stage_round::verdict::empty));
  BOOST_TEST(round.gathered());
}

BOOST_AUTO_TEST_CASE(a_sum_is_a_fact_until_nobody_has_it) {
  auto round = in(reduced);
  round.lost(worker(2));
  BOOST_TEST(!round.failed());
  BOOST_TEST((round.result() == sum));
  round.lost(worker(1));
  BOOST_TEST(round.failed());
}

namespace {

/// Three members of which each holds one microbatch, reducing, and able to go on after a death.
stage_round repairing() {
  stage_round round{3};
  round.open_gather(round_id{1}, {worker(1), worker(2), worker(3)});
  for (uint8_t i = 0; i < 3; ++i)
    round.report(worker(i + 1U), round_id{1}, {static_cast<uint8_t>(1 << i)});
  round.reconcile({});
  return round;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_death_in_the_all_reduce_is_repaired) {
  auto round = repairing();
  round.lost(worker(2));
  BOOST_TEST(!round.failed());
  BOOST_TEST((round.now() == phase::reducing));
  BOOST_TEST(round.repair().revision() == 1U);
  const auto tasks = round.take_tasks();
  BOOST_REQUIRE(tasks.size() == 1U);
  BOOST_TEST(tasks[0].microbatch.value() == 1);
  round.lost(worker(2));
  BOOST_TEST(round.repair().revision() == 1U);
  // What the lost one says does not count any more.
  BOOST_TEST(round.reduced(worker(2), round_id{1}, {"b", 1.0}));
  BOOST_TEST(round.reduced(worker(1), round_id{1}, sum));
  BOOST_TEST((round.now() == phase::reducing));
  BOOST_TEST(round.reduced(worker(3), round_id{1}, sum));
  BOOST_TEST((round.now() == phase::reduced));
  round.check_law({});
}

BOOST_AUTO_TEST_CASE(the_last_that_was_waited_for_may_die) {
  auto round = repairing();
  round.reduced(worker(1), round_id{1}, sum);
  round.reduced(worker(2), round_id{1}, sum);
  round.lost(worker(3));
  BOOST_TEST((round.now() == phase::reduced));
  BOOST_TEST(!round.failed());
}

BOOST_AUTO_TEST_CASE(what_cannot_be_repaired_begins_again) {
  auto round = repairing();
  round.lost(worker(2));
  round.lost(worker(3));
  BOOST_TEST(round.failed());
}
