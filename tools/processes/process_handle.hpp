#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace swarm::tools {

/// When the process began, in the kernel's ticks since it was booted. With the number it tells a
/// process from every other one of this boot. Nothing when there is none of this number.
std::optional<uint64_t> start_ticks(pid_t pid);

/// One boot of one machine.
std::string boot_id();

/// A process that is not our child, held so that its number cannot come to mean another one.
class process_handle {
 public:
  /// Nothing when there is none of this number.
  static std::optional<process_handle> open(pid_t pid);
  process_handle(process_handle&& other) noexcept;
  process_handle& operator=(process_handle&&) = delete;
  ~process_handle();

  pid_t pid() const { return pid_; }
  /// 0, or why the signal was not sent (an errno); ESRCH: it has ended.
  int signal(int number) const;
  bool has_ended() const;

 private:
  process_handle(pid_t pid, int descriptor, uint64_t started)
      : pid_(pid), descriptor_(descriptor), started_(started) {}

  pid_t pid_;
  int descriptor_;    ///< a pidfd; -1 where the kernel has none
  uint64_t started_;  ///< ticks; what tells it from its successor without a pidfd
};

}  // namespace swarm::tools
