#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tensors/model/model_config.hpp"

namespace swarm::planner {

/// Most bytes of one message (wire::frame_bytes_max, which no tensor may exceed either), and of all
/// that waits at one link to be sent (transport::endpoint_options::queue_bytes_max): a link with
/// more is given up.
inline constexpr double message_bytes_max = 1024.0 * 1024 * 1024;
inline constexpr double queue_bytes_max = 1024.0 * 1024 * 1024;

/// What of a run decides how large its messages are.
struct message_sizes {
  tensors::model_config model;
  int64_t stages = 1;
  int64_t rows = 1;
  int64_t in_flight = 1;  ///< of one trainer
  bool reproducible = false;
  bool between_processes = true;  ///< else tensors are handed over as they are
};

/// The largest message of a microbatch. A tensor between two stages has rows x context x width x 4
/// bytes. A Loss carries one, of tokens when there is one stage, and the targets; a Backward whose
/// graph is gone (a death, a full cache) carries the stage's input and the output's gradient, which
/// with three stages and more are two such tensors.
double largest_message_bytes(const message_sizes& run);

/// What two peers of one stage queue for each other when an all-reduce begins: half of the stage's
/// gradient sum, 4 bytes per parameter or 8 in reproducible mode.
double reduced_bytes(const message_sizes& run);

/// The limit that the run's messages break: a sentence with both sides of the inequality and the
/// flags to lower. Precondition: tensors::validate(run.model, run.stages) has nothing to say.
std::optional<std::string> check_messages(const message_sizes& run);

}  // namespace swarm::planner
