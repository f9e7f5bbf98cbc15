#pragma once

#include <algorithm>
#include <cstdint>

#include "actors/stage/download.hpp"

/// What the tests of downloads have in common.
namespace swarm::testing {

inline worker_id donor(uint64_t peer) {
  return {peer_id{peer}, incarnation_id{1}};
}

inline weights_id at(int64_t version, uint64_t history = 0) {
  return {history_id{history}, step_id{version}};
}

inline stage::download_options options_of(uint64_t elements, uint64_t shard_elements) {
  stage::download_options options;
  options.elements = elements;
  options.elements_max = uint64_t{1} << 40;
  options.shard_elements = shard_elements;
  options.window_bytes_max = uint64_t{1} << 30;
  return options;
}

/// What an honest donor answers.
inline stage::download::answer right(const stage::download::question& q, uint64_t elements,
                                     weights_id weights) {
  const auto count = std::min(q.range.count, elements - q.range.first);
  return {weights, elements, {q.range.first, count}, count * stage::element_state_bytes, true, {}};
}

}  // namespace swarm::testing
