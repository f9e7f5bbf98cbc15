#include "tools/planner/placement.hpp"

#include <algorithm>
#include <limits>

namespace swarm::planner {

namespace {

/// Moves and swaps of one placement.
constexpr int improvements_max = 1'000;
constexpr double bits_per_byte = 8;

struct searcher {
  const fleet& peers;
  const std::vector<stage_load>& loads;
  const fitness& fits;
  placement where;
  std::vector<double> rates;
  std::vector<std::vector<double>> rate_of;  ///< [stage][kind], one peer

  searcher(const fleet& p, const std::vector<stage_load>& l, const fitness& f)
      : peers(p), loads(l), fits(f) {
    where.assign(loads.size(), std::vector<int64_t>(peers.size(), 0));
    rates.assign(loads.size(), 0.0);
    for (const auto& load : loads) {
      rate_of.emplace_back();
      for (const auto& kind : peers)
        rate_of.back().push_back(1 / seconds_of(kind, load).slowest());
    }
  }

  int64_t choices(size_t kind) const {
    return std::count_if(fits.begin(), fits.end(), [&](const auto& row) { return row[kind]; });
  }

  void change(size_t stage, size_t kind, int64_t by) {
    where[stage][kind] += by;
    rates[stage] += static_cast<double>(by) * rate_of[stage][kind];
  }

  void fill() {
    std::vector<size_t> order;
    for (size_t k = 0; k < peers.size(); ++k)
      if (choices(k) > 0) order.push_back(k);
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      const auto ca = choices(a);
      const auto cb = choices(b);
      return ca != cb ? ca < cb : peers[a].flop_per_s > peers[b].flop_per_s;
    });
    for (const size_t k : order)
      for (int64_t i = 0; i < peers[k].count; ++i)
        change(poorest(k), k, 1);
  }

  size_t poorest(size_t kind) const {
    size_t best = loads.size();
    for (size_t s = 0; s < loads.size(); ++s) {
      if (!fits[s][kind]) continue;
      const bool better = best == loads.size() || rates[s] < rates[best] ||
                          (rates[s] == rates[best] && loads[s].flop() > loads[best].flop());
      if (better) best = s;
    }
    return best;
  }

  struct exchange {
    size_t donor = 0;
    size_t given = 0;
    size_t taken = 0;  ///< peers.size(): nothing
    double smallest = 0;
  };

  /// What the smaller of the two stages' rates becomes; the donor must not be left empty.
  double after(size_t poor, const exchange& e) const {
    double donor = rates[e.donor] - rate_of[e.donor][e.given];
    double helped = rates[poor] + rate_of[poor][e.given];
    if (e.taken < peers.size()) {
      donor += rate_of[e.donor][e.taken];
      helped -= rate_of[poor][e.taken];
    } else if (members(e.donor) < 2) {
      return 0;
    }
    return std::min(donor, helped);
  }

  int64_t members(size_t stage) const {
    int64_t sum = 0;
    for (const auto count : where[stage])
      sum += count;
    return sum;
  }

  bool improve() {
    const auto poor =
        static_cast<size_t>(std::min_element(rates.begin(), rates.end()) - rates.begin());
    exchange best;
    best.smallest = rates[poor] * (1 + 1e-9);
    bool found = false;
    for (size_t donor = 0; donor < loads.size(); ++donor) {
      if (donor == poor) continue;
      for (size_t given = 0; given < peers.size(); ++given) {
        if (where[donor][given] == 0 || !fits[poor][given]) continue;
        for (size_t taken = 0; taken <= peers.size(); ++taken) {
          const bool nothing = taken == peers.size();
          if (!nothing && (where[poor][taken] == 0 || !fits[donor][taken])) continue;
          exchange e{donor, given, taken, 0};
          e.smallest = after(poor, e);
          if (e.smallest <= best.smallest) continue;
          best = e;
          found = true;
        }
      }
    }
    if (!found) return false;
    change(best.donor, best.given, -1);
    change(poor, best.given, 1);
    if (best.taken < peers.size()) {
      change(poor, best.taken, -1);
      change(best.donor, best.taken, 1);
    }
    return true;
  }
};

}  // namespace

microbatch_seconds seconds_of(const peer_kind& kind, const stage_load& load) {
  microbatch_seconds result;
  result.compute = load.flop() / kind.flop_per_s;
  if (kind.up_bits_per_s > 0) result.up = load.out_bytes() * bits_per_byte / kind.up_bits_per_s;
  if (kind.down_bits_per_s > 0)
    result.down = load.in_bytes() * bits_per_byte / kind.down_bits_per_s;
  return result;
}

double stage_rate(const fleet& peers, const stage_load& load, const std::vector<int64_t>& counts) {
  double rate = 0;
  for (size_t k = 0; k < peers.size(); ++k)
    if (counts[k] > 0)
      rate += static_cast<double>(counts[k]) / seconds_of(peers[k], load).slowest();
  return rate;
}

double pipeline_rate(const fleet& peers, const std::vector<stage_load>& loads,
                     const placement& where) {
  double smallest = std::numeric_limits<double>::infinity();
  for (size_t s = 0; s < loads.size(); ++s)
    smallest = std::min(smallest, stage_rate(peers, loads[s], where[s]));
  return smallest;
}

std::variant<placement, std::string> place(const fleet& peers, const std::vector<stage_load>& loads,
                                           const fitness& fits) {
  const auto all = peers_of(peers);
  const auto stages = static_cast<int64_t>(loads.size());
  if (all < stages)
    return "every stage needs a peer: " + std::to_string(all) + " peers < " +
           std::to_string(stages) + " stages.";
  searcher search{peers, loads, fits};
  search.fill();
  for (size_t s = 0; s < loads.size(); ++s) {
    if (search.members(s) > 0) continue;
    return "no peer is left for stage " + std::to_string(s) +
           ": those whose memory fits it serve stages that fewer peers fit.";
  }
  for (int i = 0; i < improvements_max && search.improve(); ++i) {
  }
  return search.where;
}

std::vector<tensors::stage_span> fitted_cuts(const workload& work, const fleet& peers,
                                             const placement& where) {
  const auto stages = static_cast<int64_t>(where.size());
  const int64_t layers = work.model.layers;
  const double none = std::numeric_limits<double>::infinity();
  // cost[s][f][e] is computed when needed; best[s][e]: the least bottleneck of e blocks in s
  // stages.
  std::vector<std::vector<double>> best(where.size() + 1, std::vector<double>(layers + 1, none));
  std::vector<std::vector<int64_t>> cut(where.size() + 1, std::vector<int64_t>(layers + 1, 0));
  best[0][0] = 0;
  for (int64_t s = 1; s <= stages; ++s) {
    for (int64_t end = s; end <= layers - (stages - s); ++end) {
      for (int64_t first = s - 1; first < end; ++first) {
        if (best[s - 1][first] == none) continue;
        const tensors::stage_span span{first, end, s == 1, s == stages};
        const double seconds = 1 / stage_rate(peers, passage_of(work, span), where[s - 1]);
        const double value = std::max(best[s - 1][first], seconds);
        if (value >= best[s][end]) continue;
        best[s][end] = value;
        cut[s][end] = first;
      }
    }
  }
  std::vector<tensors::stage_span> spans(where.size());
  int64_t end = layers;
  for (int64_t s = stages; s >= 1; --s) {
    spans[s - 1] = {cut[s][end], end, s == 1, s == stages};
    end = cut[s][end];
  }
  return spans;
}

}  // namespace swarm::planner
