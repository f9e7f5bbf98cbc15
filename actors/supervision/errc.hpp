#pragma once

#include <caf/error.hpp>
#include <cstdint>

namespace swarm::supervision {

enum class errc : std::uint8_t {
  intensity_exceeded = 1,  ///< children failed too often: the supervisor stopped them and ended
  unknown_child,           ///< no child of that id: ask for the children
  duplicate_child,         ///< the id is taken: choose another, or restart that child
  start_failed,            ///< the factory threw or made nothing; it is tried again by the policy
  shutting_down,           ///< ask the next incarnation
  too_many_children,       ///< children_max reached: add a supervisor below
  bad_child                ///< a spec without id or factory, or with a negative time-out
};

/// A sentence, with what to do.
const char* to_sentence(errc code);

caf::error make_error(errc code);

}  // namespace swarm::supervision
