#include "actors/planted_bug.hpp"

namespace swarm::detail {

planted_bug planted_now = planted_bug::none;

}  // namespace swarm::detail
