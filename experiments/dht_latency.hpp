#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

namespace swarm::experiments {

struct latency_run {
  size_t nodes = 64;
  size_t operations = 1'000;  ///< of each kind and side, measured
  size_t warm_up = 1'000;     ///< of each before, not measured
  size_t value_bytes = 64;
  uint64_t seed = 1;
};

/// Wall-clock seconds of one kind of call.
struct call_seconds {
  std::vector<double> all;
  size_t failed = 0;

  /// What the share q of them does not exceed.
  double quantile(double q) const;
};

/// What both hash tables do, as one pair to be compared.
struct latency_pair {
  std::string what;
  call_seconds ours;
  call_seconds opendht;

  /// At most as long in the median and in the 99th percentile, and nothing failed.
  bool ours_is_not_slower() const;
};

struct latency_findings {
  /// Of no claim: our records cannot be unsigned.
  latency_pair put{"put, OpenDHT without signatures", {}, {}};
  latency_pair put_signed{"put, both signed", {}, {}};
  latency_pair get_first{"get, first value", {}, {}};
  latency_pair get_all{"get, all values", {}, {}};
  /// Why there is nothing of OpenDHT; empty when there is.
  std::string alone;
};

/// Nodes of ours and nodes of OpenDHT, both connected over 127.0.0.1, side by side: each call of
/// one is followed by the same call of the other, at the same node number, after a pause of some
/// milliseconds for what is left in the background; nothing else is under way. Each side keeps its
/// nodes in one process. A put ends when eight nodes, the number that OpenDHT waits for, have
/// confirmed it. OpenDHT calls when the first value has come and again when its search is over: the
/// one is compared with read_mode::any, the other with read_mode::all. Our records are always
/// signed and checked; OpenDHT's are in the row that says so, gets are of unsigned ones.
///
/// `tell` hears what is being done. A sentence when our nodes cannot be started.
std::variant<latency_findings, std::string> measure_latencies(
    const latency_run& run, const std::function<void(const std::string&)>& tell);

}  // namespace swarm::experiments
