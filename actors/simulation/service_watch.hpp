#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "actors/ids.hpp"

namespace swarm::simulation {

/// Of one worker, as somebody sees it who sees everything.
struct watched_worker {
  stage_id stage{0};
  bool alive = false;   ///< its process, frozen or not
  bool serves = false;  ///< has its stage's state
};

/// Watches two promises: a move that was granted empties no stage, and a stage that has lost
/// everybody is served again soon while there are peers enough. No actors, no clock.
class service_watch {
 public:
  /// Deaths that the others may not have heard of yet are held against nobody.
  static constexpr double news_s = 20;

  explicit service_watch(int32_t stages) : empty_since_s_(static_cast<size_t>(stages)) {}

  /// A process has ended, or a fault has begun: emptiness counts anew.
  void struck(double now_s);
  void died(size_t worker, double now_s) { died_s_[worker] = now_s; }

  /// This worker was allowed to leave its stage. A sentence when that empties it.
  std::optional<std::string> granted(size_t mover, const std::vector<watched_worker>& workers,
                                     double now_s) const;

  /// To be called often. Time counts while `can_be_rescued()`; it is asked when a stage is empty.
  void look(const std::vector<watched_worker>& workers, double now_s,
            const std::function<bool()>& can_be_rescued);

  /// The longest that a stage has been without anybody who serves while it could be.
  double emptiest_s() const { return emptiest_s_; }
  /// All those times.
  const std::vector<double>& empty_s() const { return empty_s_; }

 private:
  std::vector<std::optional<double>> empty_since_s_;
  std::map<size_t, double> died_s_;
  double emptiest_s_ = 0;
  std::vector<double> empty_s_;
};

}  // namespace swarm::simulation
