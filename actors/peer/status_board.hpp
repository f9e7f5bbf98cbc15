#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "actors/telemetry/event.hpp"
#include "actors/wire/roster.hpp"

namespace swarm::peer {

/// Events kept for whoever asks.
inline constexpr size_t status_events_max = 64;
/// Optimizer steps over which tokens/s are taken.
inline constexpr size_t status_steps = 20;

/// What a process can say about itself and the run: fed by telemetry and roster, asked by the
/// status actor.
class status_board {
 public:
  using moment = std::chrono::nanoseconds;

  struct happening {
    moment when;
    std::string text;
  };

  struct training {
    int64_t step = 0;  ///< committed optimizer steps
    double loss = 0;   ///< nats
    double tokens_per_s = 0;
    double learning_rate = 0;
    uint64_t term = 0;
  };

  void on_event(const telemetry::event& e, moment now);
  void on_roster(const wire::roster_update& update);

  /// Nothing while no coordinator of this process has committed a step and still leads.
  std::optional<training> progress() const;
  const std::map<worker_id, wire::member>& members() const { return members_; }
  /// The latest of those that people ask about (event_sentence.hpp), oldest first; one that repeats
  /// itself is there once, at its last time.
  const std::deque<happening>& events() const { return events_; }

 private:
  struct step {
    double seconds;
    double tokens;
  };

  void on_step(const telemetry::event& e);

  std::map<worker_id, wire::member> members_;
  std::deque<happening> events_;
  std::deque<step> steps_;
  training last_;
  bool leads_ = false;
};

}  // namespace swarm::peer
