#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <variant>

#include "actors/identity/run_description.hpp"
#include "tools/processes/signals.hpp"
#include "tools/swarm/network_options.hpp"
#include "tools/swarm/session.hpp"

namespace swarm::tools {

/// A session of a process that computes, with the kernels of its run in force.
struct computing_session {
  std::unique_ptr<session> here;
  identity::run_description run;
};

/// Why there is none, and what the program is to end with.
struct session_failure {
  std::string sentence;
  int exit_code = exit_failure;
};

/// Opens one and prints "NAME 1234abcd, life 1, at host:port". A reproducible run names the kernels
/// that all compute with: this starts the program again if it has taken others, before the session
/// opens when `what` names a description, after the run has told its description otherwise. Then
/// the session is opened again, because only who knows the run is looked at by the others. A
/// sentence when it cannot be had, or the processor has no such kernels. `say` is told alarms.
std::variant<computing_session, session_failure> open_computing(
    const network_options& options, session::role what, const char* name,
    const std::function<void(const std::string&)>& say, stop_signals& signals,
    std::chrono::milliseconds limit);

}  // namespace swarm::tools
