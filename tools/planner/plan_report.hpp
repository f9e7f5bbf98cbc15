#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "tools/planner/plan.hpp"

namespace swarm::planner {

/// For people: what to run, who serves what, how fast, what it costs, what else was looked at.
std::string to_text(const question& asked, const plan& made);

/// The same for programs; units last in names.
nlohmann::json to_json(const question& asked, const plan& made);

/// "8 x t4 + 2 x a100"
std::string crew_names(const question& asked, const plan_stage& stage);

}  // namespace swarm::planner
