#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "actors/ids.hpp"

namespace swarm::stage {

/// Besides their own, the histories that some weights belong to: a run that goes back begins a new
/// one with the same weights. Who was away knows them by an earlier name, so each is kept with them
/// and goes with them. The one that they were made in is the first.
using history_names = std::vector<history_id>;

inline constexpr size_t history_names_max = 4;

inline bool has_name(const history_names& names, history_id name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// These and one more. Of too many, the first and the latest stay.
inline history_names with_name(history_names names, history_id name) {
  if (has_name(names, name)) return names;
  names.push_back(name);
  if (names.size() > history_names_max) names.erase(names.begin() + 1);
  return names;
}

}  // namespace swarm::stage
