#include "tools/processes/process_handle.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

namespace swarm::tools {

namespace {

/// Of /proc/PID/stat, counted from the state, which is the first after the name.
constexpr int fields_before_start = 19;

int open_pidfd(pid_t pid) {
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
}

}  // namespace

std::optional<uint64_t> start_ticks(pid_t pid) {
  std::ifstream in{"/proc/" + std::to_string(pid) + "/stat"};
  const std::string text{std::istreambuf_iterator<char>{in}, {}};
  // The name stands in brackets and may hold anything, brackets too.
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields{text.substr(name_end + 1)};
  std::string skipped;
  for (int i = 0; i < fields_before_start; ++i)
    fields >> skipped;
  uint64_t ticks = 0;
  if (!(fields >> ticks)) return std::nullopt;
  return ticks;
}

std::string boot_id() {
  std::ifstream in{"/proc/sys/kernel/random/boot_id"};
  std::string id;
  std::getline(in, id);
  return id;
}

std::optional<process_handle> process_handle::open(pid_t pid) {
  if (pid <= 0) return std::nullopt;
  const int descriptor = open_pidfd(pid);
  if (descriptor < 0 && errno == ESRCH) return std::nullopt;
  const auto started = start_ticks(pid);
  if (descriptor < 0 && !started) return std::nullopt;
  return process_handle{pid, descriptor, started.value_or(0)};
}

process_handle::process_handle(process_handle&& other) noexcept
    : pid_(other.pid_),
      descriptor_(std::exchange(other.descriptor_, -1)),
      started_(other.started_) {}

process_handle::~process_handle() {
  if (descriptor_ >= 0) close(descriptor_);
}

int process_handle::signal(int number) const {
  if (descriptor_ >= 0) {
    if (syscall(SYS_pidfd_send_signal, descriptor_, number, nullptr, 0) == 0) return 0;
    if (errno != ENOSYS) return errno;
  }
  if (has_ended()) return ESRCH;
  return kill(pid_, number) == 0 ? 0 : errno;
}

bool process_handle::has_ended() const {
  if (descriptor_ < 0) return start_ticks(pid_) != std::optional{started_};
  pollfd watched{descriptor_, POLLIN, 0};
  return poll(&watched, 1, 0) > 0;
}

}  // namespace swarm::tools
