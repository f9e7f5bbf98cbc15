#include "tools/processes/state_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "tools/report/output_file.hpp"

namespace swarm::tools {

namespace {

/// Lives are counted in tenths of a second since 2026, so that they fit 32 bits for 13 years.
constexpr int64_t first_life_unix_ms = 1'767'225'600'000;
constexpr int64_t life_ms = 100;

constexpr size_t address_bytes_max = 256;

constexpr mode_t owner_only = 0600;

std::string file_in(const std::string& folder, const char* name) {
  return folder + "/" + name;
}

/// What cannot be written is missed in the next life only.
void keep(const std::string& path, const std::string& text) {
  replace_file(path, text, audience::owner);
}

/// Two locks on one file. flock() keeps others out and ends with the process alone. It does not
/// tell who holds it; a record lock does, but ends when the process closes the file anywhere.
struct flock record_lock(short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

/// Who the kernel says holds the record lock; 0: nobody, or nobody of this machine.
pid_t holder_of(int file) {
  auto lock = record_lock(F_WRLCK);
  if (fcntl(file, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) return 0;
  return std::max<pid_t>(lock.l_pid, 0);
}

std::string identity_of(pid_t pid) {
  return std::to_string(pid) + " " + std::to_string(start_ticks(pid).value_or(0)) + " " + boot_id();
}

/// For file systems without record locks: the process that wrote itself into the file, if it still
/// is the one.
pid_t recorded_in(const std::string& file) {
  std::ifstream in{file};
  std::string line;
  if (!std::getline(in, line)) return 0;
  pid_t pid = 0;
  std::istringstream{line} >> pid;
  return pid > 0 && start_ticks(pid) && line == identity_of(pid) ? pid : 0;
}

}  // namespace

std::variant<state_folder, std::string> state_folder::open(const std::string& path) {
  if (path.empty()) return state_folder{"", -1};
  if (const auto failed = make_folder(path, audience::owner))
    return "the folder " + path + " cannot be made: " + failed.message();
  const auto file = file_in(path, "pid");
  // A link would have somebody else's file emptied.
  const int lock = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, owner_only);
  if (lock < 0) return "the file " + file + " cannot be written: " + std::strerror(errno);
  if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
    close(lock);
    return "the folder " + path +
           " is used by another process: give each process a --state-dir of its own";
  }
  auto record = record_lock(F_WRLCK);
  // Where there are no record locks, the file alone tells who this is.
  if (fcntl(lock, F_SETLK, &record) != 0) errno = 0;
  if (fchmod(lock, owner_only) != 0) errno = 0;
  const auto self = identity_of(getpid()) + "\n";
  if (ftruncate(lock, 0) != 0 || write(lock, self.data(), self.size()) < 0) {
    close(lock);
    return "the file " + file + " cannot be written: " + std::strerror(errno);
  }
  return state_folder{path, lock};
}

state_folder::state_folder(state_folder&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

state_folder::~state_folder() {
  // The lock goes with it; the file stays, for who has opened it already.
  if (lock_ >= 0) close(lock_);
}

uint64_t state_folder::next_life(int64_t unix_ms) {
  auto life = static_cast<uint64_t>(std::max<int64_t>(1, (unix_ms - first_life_unix_ms) / life_ms));
  if (path_.empty()) return life;
  const auto file = file_in(path_, "life");
  uint64_t last = 0;
  std::ifstream in{file};
  if (in >> last) life = std::max(life, last + 1);
  keep(file, std::to_string(life) + "\n");
  return life;
}

std::vector<std::string> state_folder::addresses() const {
  std::vector<std::string> result;
  if (path_.empty()) return result;
  std::ifstream in{file_in(path_, "addresses")};
  std::string line;
  while (result.size() < kept_addresses_max && std::getline(in, line))
    if (!line.empty() && line.size() <= address_bytes_max) result.push_back(line);
  return result;
}

void state_folder::keep_addresses(const std::vector<std::string>& addresses) const {
  // Whoever lost everybody still wants to know where they were.
  if (path_.empty() || addresses.empty()) return;
  std::string text;
  for (size_t i = 0; i < std::min(addresses.size(), kept_addresses_max); ++i)
    text += addresses[i] + "\n";
  keep(file_in(path_, "addresses"), text);
}

folder_user user_of(const std::string& path) {
  const auto file = file_in(path, "pid");
  const int opened = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (opened < 0) return {};
  folder_user result;
  result.used = flock(opened, LOCK_SH | LOCK_NB) != 0;
  if (result.used) {
    const auto who = [&] {
      const auto holder = holder_of(opened);
      return holder != 0 ? holder : recorded_in(file);
    };
    // Between the answer and the handle the process may end and its number be given away. Whoever
    // is named again while we hold it is the one.
    auto held = process_handle::open(who());
    if (held && who() == held->pid() && !held->has_ended())
      result.process.emplace(std::move(*held));
  }
  close(opened);
  return result;
}

int64_t unix_now_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace swarm::tools
