#pragma once

#include <cstdint>
#include <vector>

#include "actors/wire/roster.hpp"

namespace swarm::tools {

/// The stage that needs a newcomer most: the one with the fewest workers, those that are joining
/// included; of several such the one that follows from the peer's id, so that newcomers who choose
/// at the same time spread.
stage_id choose_stage(const std::vector<wire::member>& members, int32_t stages, peer_id self);

}  // namespace swarm::tools
