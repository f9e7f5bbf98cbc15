#include "experiments/large_stage_findings.hpp"

#include <algorithm>
#include <cstdio>

#include "tools/report/table.hpp"

namespace swarm::experiments {

namespace {

/// What is claimed.
constexpr double step_share_max = 1.15;
constexpr double bytes_per_parameter_max = 24;
constexpr double bytes_beside_max = 0.5e9;
constexpr double join_share_max = 1.1;
constexpr double join_beside_s = 5;

constexpr double state_values = 3;  ///< per parameter: the weight and two moments
/// Of a line, when results fill it.
constexpr double least_free = 0.05;
/// Of waits, in units of what they should take.
constexpr double patience = 4;
constexpr double patience_beside_s = 60;

}  // namespace

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const auto v : values)
    sum += v;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

double large_size::line_s() const {
  return std::max(worker_s, trainer_s);
}

double large_size::state_bytes() const {
  return state_values * value_bytes * parameters;
}

double large_size::join_s(double step_s) const {
  const double free = 1 - result_bytes() / line / std::max(step_s, 1e-9);
  return state_bytes() / line / std::max(least_free, free);
}

double large_size::join_allowed_s(double step_s) const {
  return join_share_max * join_s(step_s) + join_beside_s;
}

double large_size::memory_allowed_bytes() const {
  return bytes_per_parameter_max * parameters + bytes_beside_max;
}

std::chrono::milliseconds patience_for(double seconds) {
  return std::chrono::milliseconds{
      static_cast<int64_t>(1'000 * (patience * seconds + patience_beside_s))};
}

double large_findings::largest_peak() const {
  return peaks.empty() ? 0 : *std::max_element(peaks.begin(), peaks.end());
}

void print(const large_findings& f) {
  const auto s = [](double value) { return tools::fixed(value, 1); };
  const auto gb = [](double bytes) { return tools::fixed(bytes / 1e9, 2); };
  std::printf("parameters of the largest stage: %.1f million\n", f.what.parameters / 1e6);
  tools::table step{{"a step", "s"}};
  step.add({"computing, as one process does, over the cores", s(f.compute_s)});
  step.add({"a worker's bytes over its line", s(f.what.worker_s)});
  step.add({"a trainer's bytes over its line", s(f.what.trainer_s)});
  step.add({"possible", s(f.possible_s())});
  if (f.steps) {
    step.add({"the first", s(f.steps->first_s)});
    step.add(
        {"measured, mean of " + std::to_string(f.steps->seconds.size()), s(f.steps->mean_s())});
    step.add({"measured / possible", tools::fixed(f.steps->mean_s() / f.possible_s(), 2)});
  }
  std::fputs(step.text().c_str(), stdout);
  tools::table memory{{"a peer's memory", "GB", "bytes per parameter"}};
  const auto row = [&](const std::string& name, double bytes) {
    memory.add({name, gb(bytes), tools::fixed(bytes / f.what.parameters, 1)});
  };
  row("largest peak", f.largest_peak());
  row("allowed", f.what.memory_allowed_bytes());
  std::fputs(memory.text().c_str(), stdout);
  if (f.joins.empty()) return;
  tools::table joins{
      {"join", "planned s", "allowed s", "took s", "step s", "GB", "killed at", "peak GB"}};
  for (const auto& j : f.joins)
    joins.add({j.what, s(j.planned_s), s(j.allowed_s), j.got_in() ? s(j.joined_s) : "never",
               s(j.step_s), gb(j.bytes), j.killed_at < 0 ? "" : tools::fixed(j.killed_at, 2),
               gb(j.peak_bytes)});
  std::fputs(joins.text().c_str(), stdout);
}

nlohmann::json to_json(const large_findings& f) {
  nlohmann::json joins = nlohmann::json::array();
  for (const auto& j : f.joins)
    joins.push_back({{"what", j.what},
                     {"planned_s", j.planned_s},
                     {"allowed_s", j.allowed_s},
                     {"joined_s", j.joined_s},
                     {"step_s", j.step_s},
                     {"bytes", j.bytes},
                     {"killed_at", j.killed_at},
                     {"peak_bytes", j.peak_bytes}});
  nlohmann::json result{{"parameters", f.what.parameters},
                        {"compute_s", f.compute_s},
                        {"worker_line_s", f.what.worker_s},
                        {"trainer_line_s", f.what.trainer_s},
                        {"possible_step_s", f.possible_s()},
                        {"largest_peak_bytes", f.largest_peak()},
                        {"allowed_bytes", f.what.memory_allowed_bytes()},
                        {"joins", joins},
                        {"failures", f.failures}};
  if (f.steps)
    result["steps"] = {{"first_s", f.steps->first_s},
                       {"seconds", f.steps->seconds},
                       {"rounds", f.steps->rounds},
                       {"moves", f.steps->moves}};
  return result;
}

std::vector<claim> judge(const large_findings& f) {
  using of = claim_of;
  std::vector<claim> claims{
      {"every part of it ends", f.failures.empty(), of::any_size},
      {"a peer's memory stays within 24 bytes per parameter and 0.5 GB",
       !f.peaks.empty() && f.largest_peak() <= f.what.memory_allowed_bytes(), of::both_sizes}};
  if (f.steps) {
    claims.push_back({"a step takes at most 1.15 times computing and its bytes over the line",
                      f.steps->mean_s() <= step_share_max * f.possible_s()});
    claims.push_back({"nothing is gathered twice, and nobody moves",
                      f.steps->rounds <= 1 && f.steps->moves == 0, of::both_sizes});
  }
  if (!f.joins.empty()) {
    const auto each = [&](auto&& holds) {
      return std::all_of(f.joins.begin(), f.joins.end(), holds);
    };
    claims.push_back({"every newcomer gets in, also when a donor dies",
                      each([](const auto& j) { return j.got_in(); }), of::any_size});
    claims.push_back({"within 1.1 times what state and results need on its line, and 5 s",
                      each([](const auto& j) { return j.in_time(); })});
    claims.push_back({"donors were killed while they were needed",
                      each([](const auto& j) { return j.killed_at < 1; })});
  }
  return claims;
}

}  // namespace swarm::experiments
