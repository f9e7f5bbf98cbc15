#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "actors/ids.hpp"
#include "actors/simulation/host_id.hpp"

namespace swarm::simulation {

/// What must hold in every run, whatever the faults.
enum class invariant_rule : uint8_t {
  exactly_once,     ///< weights are those of one process that made the same steps
  replicas_agree,   ///< workers of a stage at one version have one hash
  steps_only_grow,  ///< a term commits each step once and in order; a worker makes step t at
                    ///< version t
  ledger_balances,  ///< an assertion of the production code: leases, sets, the law of the commit
  queues_bounded,   ///< nobody's mailbox grows beyond the limit
  resumes,          ///< after the faults stop, a step commits within the bound
  shuts_down,       ///< everything ends within the bound when it is asked to
  stages_served,    ///< no granted move empties a stage; an empty one is served again in time
  bytes_planned     ///< a swarm of real size sends what its steps and deaths need, and a tenth more
};
inline constexpr size_t invariant_rules = 9;
const char* to_string(invariant_rule rule);

/// Of the planned bytes.
inline constexpr double sent_share_max = 1.1;

struct violation {
  invariant_rule rule = invariant_rule::exactly_once;
  std::string what;
  double time_s = 0;  ///< virtual
};

/// Of one run. Only the first few are kept: what follows a violation says little.
inline constexpr size_t violations_max = 8;

/// The checkers, fed with what the run's engines and actors do. No actors, no clock.
class invariants {
 public:
  /// The weights' hash of a stage at a version, by one process.
  using reference = std::function<std::string(stage_id, step_id)>;

  explicit invariants(reference expected) : expected_(std::move(expected)) {}

  /// An engine made an optimizer step, or loaded a
  /// state, and now stands at `version`.
  void stepped(host_id where, stage_id stage, step_id version, const std::string& hash,
               double time_s);

  /// An engine that stands at `version`, negative when nobody knows, makes optimizer step `step`.
  void applies(host_id where, int64_t version, int64_t step, double time_s);

  /// A coordinator has decided to commit `step` in `term`.
  void committed(term_id term, step_id step, double time_s);

  /// What all lines carried, and what mission_plan says for the run's steps and deaths.
  void sent(double bytes, double planned_bytes, double time_s);

  void queued(const std::string& whom, size_t messages, size_t limit, double time_s);

  void broken(invariant_rule rule, std::string what, double time_s);

  bool hold() const { return count_ == 0; }
  uint64_t count() const { return count_; }
  const std::vector<violation>& violations() const { return violations_; }

 private:
  reference expected_;
  std::map<std::pair<stage_id, step_id>, std::string> seen_;
  std::map<term_id, step_id> last_step_;
  std::vector<violation> violations_;
  uint64_t count_ = 0;
};

}  // namespace swarm::simulation
