#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actors/faults/fault_plan.hpp"
#include "actors/simulation/invariants.hpp"
#include "actors/simulation/message_size.hpp"
#include "actors/simulation/modelled_engine.hpp"
#include "actors/simulation/network_model.hpp"
#include "actors/simulation/observed_engine.hpp"
#include "actors/simulation/scenario.hpp"
#include "actors/training/trainer.hpp"
#include "tensors/engine/stage_engine.hpp"

namespace swarm::simulation {

/// After the faults have stopped, two steps are committed and every worker stands at the newest
/// version within this virtual time, or what the scenario says: an election, a lease that expires,
/// the time-outs of a round.
inline constexpr std::chrono::seconds resume_bound{120};
/// Everything has ended so long after it was asked to, virtual time.
inline constexpr std::chrono::seconds shutdown_bound{60};
/// Where there are backups, a stage that has lost everybody is served again within this virtual
/// time after the last fault, while somebody awake can lead and copies of all stages are awake: an
/// election, and rounds of questions that frozen peers do not answer (where everybody stands,
/// inventories, the order to go back).
inline constexpr std::chrono::seconds refill_bound{10};
/// Messages in one mailbox, frozen peers included.
inline constexpr size_t mailbox_messages_max = 4096;
/// Messages of one run: more means that somebody asks without end.
inline constexpr uint64_t run_messages_max = 20'000'000;

/// What is trained.
struct run_model {
  std::function<std::unique_ptr<tensors::stage_engine>(stage_id)> make_engine;
  training::microbatch_source source;
  /// The weights' hash of a stage at a version, by one process.
  invariants::reference expected;
  /// So that the state takes several chunks; the default fits a few numbers.
  uint64_t chunk_bytes = 24;
  /// Of a part of an all-reduce. 1: the few elements of a modelled gradient are as many parts.
  size_t part_elements = 1;
  contents_scale scale;
};

struct run_size {
  int32_t stages = 1;
  int64_t microbatches = 1;
  /// As a scenario with sizes draws it; its stage, stages and microbatches are filled in.
  std::optional<modelled_options> shape;
};

/// By the name that scenarios use.
using model_catalogue = std::map<std::string, std::function<run_model(const run_size&)>>;

/// The cost-model engine: virtual tensors, exact fingerprints.
run_model make_modelled(const run_size& size);
/// With these rows, context, width and sizes.
run_model make_modelled_of(const run_size& size, modelled_options shape);

/// A host as the caller wants it, instead of as the seed draws it.
struct host_shape {
  int32_t stage = -1;  ///< -1: a training peer
  moment forward{0};   ///< of its device; a backward takes twice, a loss three times as long
  moment apply{0};
  host_conditions line;
};

/// Work of the run's engines, from the first step on.
struct work_counts {
  uint64_t forwards = 0;
  uint64_t backwards = 0;  ///< loss calls of the last stage included
  uint64_t added = 0;      ///< of those: weight 1
  uint64_t needed = 0;     ///< microbatches times stages of the committed steps
};

/// A commit.
struct step_record {
  int64_t version = 0;
  bool first = true;                 ///< else the run had been here before it was taken back
  double time_s = 0;                 ///< virtual
  double reduce_began_s = -1;        ///< its first contribution was sent; negative: none
  std::vector<uint64_t> sums_bytes;  ///< of all-reduces, sent so far by the workers of each stage
  std::array<uint64_t, cargoes> bytes{};  ///< sent so far by everybody
};

struct run_result {
  std::string scenario;
  uint64_t seed = 0;
  std::vector<violation> violations;
  std::map<std::string, uint64_t> faults;  ///< injected, by class
  std::map<std::string, uint64_t> events;  ///< what the actors reported, by name
  std::vector<double> recovery_s;          ///< from a peer's or path's fault to the next commit
  double resume_s = 0;                     ///< from the end of all faults to the next commit
  int64_t version = 0;
  double virtual_s = 0;
  uint64_t messages = 0;
  uint64_t hash = 0;  ///< of all events
  size_t hosts = 0;
  /// How long stages were not served while they could be; counted anew with each fault.
  std::vector<double> empty_s;
  std::vector<double> steps_back;  ///< of each rescue
  uint64_t too_far_back = 0;       ///< rescues that went back more than `keep_every` steps
  work_counts work;
  std::vector<step_record> commits;
  std::vector<double> deaths_s;  ///< of processes: virtual seconds
  double faults_s = 0;           ///< for so long faults went on
  /// What each member's host has put on its line.
  std::vector<std::array<uint64_t, cargoes>> sent_bytes;

  uint64_t sent_total(cargo of) const;
  uint64_t faults_total() const;
};

/// Stage peers come first, stage by stage.
struct observed_work {
  size_t member = 0;
  int32_t stage = 0;
  double time_s = 0;  ///< virtual
  const engine_event& event;
};

struct run_options {
  /// Called with a line about everything that happens; for looking at one run.
  std::function<void(const std::string&)> trace;
  /// Called now and then with how far the run is; for whoever waits for a long one.
  std::function<void(double time_s, int64_t version, uint64_t messages)> progress;
  uint64_t messages_max = run_messages_max;
  size_t mailbox_max = mailbox_messages_max;
  /// Called with everything that an engine does.
  std::function<void(const observed_work&)> observe;
  /// Called when a fault has begun and was not left out.
  std::function<void(const std::string& what, double time_s)> struck;
  /// Stage peers, stage by stage, then training peers; empty: the scenario's.
  std::vector<host_shape> hosts;
  /// Of the trainers.
  wiring::policy_kind routing = wiring::default_policy;
  /// Beside the scenario's; to have ended when its faults have.
  faults::fault_plan faults;
};

/// Runs the production actors of one swarm on simulated hosts, as the scenario says and the seed
/// draws: trains under faults, lets the faults end, wants two more steps and everybody level,
/// shuts down. All invariants are checked all the time. The same scenario and seed give the same
/// hash. Precondition: the catalogue has the scenario's model.
run_result simulate(const scenario& what, uint64_t seed, const model_catalogue& models,
                    const run_options& options = {});

}  // namespace swarm::simulation
