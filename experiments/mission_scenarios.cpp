#include "experiments/mission_scenarios.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace swarm::experiments {

namespace {

// An element is a part of an all-reduce, and a run costs what their number says: n peers send each
// of them 2 (n - 1) times. Production has 128 for each peer. With four instead of sixteen steps in
// which somebody dies took a fifth longer: an owner's last part occupies its line for ten seconds.
constexpr double elements_min = 64;

// Half of the dead are machines that are switched off: only heartbeats miss them. Bursts: every
// half an hour a twentieth to a tenth of all leaves and as many arrive at once.
constexpr const char* mission_text = R"({
  "about": "400 peers, 250 million parameters per stage, 200 Mb/s, mean life one hour.",
  "workers_per_stage": 100, "trainers": 16,
  "in_flight": 40, "production_times": 1, "silence_ms": 1000, "silent_deaths": 0.5,
  "mean_life_s": 3600, "absent_s": [5, 60], "burst_share": [0.05, 0.1],
  "keep_every": 20, "announce_s": 600, "backup_s": 20, "chunk_bytes": 3e6, "resume_s": 1800,
  "size": { "parameters": 250e6, "gradient_bytes": 4, "state_bytes": 12, "elements": 1600,
            "words": 1000, "rows": 1, "context": 512, "width": 2048, "graph_bytes": 300e6 },
  "workers": { "up_mbit_per_s": 200, "down_mbit_per_s": 200, "tera_flop_per_s": 5 },
  "training": { "up_mbit_per_s": 1000, "down_mbit_per_s": 1000 },
  "network": { "latency_ms": 28 },
  "compute": { "cache_bytes": 24e9, "saved_bytes": 64e9 },
  "faults_per_minute": { "mass_leave": 0.033 }
})";

constexpr const char* field_text = R"({
  "about": "330 nodes of 10:1 speeds on lines of 213 to 7,700 Mb/s.",
  "workers_per_stage": 80, "trainers": 10,
  "in_flight": 40, "production_times": 1, "silence_ms": 1000, "silent_deaths": 0.5,
  "mean_life_s": 1878000, "absent_s": [5, 60],
  "keep_every": 20, "announce_s": 600, "backup_s": 20, "chunk_bytes": 3e6, "resume_s": 1800,
  "size": { "parameters": 250e6, "gradient_bytes": 4, "state_bytes": 12, "elements": 1280,
            "words": 1000, "rows": 1, "context": 512, "width": 2048, "graph_bytes": 300e6 },
  "workers": { "up_mbit_per_s": [213, 7700], "down_mbit_per_s": [213, 7700],
               "tera_flop_per_s": [5, 50] },
  "training": { "up_mbit_per_s": 1000, "down_mbit_per_s": 1000 },
  "network": { "latency_ms": 14 },
  "compute": { "cache_bytes": 24e9, "saved_bytes": 64e9 }
})";

simulation::knob fixed(double value) {
  return {value, value};
}

}  // namespace

simulation::scenario mission_scenario(const mission_size& size) {
  std::string complaint;
  auto read = simulation::parse_scenario(
      size.fleet, size.fleet == "field" ? field_text : mission_text, complaint);
  if (!read) throw std::logic_error(complaint);
  const double usual = read->workers_per_stage.low;
  read->stages = fixed(static_cast<double>(size.stages));
  if (size.peers_per_stage > 0)
    read->workers_per_stage = fixed(static_cast<double>(size.peers_per_stage));
  read->size.elements = fixed(std::max(
      elements_min, std::ceil(read->workers_per_stage.low * read->size.elements.low / usual)));
  if (size.trainers > 0) read->trainers = fixed(static_cast<double>(size.trainers));
  read->microbatches = fixed(static_cast<double>(size.microbatches));
  read->fault_s = fixed(size.hours * 3600);
  read->size.parameters = fixed(size.parameters);
  if (size.mean_life_s >= 0) read->mean_life_s = fixed(size.mean_life_s);
  if (size.mean_life_s == 0) read->faults_per_minute.clear();
  return *read;
}

}  // namespace swarm::experiments
