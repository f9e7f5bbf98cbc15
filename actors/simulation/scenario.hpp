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
inline constexpr double workers_per_stage_range[2] = {1, 256};
inline constexpr double trainers_range[2] = {1, 32};
inline constexpr double microbatches_range[2] = {1, 4096};

/// A knob: each run draws its value from [low, high].
struct knob {
  double low = 0;
  double high = 0;

  double draw(splitmix64& random) const { return low + (high - low) * random.unit(); }
  /// Of a rate, above 0: evenly in what one unit of work takes, so that slow ones are as common in
  /// a fleet as they are felt.
  double draw_rate(splitmix64& random) const;
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
///       "faults_per_minute": { "kill": [2, 20], "freeze": 4, ... },
///       // What a swarm of real size needs besides:
///       "size": { "parameters": 250e6, "width": 2048, ... },        // of a stage
///       "workers": { "up_mbit_per_s": [100, 1000], "tera_flop_per_s": 5, ... },  // each host's
///       own "training": { "up_mbit_per_s": 1000, ... }, "production_times": 1, "silence_ms": 1000,
///       "mean_life_s": 3600, "absent_s": [10, 60]
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

  /// Of each peer, until it is killed; 0: nobody is but by `faults_per_minute`.
  knob mean_life_s{0, 0};
  /// How long who was killed or has left stays away; 0: as its fault says. Who comes back has
  /// nothing and fetches, so the fleet keeps its size.
  knob absent_s{0, 0};
  knob burst_share{0.3, 0.7};  ///< of those present, in a mass leave; they come back at once
  /// Heartbeats: a silence is found out after so long; 0: contacts are refreshed instead.
  knob silence_ms{0, 0};
  knob silent_deaths{0, 0};     ///< share of the killed whose system says nothing
  knob production_times{0, 0};  ///< 1: time-outs as tools/swarm has them, not short ones
  knob announce_s{2, 2};        ///< how often backups' workers tell their rate; 0: never
  knob backup_s{0.5, 0.5};      ///< how often backups look for newer copies
  knob resume_s{120, 120};      ///< the bound on two more steps after the faults

  /// Of a modelled stage. Left out: a few numbers, whose bytes are what they are.
  struct size_knobs {
    knob parameters{0, 0};
    knob gradient_bytes{4, 4};  ///< each parameter's, in an all-reduce
    knob state_bytes{12, 12};   ///< each parameter's: itself and two moments
    knob elements{256, 256};    ///< parts of an all-reduce
    knob words{256, 256};       ///< in which a state can be cut
    knob rows{1, 1};
    knob context{512, 512};
    knob width{2048, 2048};
    knob graph_bytes{0, 0};  ///< that a forward leaves in the activation cache
  } size;
  bool has_size() const { return size.parameters.high > 0; }

  /// Drawn for each host. What is 0 is as `network` and `compute` say, alike for all.
  struct host_knobs {
    knob latency_ms{0, 0};  ///< added to each of its paths
    knob up_mbit_per_s{0, 0};
    knob down_mbit_per_s{0, 0};
    /// With a size: a forward takes two operations per parameter and token.
    knob tera_flop_per_s{0, 0};
    bool given = false;
  };
  host_knobs workers;
  host_knobs training;

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
/// One host's own; what it leaves out is taken from `usual`.
host_conditions draw_host(const scenario::host_knobs& knobs, const host_conditions& usual,
                          splitmix64& random);

}  // namespace swarm::simulation
