#include "actors/transport/window.hpp"

#include <algorithm>

namespace swarm::transport {

namespace {

/// A round trip this much longer than the shortest one still confirms it.
constexpr std::chrono::microseconds base_slack{500};
/// A base that is measured afresh is at most twice as long as the last one and this.
constexpr std::chrono::milliseconds base_step{5};
/// Most that a round changes the window.
constexpr double growth_max = 2;
constexpr double shrink_max = 0.5;
/// While the queue is this part of what it may be, and after it was too long once.
constexpr int hardly_queueing = 4;
constexpr double growth_later = 1.5;

}  // namespace

window::window(size_t bytes_max, std::chrono::nanoseconds queueing_target)
    : bytes_max_(std::max(bytes_max, window_bytes_min)),
      target_(queueing_target),
      size_(std::min(bytes_max_, window_bytes_start)) {}

void window::sent(size_t bytes, moment now) {
  if (bytes == 0) return;
  sent_ += bytes;
  if (marks_.size() < window_marks_max) {
    marks_.push_back({sent_, now});
  } else {
    marks_.back().sent = sent_;
  }
}

bool window::credited(uint64_t total, moment now) {
  if (total > sent_) return false;
  if (total <= credited_) return true;
  credited_ = total;
  std::optional<moment> at;
  while (!marks_.empty() && marks_.front().sent <= total) {
    at = marks_.front().at;
    marks_.pop_front();
  }
  if (!at) return true;
  latest_ = now - *at;
  round_trip_ = std::min(round_trip_.value_or(latest_), latest_);
  if (!base_ || latest_ <= *base_ + base_slack) base_seen_ = now;
  base_ = std::min(base_.value_or(latest_), latest_);
  if (total >= round_end_) finish_round(now);
  return true;
}

void window::finish_round(moment now) {
  const auto trip = *round_trip_;
  // A busy machine answers late for a while; a queue does so all the time.
  if (!settling_ && resume_size_ == 0 && trip > *base_ + target_ && now < round_start_ + target_)
    return;
  round_trip_.reset();
  round_start_ = now;
  round_end_ = sent_;
  settling_ = !settling_;
  if (!settling_) return;
  if (resume_size_ != 0) {
    // One late answer of a busy machine must not pass for a long way.
    base_ = std::min(trip, 2 * *base_ + base_step);
    base_seen_ = now;
    size_ = resume_size_;
    resume_size_ = 0;
  } else if (now - base_seen_ > base_lifetime) {
    resume_size_ = size_;
    size_ = window_bytes_drained;
  } else {
    adapt(trip);
  }
  short_ = false;
}

void window::adapt(std::chrono::nanoseconds trip) {
  const auto queueing = trip - *base_;
  if (queueing > target_) starting_ = false;
  const auto aim = static_cast<double>((*base_ + target_).count());
  double factor = aim / static_cast<double>(std::max<int64_t>(trip.count(), 1));
  // On a long way the proportion alone would take for ever to fill the link.
  if (queueing < target_ / hardly_queueing)
    factor = std::max(factor, starting_ ? growth_max : growth_later);
  factor = std::clamp(factor, shrink_max, growth_max);
  // A window that was not used says nothing about a larger one.
  if (factor > 1 && !short_) return;
  const auto size = static_cast<size_t>(static_cast<double>(size_) * factor);
  size_ = std::clamp(size, window_bytes_min, bytes_max_);
}

}  // namespace swarm::transport
