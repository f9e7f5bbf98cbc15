#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "actors/random.hpp"
#include "actors/simulation/network_model.hpp"

namespace swarm::simulation {

/// Bounds of what a scenario may ask for.
inline constexpr double stages_range[2] = {1, 8};
inline constexpr double workers_per_stage_range[2] = {1, 64};
inline constexpr double trainers_range[2] = {1, 4};
inline constexpr double microbatches_range[2] = {1, 64};

/// A knob: each run draws its value from [low, high].
struct knob {
  double low = 0;
  double high = 0;

  double draw(splitmix64& random) const { return low + (high - low) * random.unit(); }
  int64_t draw_whole(splitmix64& random) const;
};

/// A declaration: what kind of swarm, on what kind of network, under which faults. Every run of it
/// has a seed, which draws the knobs and everything that happens.
///
/// As a file: JSON with comments, one object. A knob is a number or [low, high]; what is left out
/// is its default. Unknown names are errors.
///
///     {
///       "about": "one sentence",
///       "model": "modelled",              // or a name that the program adds
///       "stages": [2, 4], "workers_per_stage": [2, 3], "trainers": [1, 2], "microbatches": [4, 8],
///       "fault_s": [10, 30],              // how long faults go on, virtual seconds
///       "network": { "latency_ms": [1, 40], "loss": [0, 0.02], ... },
///       "compute": { "forward_ms": [2, 20], "non_finite": 0.001, ... },
///       "faults_per_minute": { "kill": [2, 20], "freeze": 4, ... }
///     }
struct scenario {
  std::string name;
  std::string about;
  std::string model = "modelled";
  knob stages{2, 2};
  knob workers_per_stage{2, 2};
  knob trainers{1, 1};
  knob microbatches{4, 4};
  knob in_flight{2, 4};
  knob fault_s{10, 10};
  knob keep_state{0, 0};   ///< share of the workers whose state survives a restart
  knob keep_every{0, 0};   ///< copies of states for others, every so many versions; 0: none
  knob rebalance_s{0, 0};  ///< period of the policy `throughput`; 0: nobody moves
  knob chunk_bytes{0, 0};  ///< in which states are fetched; 0: as the model says

  struct network_knobs {
    knob latency_ms{1, 1};
    knob jitter_ms{0, 0};
    knob tail{0, 0};
    knob mbit_per_s{0, 0};  ///< of each host, each way; 0: no limit
    knob loss{0, 0};
    knob duplication{0, 0};
    knob reordering{0, 0};
    knob corruption{0, 0};
    knob truncation{0, 0};
  } network;

  struct compute_knobs {
    knob forward_ms{1, 1};
    knob non_finite{0, 0};  ///< these four: share of the calls
    knob wrong_shape{0, 0};
    knob out_of_memory{0, 0};
    knob stall{0, 0};
    knob lost_reply{0, 0};
    knob cache_bytes{1e6, 1e6};
    knob saved_bytes{1e6, 1e6};  ///< of a trainer
  } compute;

  std::map<std::string, knob> faults_per_minute;  ///< by the kinds of faults::fault_plan
};

/// Nothing, and a sentence that says what is wrong and where.
std::optional<scenario> parse_scenario(const std::string& name, const std::string& text,
                                       std::string& complaint);

/// What a seed makes of the network's knobs.
path_conditions draw_path(const scenario::network_knobs& knobs, splitmix64& random);
host_conditions draw_host(const scenario::network_knobs& knobs, splitmix64& random);

}  // namespace swarm::simulation
