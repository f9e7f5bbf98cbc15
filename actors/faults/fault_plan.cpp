#include "actors/faults/fault_plan.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <tuple>

#include "actors/random.hpp"

namespace swarm::faults {

namespace {

using std::chrono::nanoseconds;

/// Faults that must not overlap on one subject; paths may.
enum class family : uint8_t {
  absence,
  freeze,
  slow,
  not_finite,
  wrong_shape,
  out_of_memory,
  stall,
  path,
  unplanned
};

family family_of(fault_class kind) {
  switch (kind) {
    case fault_class::kill:
    case fault_class::restart_with_state:
    case fault_class::restart_without_state:
    case fault_class::leave:
    case fault_class::mass_leave:
    case fault_class::stage_loss:
      return family::absence;
    case fault_class::freeze:
      return family::freeze;
    case fault_class::slow:
      return family::slow;
    case fault_class::not_finite:
      return family::not_finite;
    case fault_class::wrong_shape:
      return family::wrong_shape;
    case fault_class::out_of_memory:
      return family::out_of_memory;
    case fault_class::stall:
      return family::stall;
    case fault_class::partition:
    case fault_class::one_way_partition:
    case fault_class::flapping_partition:
    case fault_class::half_open:
    case fault_class::clogged_path:
      return family::path;
    default:
      return family::unplanned;
  }
}

bool ordered(time_range range) {
  return range.min.count() >= 0 && range.min <= range.max;
}

/// Inclusive; the limits themselves included, whatever the rounding.
double drawn(number_range range, splitmix64& random) {
  return std::clamp(range.min + random.unit() * (range.max - range.min), range.min, range.max);
}

nanoseconds drawn(time_range range, splitmix64& random) {
  const auto width = static_cast<double>((range.max - range.min).count());
  const nanoseconds value = range.min + nanoseconds{static_cast<int64_t>(random.unit() * width)};
  return std::clamp(value, range.min, range.max);
}

double drawn_evenly_in_log(number_range range, splitmix64& random) {
  const double exponent = drawn({std::log(range.min), std::log(range.max)}, random);
  return std::clamp(std::exp(exponent), range.min, range.max);
}

/// The first `count` of them in random order, ascending.
std::vector<size_t> some_of(std::vector<size_t> all, size_t count, splitmix64& random) {
  for (size_t i = 0; i < count; ++i)
    std::swap(all[i], all[i + random.below(all.size() - i)]);
  all.resize(count);
  std::sort(all.begin(), all.end());
  return all;
}

/// Times and durations of one class; who is hit is decided when all classes are in order.
void draw_times(const plan_options& options, const fault_rate& rate, fault_plan& out) {
  constexpr double ns_per_hour = 3.6e12;
  if (rate.per_hour <= 0) return;
  // A generator per class: one class's rate does not shift the draws of another.
  splitmix64 random{
      splitmix64{options.seed ^ (uint64_t{0xfa01} + static_cast<uint64_t>(rate.kind))}.next()};
  const double mean_gap = ns_per_hour / rate.per_hour;
  const auto end = static_cast<double>(options.duration.count());
  double at = 0;
  while (true) {
    at += -std::log1p(-random.unit()) * mean_gap;
    if (!(at < end)) return;
    planned_fault fault;
    fault.kind = rate.kind;
    fault.begins = nanoseconds{static_cast<int64_t>(at)};
    fault.ends = std::min(fault.begins + drawn(rate.lasts, random), options.duration);
    fault.seed = random.next();
    out.push_back(std::move(fault));
  }
}

class drafter {
 public:
  explicit drafter(const plan_options& options) : options_(options) {
    for (auto& times : free_at_)
      times.assign(options.stage_of.size(), nanoseconds{0});
  }

  /// False: there is nobody to hit.
  bool choose_subjects(planned_fault& fault) {
    splitmix64 random{fault.seed};
    if (family_of(fault.kind) == family::path) {
      choose_path(fault, random);
      return true;
    }
    const auto candidates = free_subjects(fault);
    if (candidates.empty()) return false;
    if (fault.kind == fault_class::mass_leave) {
      const double share = drawn(options_.mass_share, random);
      const auto wanted = static_cast<double>(candidates.size()) * share;
      const auto count = std::max<size_t>(1, static_cast<size_t>(std::lround(wanted)));
      fault.subjects = some_of(candidates, count, random);
    } else if (fault.kind == fault_class::stage_loss) {
      fault.subjects = one_stage(candidates, random);
    } else {
      fault.subjects = some_of(candidates, 1, random);
    }
    if (fault.kind == fault_class::slow)
      fault.factor = drawn_evenly_in_log(options_.slowness, random);
    for (const auto subject : fault.subjects)
      free_at(fault)[subject] = fault.ends;
    return !fault.subjects.empty();
  }

 private:
  std::vector<nanoseconds>& free_at(const planned_fault& fault) {
    return free_at_[static_cast<size_t>(family_of(fault.kind))];
  }

  std::vector<size_t> free_subjects(const planned_fault& fault) {
    std::vector<size_t> result;
    for (size_t i = 0; i < options_.stage_of.size(); ++i)
      if (free_at(fault)[i] <= fault.begins) result.push_back(i);
    return result;
  }

