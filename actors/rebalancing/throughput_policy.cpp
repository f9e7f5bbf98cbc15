#include "actors/rebalancing/throughput_policy.hpp"

#include <algorithm>

namespace swarm::rebalancing {

std::optional<move> throughput_policy::decide(const swarm_view& view, worker_id self, seconds now) {
  if (!begun_) {
    begun_ = true;
    due_ = now + options_.period * random_.unit();
    no_rescue_before_ = now;
  }
  if (const auto rescue = plan_rescue(view, options_.plan)) {
    if (rescue->who != self || now < no_rescue_before_) return std::nullopt;
    // Asked again after that, should the answer be lost.
    no_rescue_before_ = now + options_.rescue_retry;
    return rescue;
  }
  if (now < due_) return std::nullopt;
  due_ = now + options_.period * (1 + options_.jitter * (2 * random_.unit() - 1));
  const auto moves = plan_moves(view, options_.plan);
  const auto own =
      std::find_if(moves.begin(), moves.end(), [&](const move& m) { return m.who == self; });
  if (own == moves.end()) return std::nullopt;
  return *own;
}

void throughput_policy::refused(seconds now) {
  const auto stretch = 1 + 0.5 * random_.unit();
  due_ = now + options_.retry * stretch;
  no_rescue_before_ = now + options_.rescue_retry * stretch;
}

}  // namespace swarm::rebalancing
