#include "tools/planner/candidate.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <optional>
#include <utility>

#include "tools/planner/messages.hpp"

namespace swarm::planner {

namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();
constexpr int availability_draws = 200;
constexpr uint64_t availability_seed = 1;
/// How bad misfits are that no memory cures: said only when there is nothing else to say.
constexpr double no_peer = 1e6;
constexpr double no_model = 1e9;
/// Orders of a step's end that cross the network one after the other: gather, reduce, commit.
constexpr double orders_per_step = 5;

/// Peers of every kind that this stage's memory fits, with so many microbatches waiting.
std::vector<bool> fits_of(const question& asked, const stage_load& load, double held) {
  std::vector<bool> fits;
  const double need = memory_of(asked.work, load, held).total();
  for (const auto& kind : asked.peers)
    fits.push_back(kind.count > 0 && need <= kind.memory_bytes);
  return fits;
}

/// Before anybody is placed: an even share of what is under way.
double even_share(const question& asked, int64_t stages, bool last) {
  if (last) return 1;
  const double replicas = std::max(
      1.0, std::floor(static_cast<double>(peers_of(asked.peers)) / static_cast<double>(stages)));
  return std::min(asked.work.under_way(), std::ceil(asked.work.under_way() / replicas) + 1);
}

double largest_memory(const fleet& peers) {
  double most = 0;
  for (const auto& kind : peers)
    if (kind.count > 0) most = std::max(most, kind.memory_bytes);
  return most;
}

misfit too_big(const question& asked, int64_t stages, size_t stage, const stage_memory& need) {
  const double most = largest_memory(asked.peers);
  return {"with " + std::to_string(stages) + " stages, stage " + std::to_string(stage) +
              " needs more memory than any peer has: " + describe(need) + " > " + gibibytes(most) +
              (need.total() - need.activations < most
                   ? "; lower --in-flight, --trainers, --rows or --context."
                   : "; lower --layers, --width or --vocabulary, or give larger peers."),
          need.total() / most};
}

/// Seconds of one microbatch through an empty swarm.
double unloaded_seconds(const question& asked, const candidate& what) {
  double total = 0;
  for (size_t s = 0; s < what.loads.size(); ++s) {
    double share = 0;
    double weighted = 0;
    for (size_t k = 0; k < asked.peers.size(); ++k) {
      const auto& kind = asked.peers[k];
      if (what.where[s][k] == 0) continue;
      const auto seconds = seconds_of(kind, what.loads[s]);
      const double rate = static_cast<double>(what.where[s][k]) / seconds.slowest();
      const double calls = s + 1 == what.loads.size() ? 1 : 2;
      const double trip = 2 * (kind.latency_s + asked.trainer.latency_s) + 4 * asked.message_s;
      weighted += rate * (seconds.compute + seconds.up + seconds.down + calls * trip);
      share += rate;
    }
    total += weighted / share;
  }
  return total;
}

/// Of one trainer's line, per microbatch.
double trainer_seconds(const question& asked, const candidate& what) {
  double in = 0;
  double out = 0;
  for (const auto& load : what.loads) {
    in += load.out_bytes();
    out += load.in_bytes();
  }
  const auto seconds = [](double bytes, double rate) { return rate > 0 ? bytes / rate : 0.0; };
  return std::max({seconds(in, asked.trainer.down_bytes_per_s),
                   seconds(out, asked.trainer.up_bytes_per_s),
                   2 * asked.message_s * (2 * static_cast<double>(what.loads.size()) - 1) +
                       asked.byte_s * (in + out)});
}

void set_limits(const question& asked, candidate& what) {
  auto& limit = what.limit;
  limit.stages = infinite;
  for (size_t s = 0; s < what.loads.size(); ++s) {
    const double rate = stage_rate(asked.peers, what.loads[s], what.where[s]);
    if (rate >= limit.stages) continue;
    limit.stages = rate;
    limit.stage = s;
  }
  const double line = trainer_seconds(asked, what);
  limit.trainers = line > 0 ? static_cast<double>(asked.work.trainers) / line : infinite;
  const double way = unloaded_seconds(asked, what);
  limit.in_flight = asked.work.under_way() / way;
  limit.cores = infinite;
  if (asked.cores > 0) {
    // Every process of the machine computes at the speed of its kind; the slowest counts.
    double core_seconds = 0;
    for (const auto& load : what.loads) {
      double slowest = 0;
      for (const auto& kind : asked.peers)
        slowest = std::max(slowest, load.flop() / kind.flop_per_s);
      core_seconds +=
          slowest + 8 * asked.message_s + 2 * asked.byte_s * (load.in_bytes() + load.out_bytes());
    }
    limit.cores = asked.cores / core_seconds;
  }
  const double rate = std::min({limit.stages, limit.trainers, limit.in_flight, limit.cores});
  double end = 0;
  for (size_t s = 0; s < what.loads.size(); ++s) {
    const auto stage = setup_of(asked, what.loads, what.where).stages[s];
    end = std::max(end, all_reduce_seconds(stage, 0) + stage.workers.front().step_s);
  }
  double farthest = 0;
  for (const auto& kind : asked.peers)
    farthest = std::max(farthest, kind.latency_s);
  what.step_estimate_s = static_cast<double>(asked.work.microbatches) / rate + way + end +
                         orders_per_step * (farthest + asked.trainer.latency_s);
}

/// What is wrong with the fleet once it is placed.
std::optional<misfit> check_crews(const question& asked, const candidate& what) {
  for (size_t s = 0; s < what.loads.size(); ++s) {
    int64_t members = 0;
    for (size_t k = 0; k < asked.peers.size(); ++k) {
      members += what.where[s][k];
      if (what.where[s][k] == 0) continue;
      const auto need = memory_of(asked.work, what.loads[s], held_by(asked, what, s, k));
      const auto& kind = asked.peers[k];
      if (need.total() <= kind.memory_bytes) continue;
      return misfit{"with " + std::to_string(what.stages) + " stages, stage " + std::to_string(s) +
                        " needs more memory than a '" + kind.name + "' has: " + describe(need) +
                        " > " + gibibytes(kind.memory_bytes) + "; lower --in-flight or --trainers.",
                    need.total() / kind.memory_bytes, s, k};
    }
    if (members > group_members_max)
      return misfit{"stage " + std::to_string(s) +
                        " would have more peers than one all-reduce: " + std::to_string(members) +
                        " > " + std::to_string(group_members_max) + "; give more stages.",
                    static_cast<double>(members)};
  }
  return std::nullopt;
}

}  // namespace

