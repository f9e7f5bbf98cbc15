#pragma once

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scoped_actor.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "actors/identity/join_token.hpp"
#include "actors/identity/run_description.hpp"
#include "actors/peer/node.hpp"
#include "actors/telemetry/event.hpp"
#include "tools/processes/signals.hpp"
#include "tools/processes/state_folder.hpp"
#include "tools/swarm/alarms.hpp"
#include "tools/swarm/network_options.hpp"
#include "tools/swarm/status_screen.hpp"

namespace swarm::tools {

/// One process' place in a run: its token, its folder, its actor system and its node. What every
/// command but keygen and up begins with.
class session {
 public:
  struct role {
    std::string agent = "swarm";
    bool observer = false;  ///< takes no part
    bool listens = true;    ///< at --bind, if there is one
    /// The file run.swarm; empty: it is asked for.
    std::string description_file;
    /// The same, as signed, if there is no file.
    std::string description;
    /// What it computes with (tensors/engine/kernels_in_use.hpp); empty: nothing.
    std::string kernels;
  };

  /// A sentence: the token, the folder, the description or the address, and what to do.
  static std::variant<std::unique_ptr<session>, std::string> open(const network_options& options,
                                                                  const role& what);
  ~session();
  session(const session&) = delete;
  session& operator=(const session&) = delete;

  peer::node& node() { return *node_; }
  caf::actor_system& system() { return system_; }
  caf::scoped_actor& self() { return self_; }
  const identity::join_token& token() const { return token_; }
  peer_id id() const { return id_; }
  uint64_t life() const { return life_; }
  const std::string& state_dir() const { return folder_.path(); }

  /// What the run is: from the file, or from the run itself, which may take until `limit` has
  /// passed or a signal comes. A sentence when it cannot be had.
  std::variant<identity::run_description, std::string> describe(stop_signals& signals,
                                                                std::chrono::milliseconds limit);

  /// Waits until somebody is connected. False: nobody within the limit, or a signal came; then
  /// last_failure() says why, for which it waits a moment longer.
  bool reach_somebody(stop_signals& signals, std::chrono::milliseconds limit);

  /// From now on alarms (alarms.hpp) are said here, by whoever asks for the events.
  void say_alarms(std::function<void(const std::string&)> say) { say_ = std::move(say); }
  /// Why this process has to end: another one has its token. With exit_token_in_use.
  const std::string& token_in_use() const { return alarms_.token_in_use(); }
  /// A sentence when clocks differ.
  std::optional<std::string> clock_complaint();

  /// Events of this process since the last call, waiting for the first at most so long.
  void events(std::chrono::milliseconds wait,
              const std::function<void(const telemetry::event&)>& handle);

  /// As signed; empty while it is not known.
  std::string description() const { return description_.value_or(""); }

  /// The status of everybody that is connected.
  std::vector<process_status> ask_everybody(uint32_t events);

  /// Why nobody is connected, as far as it is known: the last dial that failed.
  const std::string& last_failure() const { return alarms_.last_failure(); }

 private:
  struct config : caf::actor_system_config {
    config();
  };

  session(identity::join_token token, state_folder folder, uint64_t life);
  std::optional<std::string> start(const network_options& options, const role& what);
  alarms::moment now() { return self_->clock().now().time_since_epoch(); }
  std::string not_found(std::chrono::milliseconds limit);

  identity::join_token token_;
  state_folder folder_;
  uint64_t life_;
  peer_id id_;
  std::optional<std::string> description_;  ///< as signed
  config config_;
  caf::actor_system system_;
  caf::scoped_actor self_;
  std::unique_ptr<peer::node> node_;
  alarms alarms_;
  std::function<void(const std::string&)> say_;
};

}  // namespace swarm::tools
