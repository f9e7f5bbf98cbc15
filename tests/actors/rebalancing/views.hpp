#pragma once

#include <cstdint>
#include <vector>

#include "actors/rebalancing/swarm_view.hpp"

namespace swarm::rebalancing {

inline worker_id life(uint64_t peer, uint32_t incarnation = 1) {
  return {peer_id{peer}, incarnation_id{incarnation}};
}

inline worker_record worker(uint64_t peer, int32_t stage,
                            worker_state state = worker_state::serving, double rate = 1,
                            double speed = 1) {
  worker_record w;
  w.id = life(peer);
  w.stage = stage_id{stage};
  w.state = state;
  w.microbatches_per_second = state == worker_state::serving ? rate : 0;
  w.relative_speed = speed;
  w.bytes_per_second = 25e6;
  return w;
}

/// As many equal workers at each stage as `counts` says, with ids from 1. A state takes 40 s.
inline swarm_view equal_workers(const std::vector<int>& counts) {
  swarm_view view;
  uint64_t peer = 0;
  for (size_t s = 0; s < counts.size(); ++s) {
    view.stages.push_back({1.0, 1e9});
    for (int i = 0; i < counts[s]; ++i)
      view.workers.push_back(worker(++peer, static_cast<int32_t>(s)));
  }
  return view;
}

/// The view after the moves, the movers serving.
inline swarm_view after(swarm_view view, const std::vector<move>& moves) {
  for (const auto& m : moves)
    for (auto& w : view.workers)
      if (w.id == m.who) {
        const auto work = [&](stage_id s) {
          return view.stages[static_cast<size_t>(s.value())].relative_work;
        };
        w.microbatches_per_second *= work(m.from) / work(m.to);
        w.stage = m.to;
      }
  return view;
}

inline std::vector<int> counts_of(const swarm_view& view) {
  std::vector<int> counts(view.stages.size(), 0);
  for (const auto& w : view.workers)
    ++counts[static_cast<size_t>(w.stage.value())];
  return counts;
}

}  // namespace swarm::rebalancing
