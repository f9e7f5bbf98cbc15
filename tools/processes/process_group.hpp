#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "tools/processes/child_process.hpp"
#include "tools/processes/process_table.hpp"

namespace swarm::tools {

/// A line longer than this is cut.
inline constexpr size_t output_line_bytes_max = 4096;

/// Runs the processes of a process_table, passes their lines on, and ends them in order. Time is
/// the operating system's timer, so a process_group that was stopped and continued catches up.
class process_group {
 public:
  struct events {
    std::function<void(const std::string& name, const std::string& line)> on_line;
    std::function<void(const std::string& what)> on_event;       ///< started, killed, ended
    std::function<void(std::chrono::milliseconds now)> on_tick;  ///< optional
    /// Optional: the arguments with which a process is started now, from those of its spec.
    std::function<std::vector<std::string>(size_t process, std::vector<std::string> arguments)>
        on_start{};
  };

  /// Opens the program once: what it is replaced by during the run is not started.
  process_group(const std::string& path, process_table table, events listener);
  process_group(program what, process_table table, events listener);
  ~process_group();

  /// Handles what happens for so long, or until a signal asks to stop or a process that is needed
  /// is given up.
  enum class outcome : uint8_t { time_is_up, asked_to_stop, given_up, all_ended, condition_met };
  outcome run(std::optional<std::chrono::milliseconds> limit,
              const std::function<bool()>& until = {});

  /// SIGTERM to all; SIGKILL to those left after `patience` or when a second signal comes, each
  /// with an event. Returns how many had to be killed.
  size_t stop(std::chrono::milliseconds patience);

  const process_table& table() const { return table_; }
  void arm_kills() { table_.arm(now()); }
  std::chrono::milliseconds now() const;
  /// For tests and chaos: a signal to one that runs. False: it does not run.
  bool signal(size_t process, int number);
  pid_t pid(size_t process) const;
  /// How its last life ended; nothing while it runs, or when it has never run.
  std::optional<child_process::ending> ended(size_t process) const;

 private:
  struct slot;
  struct loop;

  void act(const process_table::action& what);
  void wait_once();
  void read_output(size_t process);
  void hear(size_t process);
  void reap();
  void tell_given_up(size_t process);
  process_table::ending ending_of(size_t process, const child_process::ending& how) const;

  std::variant<program, std::string> program_;
  process_table table_;
  events events_;
  std::vector<std::unique_ptr<slot>> slots_;
  std::unique_ptr<loop> loop_;
};

}  // namespace swarm::tools
