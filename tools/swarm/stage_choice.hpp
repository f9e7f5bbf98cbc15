#pragma once

#include <cstdint>
#include <vector>

#include "actors/wire/roster.hpp"

namespace swarm::tools {

/// The stage that needs a newcomer most: the one with the fewest workers, those that are joining
/// included; of several such the one that follows from the peer's id, so that newcomers who choose
/// at the same time spread.
/// `kept`: stages whose state this peer still has. One that nobody serves is chosen, and otherwise
/// one that has hardly more workers than the neediest, as long as no stage has none at all: when a
/// whole run is started again, everybody goes where they were.
stage_id choose_stage(const std::vector<wire::member>& members, int32_t stages, peer_id self,
                      const std::vector<stage_id>& kept = {});

}  // namespace swarm::tools
