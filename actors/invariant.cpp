#include "actors/invariant.hpp"

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace swarm {

namespace {

invariant_listener current_listener = nullptr;

}  // namespace

void invariant_broken(const char* condition, const char* sentence, const char* file, int line) {
  if (current_listener != nullptr) {
    current_listener(sentence, file, line);
    throw std::logic_error(sentence);
  }
  std::fprintf(stderr, "swarm: invariant broken at %s:%d: %s (%s)\n", file, line, sentence,
               condition);
  std::abort();
}

invariant_listener listen_for_broken_invariants(invariant_listener listener) {
  return std::exchange(current_listener, listener);
}

}  // namespace swarm
