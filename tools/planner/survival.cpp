#include "tools/planner/survival.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "actors/random.hpp"

namespace swarm::planner {

double emptiness::probability(double hours) const {
  return -std::expm1(-per_hour * hours);
}

emptiness emptiness_of(const fleet& peers, const std::vector<int64_t>& counts) {
  double log_share = 0;
  double returns_per_hour = 0;
  for (size_t k = 0; k < peers.size(); ++k) {
    if (counts[k] == 0) continue;
    const double away = 1 - peers[k].availability;
    if (away <= 0) return {};
    const auto count = static_cast<double>(counts[k]);
    log_share += count * std::log(away);
    returns_per_hour += count / peers[k].hours_away();
  }
  emptiness result;
  result.share = std::exp(log_share);
  result.per_hour = result.share * returns_per_hour;
  return result;
}

double expected_share(const fleet& peers, const std::vector<stage_load>& loads,
                      const placement& where, int draws, uint64_t seed) {
  const bool always = std::all_of(peers.begin(), peers.end(),
                                  [](const peer_kind& k) { return k.availability >= 1; });
  if (always || draws < 1) return 1;
  std::vector<std::vector<double>> rate_of(loads.size());
  for (size_t s = 0; s < loads.size(); ++s)
    for (const auto& kind : peers)
      rate_of[s].push_back(1 / seconds_of(kind, loads[s]).slowest());
  splitmix64 random{seed};
  double sum = 0;
  for (int i = 0; i < draws; ++i) {
    double smallest = std::numeric_limits<double>::infinity();
    for (size_t s = 0; s < loads.size(); ++s) {
      double rate = 0;
      for (size_t k = 0; k < peers.size(); ++k)
        for (int64_t p = 0; p < where[s][k]; ++p)
          if (random.unit() < peers[k].availability) rate += rate_of[s][k];
      smallest = std::min(smallest, rate);
    }
    sum += smallest;
  }
  return sum / draws / pipeline_rate(peers, loads, where);
}

}  // namespace swarm::planner
