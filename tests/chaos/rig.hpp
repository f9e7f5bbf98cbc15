#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/chaos/fleet.hpp"
#include "tools/options/run_options.hpp"

/// A small run in reproducible mode, as processes of the `swarm` command.
namespace swarm::chaos {

inline constexpr std::chrono::milliseconds heartbeat_interval{100};
inline constexpr std::chrono::milliseconds silence_timeout{1'000};

/// The `swarm` program.
std::string program();

/// A folder of this test alone, empty.
std::string scratch(const std::string& name);

/// The smallest model that has something in each stage.
tools::run_options small_model(int64_t stages, int64_t steps);

/// The model's flags, for the commands that take them.
std::vector<std::string> flags_of(const tools::run_options& model);

/// The hash of the weights of a single process after all steps of the run that the file describes.
std::string reference_hash(const std::string& description);

/// The files of a run, with so many tokens.
void make_run(const std::string& folder, const tools::run_options& model, int64_t tokens);

/// A command that ends by itself: what it printed, and how it ended.
struct printed {
  std::string text;
  int exit_code = 0;
};
printed run_once(const std::vector<std::string>& arguments);

class rig {
 public:
  struct shape {
    int64_t stages = 2;
    int64_t peers = 2;  ///< of each stage
    int64_t trainers = 2;
    int64_t steps = 300;
    bool one_seed = false;  ///< everybody's --join is the first peer alone
    std::vector<std::string> flags;
    std::vector<std::string> peer_flags;  ///< of the first peers, beside those
    /// Which host a process has: its address and what is put before its command line. By default
    /// all are on loopback.
    std::function<std::string(size_t process)> address;
    std::function<std::vector<std::string>(size_t process)> prefix;
  };

  rig(const std::string& name, shape what);

  /// Everybody, and waits for the first step.
  void begin();
  /// Another peer of the run, for the stage or, if that is -1, the one it chooses.
  fleet::id add_peer(const std::string& name, int64_t stage, const std::string& join,
                     const std::vector<std::string>& flags = {}, bool bind = true);
  /// In its next life, at the same address.
  void again(fleet::id which);

  fleet::id trainer(int64_t number) const { return static_cast<fleet::id>(number); }
  fleet::id peer(int64_t stage, int64_t number) const;
  /// The trainer whose line about a step was the last.
  fleet::id leader();
  /// The highest step that anybody has told.
  int64_t step();
  bool until_step(int64_t step);
  /// Until a step is told in which every peer of every stage took part: from then on each has the
  /// state of its stage.
  bool until_full();
  bool until_serving(fleet::id which);
  /// Waits until the trainers that run have finished, and checks that each has the weights of a
  /// single process.
  void finish();

  fleet& all() { return all_; }
  const std::string& folder() const { return folder_; }
  const std::string& address(fleet::id which) const { return addresses_.at(which); }
  const std::vector<std::string>& arguments(fleet::id which) const { return arguments_.at(which); }
  std::string token(int64_t number) const;
  std::string description() const;
  const shape& what() const { return what_; }

 private:
  std::string join() const;
  fleet::id launch(const std::string& name, const std::vector<std::string>& arguments,
                   const std::vector<std::string>& first);
  std::vector<std::string> common(const std::string& command, const std::string& name,
                                  size_t number, const std::string& join) const;

  shape what_;
  std::string folder_;
  std::vector<std::string> addresses_;
  std::vector<std::vector<std::string>> arguments_;
  fleet all_;
  fleet::id leader_ = 0;
  int64_t step_ = -1;
  std::vector<size_t> read_;
};

}  // namespace swarm::chaos
