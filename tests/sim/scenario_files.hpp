#pragma once

#include <optional>
#include <string>
#include <vector>

#include "actors/simulation/scenario.hpp"

namespace swarm::campaign {

/// The campaign's, and those of a swarm of real size.
inline constexpr const char* campaign_folder = "tests/sim/scenarios";
inline constexpr const char* mission_folder = "tests/sim/mission";

/// All of a folder, by name. They are looked for in the runfiles of `bazel run` and
/// `bazel test`, and in those beside the program when it is started from bazel-bin. Throws
/// std::runtime_error with a sentence when there are none or one cannot be read.
std::vector<simulation::scenario> load_scenarios(const std::string& folder = campaign_folder);

/// One by its name, or all of them for "all"; nothing when there is no such scenario.
std::optional<std::vector<simulation::scenario>> choose(
    const std::vector<simulation::scenario>& from, const std::string& name);

std::string names_of(const std::vector<simulation::scenario>& scenarios);

}  // namespace swarm::campaign
