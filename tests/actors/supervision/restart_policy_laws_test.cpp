#include <boost/test/unit_test.hpp>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include "actors/supervision/restart_policy.hpp"

// Random lives of random families; the laws are checked after every action.

namespace {

using namespace swarm::supervision;
using std::chrono::milliseconds;

class random_family {
 public:
  explicit random_family(std::uint64_t seed)
      : generator_(seed), options_(random_options()), policy_(options_, std::mt19937_64{seed}) {
    const auto count = 1 + pick(6);
    for (std::uint64_t i = 0; i < count; ++i)
      add();
  }

  void live() {
    for (int i = 0; i < 300 && !finished_; ++i) {
      happen();
      now_ += milliseconds{pick(400)};
      run();
    }
    policy_.close();
    run();
    // Whatever hangs, hangs until killed: a kill ends it here.
    for (int i = 0; i < 100 && !finished_; ++i) {
      if (const auto wakeup = policy_.next_wakeup()) now_ = std::max(now_, *wakeup);
      run();
      end_somebody(killed_);
    }
    BOOST_TEST(finished_);
    BOOST_TEST(alive_.empty());
  }

  std::uint64_t starts() const { return starts_; }
  std::uint64_t escalations() const { return escalated_ ? 1 : 0; }

 private:
  std::uint64_t pick(std::uint64_t below) { return generator_() % below; }

  double share(std::uint64_t below) { return static_cast<double>(pick(below)); }

  policy_options random_options() {
    policy_options o;
    o.strategy = static_cast<restart_strategy>(pick(3));
    o.intensity = static_cast<std::uint32_t>(pick(30));
    o.period = milliseconds{1 + pick(20'000)};
    o.backoff = {milliseconds{pick(200)}, milliseconds{200 + pick(2'000)}, 1.0 + 0.1 * share(20),
                 0.1 * share(10), milliseconds{pick(5'000)}};
    return o;
  }

  void add() {
    const auto type = static_cast<restart_type>(pick(3));
    types_[policy_.add(type, milliseconds{pick(1'000)})] = type;
  }

  std::optional<child_key> any_of(const std::set<child_key>& keys) {
    if (keys.empty()) return std::nullopt;
    return *std::next(keys.begin(), static_cast<std::ptrdiff_t>(pick(keys.size())));
  }

  void end_somebody(const std::set<child_key>& among) {
    const auto key = any_of(among);
    if (!key) return;
    alive_.erase(*key);
    told_.erase(*key);
    killed_.erase(*key);
    note(policy_.exited(*key, pick(3) == 0 ? exit_kind::clean : exit_kind::failed, now_));
    run();
  }

  void happen() {
    const auto dice = pick(20);
    if (dice < 8) end_somebody(told_);
    if (dice >= 8 && dice < 14) end_somebody(alive_);
    if (policy_.closing()) return;
    std::set<child_key> known;
    for (const auto& [key, type] : types_)
      if (policy_.knows(key)) known.insert(key);
    const auto key = any_of(known);
    if (dice == 14 && key) policy_.terminate(*key);
    if (dice == 15 && key) policy_.restart(*key, now_);
    if (dice == 16) add();
  }

  void note(const verdict& v) {
    if (v.what == verdict::kind::escalate) escalated_ = true;
    if (v.what != verdict::kind::restart) return;
    BOOST_TEST((v.delay >= options_.backoff.min && v.delay <= options_.backoff.max));
    restarts_.push_back(now_);
    while (now_ - restarts_.front() > options_.period)
      restarts_.pop_front();
    BOOST_TEST(restarts_.size() <= options_.intensity, "more restarts than the intensity");
  }

  void run() {
    while (auto action = policy_.next(now_)) {
      using kind = policy_action::kind;
      const auto key = action->child;
      if (action->what == kind::start) on_start(key);
      if (action->what == kind::stop) on_stop(key);
      if (action->what == kind::kill) {
        BOOST_TEST(told_.count(key) == 1u, "killed without having been asked");
        killed_.insert(key);
      }
      if (action->what == kind::finish) {
        BOOST_TEST(alive_.empty(), "finished with children alive");
        finished_ = true;
        return;
      }
    }
    if (const auto wakeup = policy_.next_wakeup())
      BOOST_TEST((*wakeup > now_), "a wake-up in the past spins");
  }

  void on_start(child_key key) {
    BOOST_TEST(alive_.count(key) == 0u, "two live incarnations of one child");
    BOOST_TEST(!policy_.closing(), "a start after close");
    if (options_.strategy != restart_strategy::one_for_one)
      BOOST_TEST(told_.empty(), "a start while siblings of the old generation stop");
    ++starts_;
    if (pick(8) == 0) return note(policy_.start_failed(key, now_));
    alive_.insert(key);
    policy_.started(key, now_);
  }

  void on_stop(child_key key) {
    BOOST_TEST(alive_.count(key) == 1u, "only the living are stopped");
    if (options_.strategy != restart_strategy::one_for_one || policy_.closing())
      BOOST_TEST(told_.empty(), "one at a time");
    if (policy_.closing()) BOOST_TEST(*alive_.rbegin() == key, "not the last started first");
    told_.insert(key);
  }

  std::mt19937_64 generator_;
  policy_options options_;
  restart_policy policy_;
  monotonic_time now_{milliseconds{1}};
  std::map<child_key, restart_type> types_;
  std::set<child_key> alive_, told_, killed_;
  std::deque<monotonic_time> restarts_;
  std::uint64_t starts_ = 0;
  bool finished_ = false;
  bool escalated_ = false;
};

}  // namespace

BOOST_AUTO_TEST_CASE(the_laws_hold_for_random_families) {
  std::uint64_t starts = 0;
  std::uint64_t escalations = 0;
  constexpr std::uint64_t families = 1'500;
  for (std::uint64_t seed = 0; seed < families; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      random_family f{seed};
      f.live();
      starts += f.starts();
      escalations += f.escalations();
    }
  }
  // The run exercised both ends, else the laws would hold for lack of events.
  BOOST_TEST(starts > 20 * families);
  BOOST_TEST(escalations > families / 4);
  BOOST_TEST(escalations < families);
}
