#include "tests/sim/recovery.hpp"

#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "actors/random.hpp"
#include "tests/sim/models.hpp"

namespace swarm::campaign {

namespace {

using simulation::engine_event;

constexpr int64_t stages = 3;
constexpr int64_t microbatches = 12;
constexpr double run_s = 6;
/// The swarm is under way by then, and comes to rest before the run ends.
constexpr double earliest_s = 1;
constexpr double latest_s = 3;
constexpr double absent_s = 2;

simulation::scenario swarm_of(const recovery_options& options, int64_t workers) {
  std::ostringstream text;
  text << R"({"stages": )" << stages << R"(, "workers_per_stage": )" << workers
       << R"(, "trainers": )" << options.trainers << R"(, "microbatches": )" << microbatches
       << R"(, "in_flight": [2, 6], "fault_s": )" << run_s
       << R"(, "network": {"latency_ms": [0.5, 5]})"
       << R"(, "compute": {"forward_ms": [4, 16], "saved_bytes": )" << options.saved_bytes << "}}";
  std::string complaint;
  auto result = simulation::parse_scenario("recovery", text.str(), complaint);
  if (!result) throw std::logic_error(complaint);
  return *result;
}

/// Counts what the engines do.
class counter {
 public:
  counter(size_t victim, int32_t stage) : victim_(victim), stage_(stage) {}

  void die(double time_s) { death_s_ = time_s; }

  void see(const simulation::observed_work& work) {
    const auto& e = work.event;
    const bool of_the_dead = work.member == victim_ && !death_s_;
    if (e.kind == engine_event::what::applied) {
      if (of_the_dead) {
        held_.clear();
        forwarded_.clear();
      }
      if (death_s_ && recover_s_ == 0) recover_s_ = work.time_s - *death_s_;
      return;
    }
    if (e.kind == engine_event::what::forward) {
      ++forwards_[{work.stage, e.key.step}];
      if (of_the_dead) forwarded_.insert(e.key.index);
    } else if (e.kind == engine_event::what::backward || e.kind == engine_event::what::loss) {
      ++gradients_[{work.stage, e.key.step}];
      if (!of_the_dead) return;
      forwarded_.insert(e.key.index);
      if (e.weight > 0) held_.insert(e.key.index);
    }
  }

  void report(int64_t committed, recovery_record& into) const {
    into.held = held_.size();
    into.forwarded = forwarded_.size();
    into.recover_s = recover_s_;
    for (const auto& [where, count] : gradients_)
      if (where.second < committed)
        (where.first == stage_ ? into.gradients_there : into.gradients_elsewhere) += again(count);
    for (const auto& [where, count] : forwards_)
      if (where.second < committed)
        (where.first == stage_ ? into.forwards_there : into.forwards_elsewhere) += again(count);
  }

 private:
  static uint64_t again(int64_t count) {
    return count > microbatches ? static_cast<uint64_t>(count - microbatches) : 0;
  }

  size_t victim_;
  int32_t stage_;
  std::optional<double> death_s_;
  double recover_s_ = 0;
  std::set<int64_t> held_;
  std::set<int64_t> forwarded_;
  std::map<std::pair<int32_t, int64_t>, int64_t> gradients_;  ///< by stage and step
  std::map<std::pair<int32_t, int64_t>, int64_t> forwards_;
};

std::chrono::nanoseconds from_seconds(double seconds) {
  return std::chrono::nanoseconds{static_cast<int64_t>(seconds * 1e9)};
}

}  // namespace

bool recovery_record::bounded_there() const {
  return gradients_there <= held && forwards_there <= forwarded;
}

bool recovery_record::bounded_elsewhere(bool saved) const {
  const auto stages_elsewhere = saved ? 0 : static_cast<uint64_t>(stages - 1);
  return gradients_elsewhere <= forwarded * stages_elsewhere &&
         forwards_elsewhere <= forwarded * stages_elsewhere;
}

recovery_record measure_recovery(const recovery_options& options) {
  splitmix64 random{options.seed * 2 + 1};
  const auto workers = static_cast<int64_t>(2 + random.below(2));
  const auto victim = random.below(static_cast<size_t>(stages * workers));
  const double death_s = earliest_s + (latest_s - earliest_s) * random.unit();
  recovery_record record;
  record.stage = static_cast<int32_t>(victim) / static_cast<int32_t>(workers);

  simulation::run_options run;
  faults::planned_fault kill;
  kill.kind = faults::fault_class::kill;
  kill.begins = from_seconds(death_s);
  kill.ends = from_seconds(death_s + absent_s);
  kill.subjects = {victim};
  run.faults.push_back(kill);
  counter count{victim, record.stage};
  run.observe = [&](const simulation::observed_work& work) { count.see(work); };
  run.struck = [&](const std::string&, double time_s) {
    record.killed = true;
    count.die(time_s);
  };

  record.run = run_one(swarm_of(options, workers), options.seed, models(), run);
  count.report(record.run.result.version, record);
  return record;
}

}  // namespace swarm::campaign
