#include "tools/processes/state_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

namespace swarm::tools {

namespace {

/// Lives are counted in tenths of a second since 2026, so that they fit 32 bits for 13 years.
constexpr int64_t first_life_unix_ms = 1'767'225'600'000;
constexpr int64_t life_ms = 100;

constexpr size_t address_bytes_max = 256;

std::string file_in(const std::string& folder, const char* name) {
  return folder + "/" + name;
}

/// The old contents or the new ones, whatever happens meanwhile.
void replace_file(const std::string& path, const std::string& text) {
  const auto draft = path + ".new";
  {
    std::ofstream out{draft, std::ios::trunc};
    out << text;
    if (!out.flush()) return;
  }
  std::error_code ignored;
  std::filesystem::rename(draft, path, ignored);
}

}  // namespace

std::variant<state_folder, std::string> state_folder::open(const std::string& path) {
  if (path.empty()) return state_folder{"", -1};
  std::error_code failed;
  std::filesystem::create_directories(path, failed);
  if (failed) return "the folder " + path + " cannot be made: " + failed.message();
  const auto file = file_in(path, "pid");
  const int lock = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock < 0) return "the file " + file + " cannot be written: " + std::strerror(errno);
  if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
    close(lock);
    return "the folder " + path +
           " is used by another process: give each process a --state-dir of its own";
  }
  const auto pid = std::to_string(getpid()) + "\n";
  if (ftruncate(lock, 0) != 0 || write(lock, pid.data(), pid.size()) < 0) {
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
  replace_file(file, std::to_string(life) + "\n");
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
  replace_file(file_in(path_, "addresses"), text);
}

std::optional<pid_t> running_process(const std::string& path) {
  const auto file = file_in(path, "pid");
  const int opened = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (opened < 0) return std::nullopt;
  const bool free = flock(opened, LOCK_SH | LOCK_NB) == 0;
  close(opened);
  if (free) return std::nullopt;
  pid_t pid = 0;
  std::ifstream in{file};
  if (!(in >> pid) || pid <= 0) return std::nullopt;
  return pid;
}

int64_t unix_now_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace swarm::tools
