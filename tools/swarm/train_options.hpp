#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "tools/options/option_table.hpp"
#include "tools/options/run_options.hpp"
#include "tools/swarm/network_options.hpp"

namespace swarm::tools {

/// What `swarm train` takes.
struct train_options {
  network_options net;
  std::string run;
  std::string data;
  bool begin = false;
  int64_t in_flight = 4;
  int64_t line_every = 20;
  int64_t eval_batches = run_eval_batches;
  std::string result;
  std::chrono::milliseconds join_timeout{60'000};
  std::chrono::milliseconds leave_timeout{10'000};
  std::chrono::milliseconds election_timeout{1'000};
  std::chrono::milliseconds rescue_after{5'000};
  int64_t copy_every = 20;
  std::chrono::milliseconds copy_wait{2'000};
  std::chrono::milliseconds call_timeout{10'000};
};

/// The table keeps pointers to `options`.
option_table train_table(train_options& options);

}  // namespace swarm::tools
