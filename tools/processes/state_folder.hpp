#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "tools/processes/process_handle.hpp"

namespace swarm::tools {

/// Addresses kept for the next start.
inline constexpr size_t kept_addresses_max = 256;

/// What one process of a swarm leaves for its next life: in a folder of its own, or nowhere.
///
///     pid         of the process that runs now, with its start and the boot; locked while it runs
///     life        grows with every start
///     addresses   of the peers it was connected to last, one per line
///
/// The folder and what is in it are for their owner alone.
class state_folder {
 public:
  /// An empty path: nothing is kept. Creates the folder. A sentence when it cannot be used, or
  /// another process uses it.
  static std::variant<state_folder, std::string> open(const std::string& path);
  state_folder(state_folder&& other) noexcept;
  state_folder& operator=(state_folder&&) = delete;
  ~state_folder();

  const std::string& path() const { return path_; }

  /// Higher than that of every earlier life, also on another machine or without a folder as long as
  /// clocks are right to within the time between two lives.
  uint64_t next_life(int64_t unix_ms);

  std::vector<std::string> addresses() const;
  void keep_addresses(const std::vector<std::string>& addresses) const;

 private:
  explicit state_folder(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}

  std::string path_;
  int lock_ = -1;
};

/// Who uses a folder.
struct folder_user {
  bool used = false;
  /// Empty, though it is used: who that is cannot be proven, so nobody may be signalled.
  std::optional<process_handle> process;
};

/// The process that uses this folder now. The lock says who that is, never a number in a file
/// alone: numbers are given to others.
folder_user user_of(const std::string& path);

/// Milliseconds since 1970, for what other machines read. The only wall clock of the programs.
int64_t unix_now_ms();

}  // namespace swarm::tools
