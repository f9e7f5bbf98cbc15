#pragma once

#include <cstdint>
#include <memory>

struct XXH3_state_s;

namespace swarm::simulation {

/// XXH3-64 over everything that happened, in order. Two runs are the same run when theirs agree.
class event_hash {
 public:
  event_hash();
  ~event_hash();
  event_hash(const event_hash&) = delete;
  event_hash& operator=(const event_hash&) = delete;

  void add(uint64_t a, uint64_t b, uint64_t c);

  /// Of all that was added so far.
  uint64_t value() const;

 private:
  std::unique_ptr<XXH3_state_s, void (*)(XXH3_state_s*)> state_;
};

}  // namespace swarm::simulation
