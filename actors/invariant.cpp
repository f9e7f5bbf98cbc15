#include "actors/invariant.hpp"

#include <cstdio>
#include <cstdlib>

namespace swarm {

void invariant_broken(const char* condition, const char* sentence, const char* file, int line) {
  std::fprintf(stderr, "swarm: invariant broken at %s:%d: %s (%s)\n", file, line, sentence,
               condition);
  std::abort();
}

}  // namespace swarm
