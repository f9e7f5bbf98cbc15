#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <random>

#include "actors/training/step_ledger.hpp"
#include "tests/actors/training/ledger_rig.hpp"

namespace {

using namespace swarm;
using namespace swarm::training;

/// Workers of one step that the ledger only hears of, a few faults, and a seed that decides.
class random_step {
 public:
  explicit random_step(unsigned seed)
      : random_(seed),
        microbatches_(1 + below(20)),
        stages_(static_cast<int32_t>(1 + below(4))),
        ledger_(step_id{0}, microbatches_, stages_) {
    for (int32_t s = 0; s < stages_; ++s)
      for (int64_t i = 0; i <= below(3); ++i)
        workers_[worker(next_peer_++)] = stage_id{s};
  }

  /// What can be done now. True: the step may be committed.
  bool round() {
    done_before_ = done_by_;
    while (ledger_.waiting()) {
      const auto trainer =
          trainers_[static_cast<size_t>(below(static_cast<int64_t>(trainers_.size())))];
      if (auto item = ledger_.lease(trainer, 0)) work(*item, trainer);
    }
    if (fault(2)) kill(workers_.begin()->first);
    open_gather(ledger_, workers_);
    for (const auto& [id, stage] : workers_)
      ledger_.report(id, ledger_.round(stage), bits(held_[id]));
    if (reconcile(ledger_) == rework) forget_dropped();
    for (stage_id s{0}; s.value() < stages_; s = s.next()) {
      if (ledger_.now(s) != stage_round::phase::reducing) continue;
      if (fault(3)) kill(any_of(s.value()));
      for (const auto& id : ledger_.group(s))
        if (workers_.count(id) != 0) ledger_.reduced(id, ledger_.round(s), "hash", 1.0);
    }
    return ledger_.committable();
  }

 private:
  void forget_dropped() {
    for (stage_id s{0}; s.value() < stages_; s = s.next())
      for (const auto& id : std::vector<worker_id>{ledger_.to_drop(s)}) {
        held_[id].clear();
        ledger_.forgot(id);
      }
  }

  int64_t below(int64_t n) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(n)); }

  /// Restarted, with nothing saved.
  void lose(worker_id trainer) {
    ledger_.trainer_lost(trainer);
    std::replace(trainers_.begin(), trainers_.end(), trainer, worker(next_peer_++));
  }

  bool fault(int64_t one_in) {
    if (faults_left_ == 0 || below(one_in) != 0) return false;
    --faults_left_;
    return true;
  }

  worker_id any_of(int32_t stage) {
    std::vector<worker_id> found;
    for (const auto& [id, at] : workers_)
      if (at == stage_id{stage}) found.push_back(id);
    return found[static_cast<size_t>(below(static_cast<int64_t>(found.size())))];
  }

  /// Restarted, with nothing.
  void kill(worker_id id) {
    const auto stage = workers_.at(id);
    workers_.erase(id);
    held_.erase(id);
    workers_[worker(next_peer_++)] = stage;
    ledger_.worker_lost(id);
  }

  /// Law: a replay goes to the trainer that did the microbatch last, while that one lives and
  /// nobody has given it back.
  void work(const lease_item& item, worker_id trainer) {
    const int64_t m = item.microbatch.value();
    const auto last = done_before_.find(m);
    if (last != done_before_.end() &&
        std::find(trainers_.begin(), trainers_.end(), last->second) != trainers_.end())
      BOOST_TEST((last->second == trainer));
    if (fault(10)) {
      done_by_.erase(m);
      done_before_.erase(m);
      ledger_.settle(item.item, lease_outcome::returned, 0);
      return;
    }
    if (fault(20)) return lose(trainer);
    if (item.weight < 0) {
      held_[item.target].erase(m);
    } else {
      for (int32_t s = 0; s < stages_; ++s) {
        if ((item.stages >> s & 1) == 0) continue;
        held_[any_of(s)].insert(m);
        if (fault(10)) held_[any_of(s)].insert(m);  // counted, but the reply was lost
      }
    }
    const auto outcome = fault(40) ? lease_outcome::non_finite : lease_outcome::done;
    if (outcome == lease_outcome::done) {
      done_by_[m] = trainer;
    } else {
      done_by_.erase(m);
      done_before_.erase(m);
    }
    ledger_.settle(item.item, outcome, 1.0);
  }

  std::mt19937 random_;
  int64_t microbatches_;
  int32_t stages_;
  step_ledger ledger_;
  std::map<worker_id, stage_id> workers_;
  std::map<worker_id, std::set<int64_t>> held_;
  std::vector<worker_id> trainers_{trainer_a, trainer_b, worker(102)};
  std::map<int64_t, worker_id> done_by_;
  std::map<int64_t, worker_id> done_before_;  ///< when what waits was asked for
  uint64_t next_peer_ = 200;
  int faults_left_ = 6;
};

}  // namespace

/// Law: whatever the workers hold, whoever dies, the ledger reaches a commit, and there every stage
/// holds every microbatch exactly once (committable() aborts otherwise).
BOOST_AUTO_TEST_CASE(random_faults_always_end_in_a_lawful_commit) {
  for (unsigned seed = 0; seed < 500; ++seed) {
    random_step step{seed};
    bool done = false;
    for (int turn = 0; turn < 1000 && !done; ++turn)
      done = step.round();
    BOOST_TEST(done, "seed " << seed << " never committed");
  }
}

/// Another coordinator had only just begun it: with an item for each stage every microbatch would
/// go through all of them again and again.
BOOST_AUTO_TEST_CASE(what_all_stages_of_an_adopted_step_lack_goes_through_them_together) {
  step_ledger ledger{step_id{0}, 3, 2, step_ledger::beginning::adopted};
  open_gather(ledger, {{worker(1), stage_id{0}}, {worker(2), stage_id{1}}});
  BOOST_REQUIRE(ledger.report(worker(1), ledger.round(stage_id{0}), bits({0})));
  BOOST_TEST((ledger.reconcile(stage_id{0}) == rework));
  BOOST_TEST(ledger.waiting());
  BOOST_TEST(!ledger.lease(trainer_a, 0));
  BOOST_REQUIRE(ledger.report(worker(2), ledger.round(stage_id{1}), bits({})));
  BOOST_TEST((ledger.reconcile(stage_id{1}) == rework));
  std::map<microbatch_id, uint64_t> leased;
  while (const auto item = ledger.lease(trainer_a, 0))
    BOOST_TEST(leased.emplace(item->microbatch, item->stages).second);
  BOOST_TEST(leased.size() == 3U);
  BOOST_TEST(leased[microbatch_id{0}] == 2U);
  BOOST_TEST(leased[microbatch_id{1}] == 3U);
  BOOST_TEST(leased[microbatch_id{2}] == 3U);
}
