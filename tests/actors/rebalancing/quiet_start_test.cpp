// A swarm that is balanced, from its first second on: its rates come from the meters of workers
// that have just begun, and each peer asks its own policy, as in production.

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <memory>
#include <string>
#include <vector>

#include "actors/call_work.hpp"
#include "actors/random.hpp"
#include "actors/rebalancing/policy.hpp"
#include "actors/stage/rate_meter.hpp"

using namespace swarm;
using namespace swarm::rebalancing;

namespace {

struct course {
  int stages = 2;
  int peers = 2;               ///< of each stage
  double forward_s = 0.1;      ///< of one microbatch
  int microbatches = 2;        ///< of one worker in one step
  double first_steps = 2.5;    ///< so many times as long as later ones take the first two
  double idle_s = 0.5;         ///< of one worker in one step
  double noise = 0.3;          ///< a call takes up to this share more or less
  double unequal_warming = 3;  ///< and the first steps of some workers up to so many times more
  double comes_late_s = 0;     ///< the last worker of the last stage
  int extra = 0;               ///< workers that the first stage has more
};

/// One worker: forwards, then backwards, then waits for the step's end.
class fake_worker {
 public:
  fake_worker(const course& run, worker_id id, stage_id stage, double begins_s, uint64_t seed)
      : run_(run), random_(seed), at_(begins_s), begins_(begins_s) {
    record.id = id;
    record.stage = stage;
    warming_ = run.first_steps * (1 + (run.unequal_warming - 1) * random_.unit());
  }

  void work_until(double now_s) {
    record.state = now_s < begins_ ? worker_state::joining : worker_state::serving;
    while (true) {
      const auto forwards = run_.microbatches;
      const bool forward = done_ < forwards;
      const double units = forward ? forward_work : backward_work;
      // The device's own ratio is not the one that the meter assumes.
      double takes = run_.forward_s * (forward ? 1 : 2) * (1 + run_.noise * (2 * draw_ - 1));
      if (step_ < 2) takes *= warming_;
      if (now_s < at_ + takes) return;
      meter_.begin(at_);
      at_ += takes;
      meter_.end(at_, units);
      draw_ = random_.unit();
      if (++done_ < 2 * forwards) continue;
      done_ = 0;
      ++step_;
      at_ += run_.idle_s;
      meter_.step_over();
    }
  }

  void announce() { record.microbatches_per_second = meter_.rate(); }

  worker_record record;

 private:
  const course& run_;
  splitmix64 random_;
  stage::rate_meter meter_;
  double at_;
  double begins_;
  double warming_ = 1;
  double draw_ = 0.5;
  int done_ = 0;
  int step_ = 0;
};

/// How often somebody wished for a move in `hours` hours. Nobody is granted one.
size_t wishes(const course& run, double hours, uint64_t seed) {
  splitmix64 random{seed};
  std::vector<std::unique_ptr<fake_worker>> workers;
  std::vector<std::unique_ptr<rebalance_policy>> policies;
  swarm_view view;
  for (int s = 0; s < run.stages; ++s) {
    view.stages.push_back({1, 113e6 * 12});
    for (int p = 0; p < run.peers + (s == 0 ? run.extra : 0); ++p) {
      const bool last = s + 1 == run.stages && p + 1 == run.peers;
      // A later stage begins when the first one has something for it.
      const double begins = 3 * s * run.forward_s + (last ? run.comes_late_s : 0);
      const worker_id id{peer_id{workers.size() + 1}, incarnation_id{1}};
      workers.push_back(std::make_unique<fake_worker>(run, id, stage_id{s}, begins, random.next()));
      policies.push_back(make_policy(policy_kind::throughput, random.next()));
    }
  }
  size_t count = 0;
  for (int second = 0; second < static_cast<int>(3600 * hours); ++second) {
    view.workers.clear();
    for (size_t i = 0; i < workers.size(); ++i) {
      workers[i]->work_until(second);
      if ((second + static_cast<int>(i)) % 10 == 0) workers[i]->announce();
      view.workers.push_back(workers[i]->record);
    }
    for (size_t i = 0; i < workers.size(); ++i)
      if (policies[i]->decide(view, workers[i]->record.id, seconds{second * 1.0})) ++count;
  }
  return count;
}

void check_still(const std::string& what, const course& run, double hours = 1) {
  for (uint64_t seed = 1; seed <= 20; ++seed)
    BOOST_TEST(wishes(run, hours, seed) == 0U, what << ", seed " << seed);
}

}  // namespace

BOOST_AUTO_TEST_CASE(nobody_moves_while_the_rates_of_a_balanced_swarm_are_first_measured) {
  check_still("two stages of two", {});
  course four;
  four.stages = four.peers = 4;
  check_still("four stages of four", four);
  course many;
  many.stages = 2;
  many.peers = 25;
  check_still("two stages of 25", many, 0.5);
}

BOOST_AUTO_TEST_CASE(nobody_moves_while_the_first_steps_of_large_stages_take_minutes) {
  course large;
  large.forward_s = 6;
  large.idle_s = 20;
  check_still("calls of 6 s", large, 4);
  large.peers = 4;
  large.microbatches = 8;
  check_still("calls of 6 s, eight a step", large, 4);
}

BOOST_AUTO_TEST_CASE(nobody_moves_for_a_peer_that_has_not_been_measured_yet) {
  course late;
  late.comes_late_s = 600;
  late.peers = 3;
  check_still("one comes late", late);
}

BOOST_AUTO_TEST_CASE(nobody_moves_for_calls_that_take_now_half_and_now_twice_as_long) {
  course noisy;
  noisy.noise = 0.8;
  noisy.first_steps = noisy.unequal_warming = 1;
  check_still("noise", noisy);
  noisy.peers = 8;
  check_still("noise, eight peers", noisy);
}

BOOST_AUTO_TEST_CASE(a_swarm_that_is_not_balanced_is_told_so_as_soon_as_it_is_measured) {
  course uneven;
  uneven.peers = 2;
  uneven.extra = 4;
  for (uint64_t seed = 1; seed <= 20; ++seed)
    BOOST_TEST(wishes(uneven, 0.1, seed) > 0U, "seed " << seed);
}
