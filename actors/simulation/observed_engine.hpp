#pragma once

#include <functional>
#include <memory>
#include <string>

#include "actors/ids.hpp"
#include "tensors/engine/stage_engine.hpp"

namespace swarm::simulation {

/// What an engine did, as its observer hears of it.
struct engine_event {
  enum class what : uint8_t { forward, backward, loss, reduced, applied, imported };

  what kind = what::forward;
  tensors::microbatch_key key;  ///< of a forward, backward or loss
  int weight = 0;               ///< of a backward or loss
  int64_t step = 0;             ///< of `applied`: the step made
  std::string hash;             ///< of `applied`: the weights after it
};

using engine_observer = std::function<void(const engine_event&)>;

/// The engine, and somebody who watches it.
std::unique_ptr<tensors::stage_engine> observe(std::unique_ptr<tensors::stage_engine> engine,
                                               engine_observer observer);

}  // namespace swarm::simulation
