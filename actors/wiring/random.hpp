#pragma once

#include "actors/random.hpp"

namespace swarm::wiring {

using swarm::splitmix64;

}  // namespace swarm::wiring
