#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tools/options/run_options.hpp"
#include "tools/processes/process_group.hpp"
#include "tools/processes/signals.hpp"
#include "tools/swarm/up_folder.hpp"

namespace swarm::tools {

struct up_options {
  run_options run;
  std::string dir;
  int64_t trainers = 2;
  std::chrono::milliseconds kill_every{0};
  std::chrono::milliseconds restart_after{5'000};
  std::chrono::milliseconds limit{0};
  int64_t chaos_seed = 1;
  int64_t line_every = 20;
  bool keep_state = false;
  bool keep_copies = true;
  int64_t copy_every = 20;
  std::string rebalance = "throughput";
  bool insecure = false;
  std::chrono::milliseconds heartbeat_interval{250};
  std::chrono::milliseconds silence_timeout{1'000};
};

/// "trainer-1" ... and then "peer-1" ..., the names of all processes.
std::vector<std::string> process_names(const up_options& options);

/// The processes of `swarm up`. Whoever ends is started again, with three exceptions:
///
/// - Before the first step nobody can say how far the others are, so one that ends takes all with
///   it, and all begin again together. --begin never meets a run that has made a step. One that
///   has failed so three times is left out.
/// - A trainer that says that it has finished stays away.
/// - One that fails as soon as it is started, again and again, is given up alone; the others go on
///   while there are a trainer and as many peers as stages.
class up_supervisor {
 public:
  /// `tokens` has a number for each of process_names().
  up_supervisor(const up_options& options, program what, token_numbers tokens);

  /// Until the run has its steps, --for is over or a signal asks to leave. The exit code.
  int run(bool begins);

 private:
  enum class ending : uint8_t { over, before_the_first_step };

  ending attempt(bool begins);
  void say_where();
  std::vector<process_spec> specs(bool begins) const;
  std::vector<std::string> with_addresses(size_t process, std::vector<std::string> arguments);
  void on_line(const std::string& name, const std::string& line);
  void on_step(int64_t step);
  void say(const std::string& line);
  int complain(const std::string& sentence) const;
  bool someone_is_down(const process_group& group) const;
  bool is_possible(size_t trainers, size_t peers) const;
  bool is_possible(const process_table& table) const;
  bool leave_out_culprit();
  bool has_finished(const process_group& group) const;
  void conclude(const process_group& group, process_group::outcome outcome);

  const up_options& options_;
  program program_;
  token_numbers tokens_;
  std::vector<std::string> names_;  ///< trainers first
  size_t trainers_;
  std::vector<uint16_t> ports_;
  bool begun_ = false;                  ///< a step has been made
  bool diverged_ = false;               ///< a trainer says so: starting it again helps nobody
  bool told_alone_ = false;             ///< nobody reads standard output
  std::chrono::milliseconds now_{0};    ///< over all attempts
  std::chrono::milliseconds noted_{0};  ///< when the progress was written last
  uint64_t kills_ = 0;
  std::string culprit_;                       ///< of the last attempt: failed before the first step
  std::map<std::string, uint32_t> failures_;  ///< of culprits
  int exit_code_ = 0;
};

}  // namespace swarm::tools
