#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "actors/wire/messages.hpp"

namespace swarm::tools {

/// One process' answer to a StatusRequest, copied out.
struct process_status {
  struct member {
    uint64_t peer = 0;
    std::string role;  ///< "stage worker", "trainer" or "coordinator"
    std::string state;
    int32_t stage = 0;
    int64_t version = 0;
  };
  struct event {
    int64_t ago_ms = 0;
    std::string text;
  };

  uint64_t peer = 0;
  std::string announce;
  std::string agent;
  int64_t up_ms = 0;
  int64_t unix_ms = 0;  ///< its clock when it answered
  uint32_t contacts = 0;
  std::string description_hash;
  std::string kernels;  ///< what it computes with; empty: nothing
  std::vector<member> members;
  std::vector<std::pair<uint64_t, std::string>> neighbours;  ///< peer, address
  std::vector<event> events;
  uint64_t bulk_bytes_sent = 0;
  uint64_t control_bytes_sent = 0;
  bool leads = false;  ///< the figures below are its own
  int64_t step = 0;
  double loss = 0;
  double tokens_per_s = 0;
  double learning_rate = 0;
};

/// Precondition: no fault.
process_status read_status(const wire::status& message);

/// One screen: stages and who serves them, processes, throughput and loss, the last events.
/// `stages` is how many the run has, 0 if unknown.
std::string status_screen(const std::vector<process_status>& all, int32_t stages);

/// The same for programs.
nlohmann::json status_json(const std::vector<process_status>& all);

}  // namespace swarm::tools
