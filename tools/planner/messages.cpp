#include "tools/planner/messages.hpp"

#include <algorithm>

#include "tools/report/memory_limit.hpp"

namespace swarm::planner {

namespace {

constexpr double value_bytes = 4;
constexpr double target_bytes = 4;  ///< of a token, too
constexpr double fixed_point_bytes = 8;
/// Fields, segment tables and alignment of a message around its tensors.
constexpr double envelope_bytes = 4096;

double tokens(const message_sizes& run) {
  return static_cast<double>(run.rows) * static_cast<double>(run.model.context);
}

double boundary_bytes(const message_sizes& run) {
  return tokens(run) * static_cast<double>(run.model.width) * value_bytes;
}

std::string flag(const char* name, int64_t value) {
  return std::string{"--"} + name + "=" + std::to_string(value);
}

std::string sides(double needed, double most) {
  return tools::bytes_text(needed) + " > " + tools::bytes_text(most);
}

std::string shape(const message_sizes& run) {
  const auto rows = flag("rows", run.rows) + " x " + flag("context", run.model.context);
  return run.stages > 1 ? rows + " x " + flag("width", run.model.width) + " x 4 bytes"
                        : rows + " x 8 bytes";
}

std::string lower(const message_sizes& run) {
  return run.stages > 1 ? "; lower --rows, --context or --width." : "; lower --rows or --context.";
}

}  // namespace

double largest_message_bytes(const message_sizes& run) {
  const double targets = tokens(run) * target_bytes;
  if (run.stages == 1) return 2 * targets + envelope_bytes;
  const double boundary = boundary_bytes(run);
  return (run.stages == 2 ? boundary + targets : std::max(2 * boundary, boundary + targets)) +
         envelope_bytes;
}

double reduced_bytes(const message_sizes& run) {
  double largest = 0;
  for (const auto& span : tensors::partition(run.model, run.stages)) {
    largest = std::max(
        largest,
        static_cast<double>(tensors::flat_size(tensors::parameter_layout(run.model, span))));
  }
  return largest / 2 * (run.reproducible ? fixed_point_bytes : value_bytes);
}

std::optional<std::string> check_messages(const message_sizes& run) {
  if (!run.between_processes) {
    const double tensor = run.stages > 1 ? boundary_bytes(run) : tokens(run) * target_bytes;
    if (tensor <= message_bytes_max) return std::nullopt;
    return "A tensor of a microbatch (" + shape(run) +
           ") is larger than one can be: " + sides(tensor, message_bytes_max) + lower(run);
  }
  const double message = largest_message_bytes(run);
  if (message > message_bytes_max) {
    return "A message of a microbatch (" + shape(run) +
           (run.stages > 2 ? ", twice where a stage computes again" : ", and the targets") +
           ") is larger than one can be: " + sides(message, message_bytes_max) + lower(run);
  }
  const double waiting = message * static_cast<double>(run.in_flight);
  if (waiting > queue_bytes_max) {
    return "What a trainer may have waiting for one peer (" + flag("in-flight", run.in_flight) +
           " x a message of " + tools::bytes_text(message) + ", of " + shape(run) +
           ") is more than a connection holds: " + sides(waiting, queue_bytes_max) +
           "; lower --in-flight, --rows, --context or --width.";
  }
  const double reduced = reduced_bytes(run);
  if (reduced > queue_bytes_max) {
    return "What two peers of a stage send each other at once to sum gradients (with " +
           flag("stages", run.stages) + (run.reproducible ? " and --reproducible" : "") +
           ") is more than a connection holds: " + sides(reduced, queue_bytes_max) +
           "; give more stages, or lower --layers, --width or --vocabulary.";
  }
  return std::nullopt;
}

}  // namespace swarm::planner
