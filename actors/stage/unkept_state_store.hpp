#pragma once

#include <memory>
#include <string>

#include "actors/stage/state_store.hpp"

namespace swarm::stage {

/// For a process that is under way and must not end for want of a directory: what is put survives
/// the worker, not the process, and word() is withdrawn from the beginning, with this sentence.
std::shared_ptr<state_store> make_unkept_store(const std::string& sentence);

}  // namespace swarm::stage
