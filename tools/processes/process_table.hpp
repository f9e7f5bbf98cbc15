#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "actors/random.hpp"

namespace swarm::tools {

/// One process that is to be kept running.
struct process_spec {
  std::string name;
  std::vector<std::string> arguments;        ///< argv without the program
  std::vector<std::string> first_arguments;  ///< besides, in its first life
  bool keep = true;                          ///< started again when it ends, unless it has finished
  /// It has finished when it ends by itself after a line that begins so. Empty: with exit code 0.
  std::string last_line{};
  /// The exit code that says that starting it again is of no use; 0: none.
  int hopeless_exit_code = 0;
  /// Nothing goes on without it: when it is given up, so is the group.
  bool needed = true;
};

struct process_table_options {
  std::chrono::milliseconds restart_after{5'000};
  /// A random running process is killed this often; 0: never.
  std::chrono::milliseconds kill_every{0};
  /// Nobody is killed before arm() is called.
  bool armed = true;
  uint64_t seed = 1;
  /// One that failed so often within fail_within of its start is given up.
  uint32_t failures_max = 5;
  std::chrono::milliseconds fail_within{2'000};
};

/// When which of several processes is started, killed and started again. The times are the
/// caller's, counted from any beginning.
class process_table {
 public:
  using moment = std::chrono::milliseconds;

  enum class act : uint8_t { start, kill };
  struct action {
    act what = act::start;
    size_t process = 0;
    bool first = false;  ///< of a start: its first life
  };

  process_table(std::vector<process_spec> specs, process_table_options options);

  /// What is to be done now. A start is to be followed by ended() some day.
  std::vector<action> due(moment now);

  enum class ending : uint8_t {
    finished,  ///< there is nothing left to do
    left,      ///< with exit code 0, but not finished: somebody asked it to leave
    failed,    ///< with an error of its own
    hopeless,  ///< the same, and it says that starting it again is of no use
    killed     ///< by a signal that somebody sent
  };
  void ended(size_t process, moment now, ending how);

  /// From now on processes are killed, the first after kill_every.
  void arm(moment now);

  /// Nothing is started or killed any more.
  void stop() { stopping_ = true; }
  bool is_stopping() const { return stopping_; }

  const process_spec& spec(size_t process) const { return entries_.at(process).spec; }
  size_t size() const { return entries_.size(); }
  size_t running() const;
  bool is_over(size_t process) const { return entries_.at(process).over; }
  bool is_running(size_t process) const { return entries_.at(process).running; }
  /// It fails as soon as it is started, and is not started any more.
  bool is_given_up(size_t process) const;
  uint32_t lives(size_t process) const { return entries_.at(process).lives; }
  uint64_t kills() const { return kills_; }
  /// The first that is needed and given up.
  std::optional<size_t> given_up() const;

 private:
  struct entry {
    process_spec spec;
    bool running = false;
    bool over = false;
    uint32_t lives = 0;
    uint32_t failures = 0;
    moment started{0};
    moment next{0};
  };

  std::vector<entry> entries_;
  process_table_options options_;
  splitmix64 random_;
  moment next_kill_;
  uint64_t kills_ = 0;
  bool stopping_ = false;
};

}  // namespace swarm::tools
