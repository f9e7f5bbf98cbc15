#pragma once

#include <spdlog/logger.h>

#include <caf/actor.hpp>
#include <caf/atom.hpp>
#include <caf/fwd.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "actors/telemetry/event.hpp"
#include "actors/telemetry/event_log.hpp"

namespace swarm::telemetry {

/// Further subscribers are refused.
inline constexpr std::size_t subscribers_max = 64;

struct telemetry_options {
  std::string name = "telemetry";
  /// JSON lines are appended to it; empty: events stay in memory only.
  std::string file;
  /// Lines are written this long after the first of them, and when the actor ends.
  std::chrono::milliseconds flush_window{1'000};
  std::size_t pending_max = pending_events_max;  ///< per flush window
  std::shared_ptr<spdlog::logger> log;           ///< null: make_log(name)
};

/// counters -> counter_snapshot. Three are its own: telemetry.events, telemetry.dropped_events
/// (more than pending_max in one window) and telemetry.write_errors (flushes that failed).
using counters_atom = caf::atom_constant<caf::atom("counters")>;
/// recent -> std::vector<event>, the latest recent_events_max of them, oldest first.
using recent_atom = caf::atom_constant<caf::atom("recent")>;
/// subscribe, actor -> true; from now on it is sent every event that is not dropped. False if there
/// are subscribers_max already. Held weakly, and forgotten when it ends.
using subscribe_atom = caf::atom_constant<caf::atom("subscribe")>;

/// Takes `event` and `increment` messages from everybody and answers none of them, so nobody waits
/// for it. No timer runs while nothing is pending.
///
/// Owner: the peer root, which restarts it; the restarted one appends to the same file and counts
/// from 0. Never quits by itself: what it cannot write is counted, reported once to the log, and
/// lost. May drop: events beyond pending_max in a flush window.
caf::actor spawn_telemetry(caf::actor_system& system, telemetry_options options = {});

}  // namespace swarm::telemetry
