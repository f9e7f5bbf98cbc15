#pragma once

#include <optional>
#include <string>

namespace swarm::tools {

/// Path of `swarm_node`, the program that serves and trains. It stands beside this one and alone
/// links LibTorch, whose loading costs every start a third of a second and more: who only plans,
/// asks or watches does without.
std::string node_program();

/// A sentence when a limit of this process leaves no room to load LibTorch: its BLAS waits for ever
/// for memory that it is not given.
std::optional<std::string> node_refusal();

/// Replaces this process by `swarm_node` with the same command line. Returns only when that fails:
/// the exit code, with the reason on standard error.
int become_node(int argc, const char* const* argv);

}  // namespace swarm::tools
