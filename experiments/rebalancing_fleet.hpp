#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "actors/rebalancing/swarm_view.hpp"

namespace swarm::experiments {

/// What everybody reads: the announcements that have arrived and whose authors are not known dead.
class bulletin {
 public:
  explicit bulletin(std::vector<rebalancing::stage_record> stages);

  void publish(const rebalancing::worker_record& record, double now);
  /// Which of its lives was known.
  std::optional<worker_id> remove(peer_id peer);

  /// With the records' ages at `now`.
  const rebalancing::swarm_view& view(double now);
  bool has_empty_stage() const;

 private:
  static constexpr size_t nowhere = static_cast<size_t>(-1);

  rebalancing::swarm_view view_;
  std::vector<double> published_;
  std::vector<size_t> places_;  ///< by peer id
  std::vector<size_t> counts_;  ///< by stage
};

/// How good the assignment is, integrated over time.
class share_meter {
 public:
  share_meter(size_t stages, double end_seconds, bool equal_speeds);

  void peer_lives(double rate, double now);
  void peer_dies(double rate, double now);
  void serves(size_t stage, double rate, double now);
  void stops_serving(size_t stage, double rate, double now);
  /// Until the end of the run.
  void finish();

  size_t serving(size_t stage) const { return serving_[stage]; }
  int64_t live() const { return live_; }
  double overall() const { return all_.mean(); }
  double first_hour() const { return first_.mean(); }
  double last_hour() const { return last_.mean(); }
  bool last_hour_counts() const { return last_.span > 0; }
  /// Microbatches the best assignment could have done.
  double best_microbatches() const { return best_microbatches_; }
  double peer_seconds() const { return peer_seconds_; }
  double empty_seconds_longest() const { return empty_longest_; }

 private:
  struct mean_over_time {
    double area = 0;
    double span = 0;
    double mean() const { return span > 0 ? area / span : 0; }
  };

  /// Everything was as it is since the last call.
  void advance(double now);
  double best() const;

  size_t stages_;
  double end_;
  bool equal_speeds_;
  double now_ = 0;
  int64_t live_ = 0;
  double live_rate_ = 0;
  std::vector<size_t> serving_;
  std::vector<double> rates_;
  std::vector<double> empty_since_;  ///< with enough peers; negative: it is not
  double empty_longest_ = 0;
  mean_over_time all_, first_, last_;
  double best_microbatches_ = 0;
  double peer_seconds_ = 0;
};

}  // namespace swarm::experiments
