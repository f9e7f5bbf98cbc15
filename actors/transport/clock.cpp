#include "actors/transport/clock.hpp"

namespace swarm::transport {

moment now() {
  return std::chrono::steady_clock::now().time_since_epoch();
}

}  // namespace swarm::transport
