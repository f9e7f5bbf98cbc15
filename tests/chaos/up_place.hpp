#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/chaos/rig.hpp"

namespace swarm::chaos {

/// A run of `swarm up` in a folder of a test, of a text and a copy of the program of its own.
class up_place {
 public:
  explicit up_place(const std::string& name);

  std::string dir() const { return root_ + "/run"; }
  std::string text() const { return root_ + "/text.txt"; }
  const std::string& program() const { return program_; }

  /// Flags of a small model.
  static std::vector<std::string> model(int64_t steps);
  /// Makes the run's files without starting it.
  void keygen(const std::vector<std::string>& more);
  /// 2 trainers and 2 stages x 2 peers, unless it is said otherwise.
  chaos::fleet::id up(const std::vector<std::string>& more);

  /// Whole swarms start here, again and again: waits longer than a fleet does. False: in vain, or
  /// `who` has ended before.
  bool until(chaos::fleet::id who, const std::function<bool()>& condition);
  bool until_said(chaos::fleet::id who, const std::string& text);

  /// A process of the run.
  std::optional<pid_t> pid_of(const std::string& name) const;
  /// Of the last line " | step N"; -1: none.
  int64_t step(chaos::fleet::id who) const;
  bool until_step(chaos::fleet::id who, int64_t last);
  /// Waits for its end by itself and checks it.
  void check_left(chaos::fleet::id who, int exit_code);

  chaos::fleet fleet;

 private:
  std::string root_;
  std::string program_;
};

}  // namespace swarm::chaos
