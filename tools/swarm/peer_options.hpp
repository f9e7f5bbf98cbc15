#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "tools/options/option_table.hpp"
#include "tools/swarm/network_options.hpp"

namespace swarm::tools {

/// --stage: the one that needs it most.
inline constexpr int64_t choose_stage_itself = -1;

/// What `swarm peer` takes.
struct peer_options {
  network_options net;
  std::string run;
  int64_t stage = choose_stage_itself;
  bool begin = false;
  bool keep_state = false;
  bool keep_copies = false;
  int64_t backup_mib = 0;
  std::string rebalance = "throughput";
  std::chrono::milliseconds rebalance_period{60'000};
  int64_t cache_mib = 1'024;
  std::chrono::milliseconds join_timeout{60'000};
  std::chrono::milliseconds leave_timeout{10'000};
};

/// The table keeps pointers to `options`.
option_table peer_table(peer_options& options);

}  // namespace swarm::tools