std::string gibibytes(double bytes) {
  char text[32];
  const double gib = bytes / (1024.0 * 1024 * 1024);
  std::snprintf(text, sizeof(text), gib < 0.1 ? "%.4f GiB" : "%.2f GiB", gib);
  return text;
}

std::string describe(const stage_memory& need) {
  return gibibytes(need.total()) + " (weights " + gibibytes(need.weights) + ", moments " +
         gibibytes(need.moments) + ", gradients " + gibibytes(need.gradients) + ", activations " +
         gibibytes(need.activations) + ")";
}

double held_by(const question& asked, const candidate& what, size_t stage, size_t kind) {
  if (stage + 1 == what.loads.size()) return 1;
  const double all = stage_rate(asked.peers, what.loads[stage], what.where[stage]);
  const double own = 1 / seconds_of(asked.peers[kind], what.loads[stage]).slowest();
  const double under_way = asked.work.under_way();
  return std::min(under_way, std::ceil(under_way * own / all) + 1);
}

std::variant<candidate, misfit> try_stages(const question& asked, int64_t stages) {
  if (const auto bad = tensors::validate(asked.work.model, stages)) return misfit{*bad, no_model};
  const auto& work = asked.work;
  if (auto bad =
          check_messages({work.model, stages, work.rows,
                          std::min(work.in_flight, work.microbatches), work.reproducible, true}))
    return misfit{std::move(*bad), no_model};
  const auto all = peers_of(asked.peers);
  if (stages > all)
    return misfit{"every stage needs a peer: " + std::to_string(all) + " peers < " +
                      std::to_string(stages) + " stages.",
                  no_peer};
  candidate result;
  result.stages = stages;
  result.loads = loads_of(asked.work, stages);
  fitness fits;
  for (size_t s = 0; s < result.loads.size(); ++s) {
    const double held = even_share(asked, stages, s + 1 == result.loads.size());
    fits.push_back(fits_of(asked, result.loads[s], held));
    if (std::find(fits.back().begin(), fits.back().end(), true) == fits.back().end())
      return too_big(asked, stages, s, memory_of(asked.work, result.loads[s], held));
  }
  std::optional<misfit> wrong;
  // Who turns out too small for its share of what is under way is not placed there again.
  for (size_t tries = fits.size() * asked.peers.size() + 1; tries > 0; --tries) {
    auto placed = place(asked.peers, result.loads, fits);
    if (const auto* why = std::get_if<std::string>(&placed))
      return wrong ? *wrong : misfit{"with " + std::to_string(stages) + " stages " + *why, 1.0};
    result.where = std::move(std::get<placement>(placed));
    auto found = check_crews(asked, result);
    if (!found) break;
    if (!found->stage) return *found;
    fits[*found->stage][found->kind] = false;
    wrong = std::move(found);
  }
  set_limits(asked, result);
  result.availability = expected_share(asked.peers, result.loads, result.where, availability_draws,
                                       availability_seed);
  return result;
}

std::string check_timeouts(const question& asked, const replay_result& step) {
  char text[256];
  if (step.longest_call_s > asked.call_timeout_s) {
    std::snprintf(text, sizeof(text),
                  "a call takes longer than the trainer waits: %.1f s > --call-timeout=%gs; "
                  "lower --rows or --in-flight, or raise the time-out.",
                  step.longest_call_s, asked.call_timeout_s);
    return text;
  }
  return {};
}

}  // namespace swarm::planner
