#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "tools/processes/child_process.hpp"

namespace swarm::experiments {

/// Programs that are started one by one, and what they print. All are killed by the destructor.
class children {
 public:
  using listener = std::function<void(size_t child, const std::string& line)>;

  /// The program is opened once: what it is replaced by meanwhile is not started.
  children(const std::string& program, listener hear)
      : program_(tools::program::open(program)), hear_(std::move(hear)) {}

  /// Its number, counted from 0; a sentence is kept in failure() when it does not start.
  size_t start(const std::vector<std::string>& arguments);
  /// SIGKILL; its lines are not of interest any more.
  void kill(size_t child);

  /// Nothing when it was killed or did not start.
  std::optional<int> pid(size_t child) const;

  /// Listens until the condition holds; false when it does not within the limit.
  bool until(std::chrono::milliseconds limit, const std::function<bool()>& condition);

  /// Set when one could not be started, or ended by itself: its last line.
  const std::string& failure() const { return failure_; }

 private:
  struct child {
    std::optional<tools::child_process> process;
    std::string partial;
    std::string last;
  };

  void listen(std::chrono::milliseconds limit);
  void read(size_t number);

  std::variant<tools::program, std::string> program_;
  listener hear_;
  std::vector<child> children_;
  std::string failure_;
};

}  // namespace swarm::experiments
