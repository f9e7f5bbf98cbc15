#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace swarm::tools {

/// How much memory a process may still take, and who says so.
struct memory_limit {
  double bytes = 0;
  /// What the bytes go into: "this machine has", "the cgroup /x allows (memory.max)" and the like,
  /// as half a sentence.
  std::string who;
};

/// Where limits are looked for; a test gives its own.
struct memory_sources {
  std::string root;  ///< before /proc and the mount points
  double physical_bytes = 0;
  /// Limits and what is used of them; negative: there is none.
  double address_space_bytes_max = -1;
  double address_space_bytes = 0;
  double data_bytes_max = -1;
  double data_bytes = 0;
};

/// The smallest of: the machine's memory, memory.max (cgroup v2) or memory.limit_in_bytes (v1) of
/// this process' cgroup and of all above it that are mounted here, and what RLIMIT_AS and
/// RLIMIT_DATA leave.
memory_limit smallest_memory_limit(const memory_sources& sources);

/// Of this process, now.
memory_limit this_memory_limit();

/// Of all processes that this one may start together: without the limits that each has for itself.
memory_limit shared_memory_limit();

/// "the cgroup /x allows 1.0 GiB (memory.max)".
std::string to_text(const memory_limit& limit);

/// "1.5 GiB", "3.0 MiB", "100 bytes".
std::string bytes_text(double bytes);

/// The sentence of a program whose memory has run out: what was asked for, if that is known, what
/// it has, and the limit.
std::string out_of_memory(std::optional<double> bytes_wanted);

/// What to tell of an exception that ends a program: the sentence above for an allocation that
/// failed, whoever threw it, else its own first line.
std::string failure_text(const std::exception& failure);

}  // namespace swarm::tools
