#include "actors/simulation/service_watch.hpp"

#include <algorithm>

namespace swarm::simulation {

void service_watch::struck(double now_s) {
  for (auto& since : empty_since_s_)
    if (since) since = now_s;
}

std::optional<std::string> service_watch::granted(size_t mover,
                                                  const std::vector<watched_worker>& workers,
                                                  double now_s) const {
  const auto stage = workers[mover].stage;
  for (size_t i = 0; i < workers.size(); ++i) {
    if (i == mover || workers[i].stage != stage) continue;
    const auto death = died_s_.find(i);
    const bool just_died = death != died_s_.end() && now_s - death->second < news_s;
    if ((workers[i].alive && workers[i].serves) || just_died) return std::nullopt;
  }
  return "worker " + std::to_string(mover) + " was let go and leaves stage " +
         std::to_string(stage.value()) + " empty";
}

void service_watch::look(const std::vector<watched_worker>& workers, double now_s,
                         const std::function<bool()>& can_be_rescued) {
  std::vector<bool> served(empty_since_s_.size());
  for (const auto& w : workers)
    if (w.alive && w.serves) served[static_cast<size_t>(w.stage.value())] = true;
  const bool all = std::all_of(served.begin(), served.end(), [](bool one) { return one; });
  const bool possible = !all && can_be_rescued();
  for (size_t s = 0; s < served.size(); ++s) {
    auto& since = empty_since_s_[s];
    if (served[s] || !possible) {
      if (served[s] && since) empty_s_.push_back(now_s - *since);
      since.reset();
    } else {
      if (!since) since = now_s;
      emptiest_s_ = std::max(emptiest_s_, now_s - *since);
    }
  }
}

}  // namespace swarm::simulation
