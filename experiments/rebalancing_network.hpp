#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

#include "actors/random.hpp"

namespace swarm::experiments {

/// A closed queueing network: microbatches go round through the stages of a pipeline, and at each
/// they queue at one of its servers. Which one: of two drawn the one that would be done sooner. A
/// microbatch whose server leaves goes to another of the stage; where there is none it waits for
/// one. All times are seconds of virtual time, which never falls.
class closed_network {
 public:
  closed_network(size_t stages, uint64_t seed);

  /// A server begins. Its microbatches take `seconds_per_microbatch` in the mean, uniformly from
  /// half to one and a half of that. Returns its number; numbers are not used again.
  size_t join(size_t stage, double seconds_per_microbatch, double now);
  void leave(size_t server, double now);

  /// How many microbatches go round. More enter at once; fewer when those that are done are not
  /// replaced.
  void set_population(int64_t microbatches, double now);

  /// When a server is done next; infinity when none works.
  double next_event() const;
  /// Makes it happen.
  void step();

  /// Microbatches that went through all stages.
  int64_t completed() const { return completed_; }
  /// In the server's queue or being worked on: the mean since the last call for that server.
  double take_mean_queue(size_t server, double now);
  /// One over the mean of its last microbatches; zero before it has done enough of them to tell.
  double measured_rate(size_t server) const;

 private:
  struct server {
    size_t stage = 0;
    double seconds_per_microbatch = 0;
    bool here = true;
    int64_t queue = 0;
    uint64_t work = 0;  ///< which one is being worked on; to tell completions that are void
    size_t place = 0;   ///< in its stage's list
    double queue_since = 0;
    double queue_area = 0;
    double measured_since = 0;
    double mean_seconds = 0;
    int64_t done = 0;
  };
  struct completion {
    double time = 0;
    size_t server = 0;
    uint64_t work = 0;
    double took = 0;
    bool operator>(const completion& other) const {
      return time != other.time ? time > other.time : server > other.server;
    }
  };

  size_t choose(size_t stage);
  void arrive(size_t stage, double now);
  void change_queue(server& s, int64_t by, double now);
  void begin(size_t number, double now);

  splitmix64 random_;
  std::vector<server> servers_;
  std::vector<std::vector<size_t>> stages_;
  std::vector<int64_t> waiting_;  ///< per stage, while it has no server
  std::priority_queue<completion, std::vector<completion>, std::greater<>> completions_;
  int64_t population_ = 0;
  int64_t wanted_ = 0;
  int64_t completed_ = 0;
};

}  // namespace swarm::experiments