  std::vector<size_t> everybody() const {
    std::vector<size_t> result(options_.stage_of.size());
    std::iota(result.begin(), result.end(), size_t{0});
    return result;
  }

  std::vector<size_t> one_stage(const std::vector<size_t>& candidates, splitmix64& random) const {
    std::vector<uint32_t> stages;
    for (const auto subject : candidates)
      if (options_.stage_of[subject] != no_stage) stages.push_back(options_.stage_of[subject]);
    std::sort(stages.begin(), stages.end());
    stages.erase(std::unique(stages.begin(), stages.end()), stages.end());
    std::vector<size_t> result;
    if (stages.empty()) return result;
    const auto stage = stages[random.below(stages.size())];
    for (const auto subject : candidates)
      if (options_.stage_of[subject] == stage) result.push_back(subject);
    return result;
  }

  void choose_path(planned_fault& fault, splitmix64& random) const {
    const auto all = everybody();
    if (fault.kind == fault_class::half_open || fault.kind == fault_class::clogged_path) {
      auto pair = some_of(all, 2, random);
      if (random.below(2) == 1) std::swap(pair[0], pair[1]);
      fault.subjects = {pair[0]};
      fault.others = {pair[1]};
      return;
    }
    fault.subjects = some_of(all, 1 + random.below(all.size() - 1), random);
    std::set_difference(all.begin(), all.end(), fault.subjects.begin(), fault.subjects.end(),
                        std::back_inserter(fault.others));
    if (fault.kind == fault_class::flapping_partition)
      fault.period = drawn(options_.flapping_period, random);
  }

  const plan_options& options_;
  std::array<std::vector<nanoseconds>, static_cast<size_t>(family::path)> free_at_;
};

}  // namespace

const char* complaint(const plan_options& options) {
  if (options.duration.count() < 0) return "The duration of a plan is negative.";
  if (options.stage_of.empty()) return "A plan needs subjects: list their stages.";
  const auto& slowness = options.slowness;
  if (!(slowness.min >= 1 && slowness.min <= slowness.max && std::isfinite(slowness.max)))
    return "Slowness is a range of factors of at least 1.";
  const auto& share = options.mass_share;
  if (!(share.min >= 0 && share.min <= share.max && share.max <= 1))
    return "The share of a mass leave is a range within [0, 1].";
  if (!ordered(options.flapping_period) || options.flapping_period.min.count() < 2)
    return "The period of a flapping partition is a range of at least 2 ns.";
  const bool staged = std::any_of(options.stage_of.begin(), options.stage_of.end(),
                                  [](uint32_t stage) { return stage != no_stage; });
  const double hours = std::chrono::duration<double, std::ratio<3600>>(options.duration).count();
  double expected = 0;
  for (const auto& rate : options.rates) {
    const auto kind = family_of(rate.kind);
    if (kind == family::unplanned) return "Faults of messages are not planned: use conditions.";
    if (!(rate.per_hour >= 0)) return "A rate is negative.";
    if (!ordered(rate.lasts)) return "A fault's duration is negative or ends before it begins.";
    if (rate.per_hour > 0 && kind == family::path && options.stage_of.size() < 2)
      return "A path has two ends: a plan with partitions needs two subjects.";
    if (rate.per_hour > 0 && rate.kind == fault_class::stage_loss && !staged)
      return "No subject belongs to a stage that could be lost.";
    expected += rate.per_hour * hours;
  }
  if (!(expected <= planned_faults_max)) return "A plan of so many faults: shorten it.";
  return nullptr;
}

fault_plan make_plan(const plan_options& options) {
  if (const char* why = complaint(options)) throw std::invalid_argument{why};
  fault_plan all;
  for (const auto& rate : options.rates)
    draw_times(options, rate, all);
  std::stable_sort(all.begin(), all.end(), [](const planned_fault& a, const planned_fault& b) {
    return a.begins < b.begins;
  });
  drafter draft{options};
  fault_plan plan;
  for (auto& fault : all)
    if (draft.choose_subjects(fault)) plan.push_back(std::move(fault));
  return plan;
}

std::vector<plan_event> timeline(const fault_plan& plan) {
  std::vector<plan_event> events;
  for (size_t i = 0; i < plan.size(); ++i) {
    const auto& fault = plan[i];
    const bool flaps = fault.period.count() > 0;
    const auto step = flaps ? fault.period : fault.ends - fault.begins;
    auto at = fault.begins;
    do {
      const auto end = flaps ? std::min(at + fault.period / 2, fault.ends) : fault.ends;
      events.push_back({at, i, true});
      events.push_back({end, i, false});
      at += step;
    } while (flaps && at < fault.ends);
  }
  // A fault of no duration begins before it ends; otherwise what ends comes first.
  std::stable_sort(events.begin(), events.end(), [&](const plan_event& a, const plan_event& b) {
    const auto rank = [&](const plan_event& e) {
      const auto& fault = plan[e.fault];
      return e.on || fault.begins == fault.ends ? 1 : 0;
    };
    return std::make_tuple(a.at, rank(a)) < std::make_tuple(b.at, rank(b));
  });
  return events;
}

void count(const fault_plan& plan, fault_counts& into) {
  for (const auto& fault : plan)
    into.add(fault.kind);
}

}  // namespace swarm::faults
