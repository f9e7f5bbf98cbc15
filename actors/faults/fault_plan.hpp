#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "actors/faults/fault_class.hpp"

/// Which faults hit whom, when and for how long: drawn from a seed and declared rates, before
/// anything runs. Who carries them out: subject.hpp for peers, conditions.hpp for links, the
/// simulator for its own network.
namespace swarm::faults {

struct time_range {
  std::chrono::nanoseconds min{0};
  std::chrono::nanoseconds max{0};
};

struct number_range {
  double min = 1;
  double max = 1;
};

/// Subjects that belong to no stage (trainers) have this one.
inline constexpr uint32_t no_stage = UINT32_MAX;
/// Expected in one plan.
inline constexpr double planned_faults_max = 1e6;

/// How often one class happens in the whole swarm (Poisson), and how long it lasts: until the peer
/// is back, thawed, at full speed, the path whole, the device well. Not for the classes of messages
/// and calls: conditions has rates for those.
struct fault_rate {
  fault_class kind = fault_class::kill;
  double per_hour = 0;
  time_range lasts;
};

struct plan_options {
  uint64_t seed = 0;
  /// Everything has begun and ended by then.
  std::chrono::nanoseconds duration{0};
  std::vector<uint32_t> stage_of;  ///< by subject
  std::vector<fault_rate> rates;
  number_range slowness{2, 50};       ///< of slow, drawn evenly on a logarithmic scale
  number_range mass_share{0.3, 0.7};  ///< of those present, in a mass leave
  time_range flapping_period{std::chrono::seconds{1}, std::chrono::seconds{10}};
};

struct planned_fault {
  fault_class kind = fault_class::kill;
  std::chrono::nanoseconds begins{0};
  std::chrono::nanoseconds ends{0};
  /// Who is hit, ascending. Of a partition: one side; of a one-way one, a half-open connection and
  /// a clogged path: those whose messages to the others suffer.
  std::vector<size_t> subjects;
  std::vector<size_t> others;          ///< of partitions and paths: the other side
  double factor = 1;                   ///< of slow
  std::chrono::nanoseconds period{0};  ///< of flapping: cut in the first half, whole in the second
  uint64_t seed = 0;                   ///< for what else is to be drawn
};

using fault_plan = std::vector<planned_fault>;

/// A sentence about what is wrong with the options; null when they are fine.
const char* complaint(const plan_options& options);

/// In order of their beginnings. The same options give the same plan. No subject is absent (killed,
/// restarting, left) twice at a time, nor frozen, slow or under one device fault twice; a fault
/// that would hit nobody else is left out. Throws std::invalid_argument naming the complaint.
fault_plan make_plan(const plan_options& options);

/// A fault that begins or ends; flapping ones do so once per period.
struct plan_event {
  std::chrono::nanoseconds at{0};
  size_t fault = 0;  ///< index in the plan
  bool on = true;
};

/// In order of time; what ends comes before what begins.
std::vector<plan_event> timeline(const fault_plan& plan);

/// Adds one per fault to its class.
void count(const fault_plan& plan, fault_counts& into);

}  // namespace swarm::faults
