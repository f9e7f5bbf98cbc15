#include "actors/planted_bug.hpp"

namespace swarm::detail {

#ifdef SWARM_PLANTED_BUGS
planted_bug planted_now = planted_bug::none;
#endif

}  // namespace swarm::detail
