#include "actors/transport/heartbeat.hpp"

#include <algorithm>

namespace swarm::transport {

namespace {

/// Detection is late by a period at most.
constexpr int ticks_per_timeout = 16;
/// A longer pause between ticks, in periods, was this process' own.
constexpr int own_pause_periods = 3;

}  // namespace

heartbeat::heartbeat(std::chrono::nanoseconds interval, std::chrono::nanoseconds silence_timeout,
                     moment now)
    : interval_(interval),
      timeout_(silence_timeout),
      period_(std::max<std::chrono::nanoseconds>(
          std::min(interval, silence_timeout / ticks_per_timeout), std::chrono::milliseconds{1})),
      next_beat_(now),
      counted_to_(now) {}

heartbeat::verdict heartbeat::tick(moment now) {
  verdict result;
  if (now >= next_beat_) {
    result.beat = true;
    next_beat_ = now + interval_;
  }
  const auto passed = now - counted_to_;
  counted_to_ = now;
  if (passed > own_pause_periods * period_) {
    // What has arrived meanwhile is read before the next tick.
    silence_ = std::min(silence_ + period_, timeout_ - period_);
    return result;
  }
  silence_ += passed;
  result.silent = silence_ >= timeout_;
  return result;
}

void heartbeat::heard(moment now) {
  silence_ = {};
  counted_to_ = std::max(counted_to_, now);
}

}  // namespace swarm::transport
