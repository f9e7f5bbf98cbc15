#pragma once

#include "actors/simulation/swarm_run.hpp"

namespace swarm::campaign {

/// What scenarios may train:
///
///     modelled     virtual tensors, exact fingerprints; costs next to nothing
///     linear       two weights per stage, real numbers (tests/actors/toy_engine)
///     transformer  a real LibTorch decoder, one narrow layer per stage, reproducible mode
///
/// The weights expected of the last two come from the same engines driven by one process without
/// any actor, and are kept from run to run.
const simulation::model_catalogue& models();

}  // namespace swarm::campaign
