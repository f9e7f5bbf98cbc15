#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "actors/ids.hpp"

/// Which stage each peer serves, and when one should serve another. No CAF here: time comes in as
/// seconds of the caller's clock, what is known of the swarm as a swarm_view.
namespace swarm::rebalancing {

using seconds = std::chrono::duration<double>;

enum class worker_state : uint8_t {
  joining,  ///< fetches the state of its stage, or follows with weight zero
  serving,
};

/// What a worker announces of itself.
struct worker_record {
  worker_id id;
  stage_id stage;
  worker_state state = worker_state::joining;
  /// Microbatches (forward and backward) it could do of its stage if it never waited, the mean of
  /// many. Zero: not measured yet.
  double microbatches_per_second = 0;
  /// Of its device, measured alone; only the ratio between peers counts. Positive.
  double relative_speed = 1;
  /// Requests that wait or are worked on, the mean since its last announcement.
  double queue_length = 0;
  /// At which it can fetch a state. Zero: unknown.
  double bytes_per_second = 0;
  seconds age{0};  ///< of this record
};

struct stage_record {
  /// Of a microbatch, forward and backward; only the ratio between stages counts. Positive.
  double relative_work = 1;
  /// Parameters and optimizer state: what a newcomer fetches.
  double state_bytes = 0;
};

/// What one peer knows of the swarm. Others may know it a little differently.
struct swarm_view {
  std::vector<stage_record> stages;  ///< by stage_id
  /// At most one per peer. Those of a stage that does not exist are ignored.
  std::vector<worker_record> workers;
};

/// A worker gives up its stage and joins another.
struct move {
  worker_id who;
  stage_id from;
  stage_id to;

  friend bool operator==(const move& a, const move& b) {
    return a.who == b.who && a.from == b.from && a.to == b.to;
  }
};

struct estimate_options {
  /// An older record is as good as none. Well above the time between two announcements.
  seconds record_age_max{120};
  /// A measured rate this near to what the device's speed promises is taken for the promise:
  /// equal peers count as equal, and noise moves nobody.
  double rate_tolerance = 0.1;
  /// Of a worker that does not say.
  double bytes_per_second_default = 200e6 / 8;
};

/// The record is young enough and its stage exists.
bool counts(const swarm_view& view, const worker_record& worker, const estimate_options& options);

/// Rates of all workers at all stages, from what they do at their own. O(workers) to make.
class rate_estimate {
 public:
  explicit rate_estimate(const swarm_view& view, const estimate_options& options = {});

  bool counts(const worker_record& worker) const {
    return rebalancing::counts(view_, worker, options_);
  }
  /// Microbatches per second the worker would do of `stage`.
  double rate(const worker_record& worker, stage_id stage) const;
  /// The same of a device without a record.
  double rate(double relative_speed, stage_id stage) const;
  /// By how much the stage's settled rate may be wrong, one standard deviation: of the workers that
  /// have not been measured it is only known that they are as those that have.
  double doubt(stage_id stage) const { return doubt_[static_cast<size_t>(stage.value())]; }
  /// How long the worker would fetch the state of `stage`.
  seconds transfer(const worker_record& worker, stage_id stage) const;

  /// Sum of the rates of each stage's workers: those that serve, and all that will.
  const std::vector<double>& serving() const { return serving_; }
  const std::vector<double>& settled() const { return settled_; }
  const std::vector<size_t>& serving_count() const { return serving_count_; }
  const std::vector<size_t>& live_count() const { return live_count_; }

 private:
  void measure_unit();
  double unit_rate(const worker_record& worker) const;

  const swarm_view& view_;
  estimate_options options_;
  /// Microbatches per second of a device of speed 1 at a stage of work 1.
  double unit_ = 1;
  /// Standard deviation of one device's speed, as a share of the promise.
  double spread_ = 1;
  std::vector<double> serving_;
  std::vector<double> settled_;
  std::vector<double> doubt_;
  std::vector<size_t> serving_count_;
  std::vector<size_t> live_count_;
};

/// A pipeline is as fast as its slowest stage; without stages it does nothing.
double pipeline_throughput(const std::vector<double>& stages);

}  // namespace swarm::rebalancing
