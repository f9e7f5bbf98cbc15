#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace swarm::experiments {

struct dht_run {
  uint64_t seed = 1;
  size_t nodes = 1'000;
  size_t records = 1'000;
  size_t owners_per_key = 4;  ///< records under one key, each of another owner
  size_t reads = 1'000;       ///< of keys, before and after the deaths
  double dead = 0.3;          ///< the share of nodes that dies at one moment
};

/// Reads of one phase. Seconds of virtual time.
struct dht_reads {
  uint64_t expected = 0;  ///< unexpired records under the keys that were read
  uint64_t found = 0;
  uint64_t false_records = 0;  ///< found, but nobody published them
  double requests_per_read = 0;
  double median_seconds = 0;
  double p99_seconds = 0;

  double share() const {
    return expected == 0 ? 0 : static_cast<double>(found) / static_cast<double>(expected);
  }
};

struct dht_findings {
  dht_reads calm;
  dht_reads deadly;
  uint64_t puts_failed = 0;
  double stored_per_put = 0;  ///< when it was answered
  double requests_per_put = 0;
  double put_median_seconds = 0;
  double put_p99_seconds = 0;
  double mean_hops = 0;  ///< of the lookups of puts and reads before the deaths
  double hops_allowed = 0;
  double mean_contacts = 0;
  double upkeep_per_node_and_second = 0;  ///< challenges and checks, over the whole run
  double virtual_seconds = 0;
  uint64_t messages = 0;
  uint64_t hash = 0;
};

/// Production DHT nodes in virtual time, 20 to 30 ms apart: they join one by one, publish, read, a
/// share of them dies at one moment and nobody is told, and the others read again at once.
/// `tell` hears what is being done.
dht_findings measure_dht(const dht_run& run, const std::function<void(const std::string&)>& tell);

}  // namespace swarm::experiments
