#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

/// What lies in the folder of `swarm up` beside the run's own files.
///
///     tokens       which process has which token, a line "NAME NUMBER" each
///     progress     how far the run was when it was looked at last: "STEP EVERY"
///     trainer-N/   --state-dir of each trainer
///     peer-N/      and of each peer
namespace swarm::tools {

/// Numbers of token files by the name of the process.
using token_numbers = std::map<std::string, int64_t>;

/// As they were given before. A folder from before they were written down had the trainers' first.
token_numbers read_token_numbers(const std::string& folder);
std::error_code write_token_numbers(const std::string& folder, const token_numbers& numbers);

/// Who has a number keeps it; the others get the lowest that nobody has.
token_numbers assign_tokens(const std::vector<std::string>& names, token_numbers known);

/// A state of a stage that a peer has on the disk.
struct kept_state {
  std::string process;
  int32_t stage = 0;
  int64_t version = 0;  ///< the newest; 0: before the first step
  bool copy = false;    ///< for others; else of what it served
};

/// All that the processes in this folder have kept.
std::vector<kept_state> kept_states(const std::string& folder);

/// How far a run got, and what a lost stage costs.
struct run_progress {
  int64_t step = 0;
  int64_t kept_every = 0;  ///< steps between two states on the disk; 0: none were written
};
std::optional<run_progress> read_progress(const std::string& folder);
std::error_code write_progress(const std::string& folder, const run_progress& progress);

struct beginning {
  enum class kind : uint8_t {
    begins,      ///< nothing is there to go on from, and nothing has been lost
    goes_on,     ///< from what is kept
    impossible,  ///< what was reached is lost, all of it or some stages
  };
  kind how = kind::begins;
  std::string why;  ///< a sentence for people; may be empty
};

/// How a run that was described before is started with these processes. It never begins beside a
/// state that is kept, by whomever.
beginning beginning_of(const std::string& folder, int32_t stages,
                       const std::vector<std::string>& processes);

/// The stage of each peer at the start, balanced: those that kept the state of a stage go there,
/// newest and rarest first.
std::vector<int32_t> assign_stages(const std::vector<std::string>& peers, int32_t stages,
                                   const std::vector<kept_state>& kept);

}  // namespace swarm::tools
