#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "tools/options/option_table.hpp"

namespace swarm::tools {

/// Exit code of a process that ends because a later one has its token: starting it again would only
/// turn the other one out.
inline constexpr int exit_token_in_use = 3;

/// How one process meets the others; the same for every command that does.
struct network_options {
  std::string token;  ///< the line, or a file with it
  std::string join;   ///< addresses, separated by commas, besides the token's
  std::string bind;   ///< empty: only dials
  std::string announce;
  bool insecure = false;
  std::chrono::milliseconds heartbeat_interval{250};
  std::chrono::milliseconds silence_timeout{1'000};
  int64_t bytes_per_s = 0;
  std::string state_dir;
  std::string log_level = "warn";
};

/// --token and --join are wanted by everybody; --bind and what belongs to it only by those who
/// serve.
void add_network_options(option_table& table, network_options& options, bool serves);

}  // namespace swarm::tools
