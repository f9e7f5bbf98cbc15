#pragma once

#include <optional>
#include <string>
#include <vector>

#include "actors/simulation/scenario.hpp"

namespace swarm::campaign {

/// All of tests/sim/scenarios, by name. They are looked for in the runfiles of `bazel run` and
/// `bazel test`, and in those beside the program when it is started from bazel-bin. Throws
/// std::runtime_error with a sentence when there are none or one cannot be read.
std::vector<simulation::scenario> load_scenarios();

/// One by its name, or all of them for "all"; nothing when there is no such scenario.
std::optional<std::vector<simulation::scenario>> choose(
    const std::vector<simulation::scenario>& from, const std::string& name);

std::string names_of(const std::vector<simulation::scenario>& scenarios);

}  // namespace swarm::campaign
