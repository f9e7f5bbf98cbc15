#pragma once

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scoped_actor.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "actors/peer/embedded_swarm.hpp"
#include "actors/telemetry/event.hpp"

namespace swarm::experiments {

/// An actor system with one embedded swarm in it, whose telemetry events are delivered to the
/// program's own thread and, if a file is named, appended to it as JSON lines.
class swarm_session {
 public:
  using event_handler = std::function<void(const telemetry::event&)>;

  explicit swarm_session(peer::embedded_options options, const std::string& telemetry_file = "");
  ~swarm_session();

  /// Commits steps until the model has this version; every event that arrives meanwhile goes to
  /// the handler. A sentence when it fails.
  std::optional<std::string> run_until(int64_t version, const event_handler& handler = {});

  /// Handles the events that have arrived, without waiting.
  void drain(const event_handler& handler);

  peer::embedded_swarm& swarm() { return *swarm_; }
  /// A sentence, if whoever failed has one.
  std::string render(const caf::error& error) const;

 private:
  struct config : caf::actor_system_config {
    config();
  };

  config config_;
  caf::actor_system system_;
  caf::scoped_actor self_;
  caf::actor telemetry_;
  std::unique_ptr<peer::embedded_swarm> swarm_;
};

/// The number or text of an event's field; nothing when it has no such field.
std::optional<double> number(const telemetry::event& event, const std::string& key);
std::string text(const telemetry::event& event, const std::string& key);

}  // namespace swarm::experiments
