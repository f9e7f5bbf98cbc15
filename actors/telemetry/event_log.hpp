#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "actors/telemetry/event.hpp"

namespace swarm::telemetry {

/// Events kept until the next flush; more of them are dropped and counted.
inline constexpr std::size_t pending_events_max = 4096;
/// Events kept in memory for whoever asks; the oldest go first.
inline constexpr std::size_t recent_events_max = 1024;

/// One JSON object on one line, without the line break: {"t":1.25,"event":"step","loss":3.2}.
/// `since_start` is written in seconds. A field called "t" or "event" gets a trailing underscore; a
/// number that JSON has no word for becomes the text "nan", "inf" or "-inf"; bytes that are no
/// UTF-8 become U+FFFD.
std::string to_json_line(const event& e, std::chrono::nanoseconds since_start);

/// The lines to write at the next flush, and the latest events.
class event_log {
 public:
  explicit event_log(std::size_t pending_max = pending_events_max,
                     std::size_t recent_max = recent_events_max)
      : pending_max_(pending_max), recent_max_(recent_max) {}

  /// False: dropped, because pending_max events already wait for the flush.
  bool add(event e, std::chrono::nanoseconds since_start);

  /// What was added since the last flush, as lines that end in a line break.
  std::string flush();

  std::size_t pending() const { return pending_; }
  std::int64_t dropped() const { return dropped_; }
  std::vector<event> recent() const { return {recent_.begin(), recent_.end()}; }

 private:
  std::size_t pending_max_;
  std::size_t recent_max_;
  std::string lines_;
  std::size_t pending_ = 0;
  std::int64_t dropped_ = 0;
  std::deque<event> recent_;
};

/// Beyond it, increments of further names are counted under overflow_counter.
inline constexpr std::size_t counters_max = 4096;
inline constexpr const char* overflow_counter = "telemetry.other";

class counter_table {
 public:
  /// Saturates instead of overflowing.
  void add(const increment& i);
  const counter_snapshot& snapshot() const { return counters_; }

 private:
  counter_snapshot counters_;
};

}  // namespace swarm::telemetry
