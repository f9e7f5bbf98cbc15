#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "actors/rebalancing/policy.hpp"
#include "tensors/engine/cpu_kernels.hpp"
#include "tools/options/option_table.hpp"
#include "tools/processes/process_group.hpp"
#include "tools/processes/state_folder.hpp"
#include "tools/report/one_line.hpp"
#include "tools/report/user_path.hpp"
#include "tools/run/run_files.hpp"
#include "tools/run/same_run.hpp"
#include "tools/swarm/commands.hpp"
#include "tools/swarm/node_program.hpp"
#include "tools/swarm/up_folder.hpp"
#include "tools/swarm/up_supervisor.hpp"

namespace swarm::tools {

using namespace std::chrono_literals;

namespace {

constexpr int64_t seconds_per_day = 24 * 3600;
constexpr int64_t validity_days = 30;

int complain(const std::string& sentence, int exit_code = exit_failure) {
  std::fprintf(stderr, "swarm up: %s\n", one_line(sentence).c_str());
  return exit_code;
}

new_run files_of(const up_options& options, int64_t tokens) {
  new_run what;
  what.folder = options.dir;
  what.name = "up";
  what.valid_s = validity_days * seconds_per_day;
  what.peers = tokens;
  return what;
}

bool is_described(const up_options& options) {
  return std::filesystem::exists(description_file(options.dir));
}

/// A sentence when --data names another corpus than the run's.
std::optional<std::string> other_corpus(up_options& options, const identity::run_description& run) {
  if (options.run.data == run.data_source) return std::nullopt;
  const auto loaded = load_run_corpus(options.run);
  if (const auto* why = std::get_if<std::string>(&loaded)) return *why;
  const auto hash = corpus_hash(std::get<tensors::corpus>(loaded));
  if (hash == run.data_hash) return std::nullopt;
  return "--data=" + options.run.data + " has hash " + hash + ", the data of the run in " +
         options.dir + " " + run.data_hash + ": give the file that the run was made with (" +
         run.data_source + "), or choose another --dir for a new run.";
}

/// The number of each process' token, and the tokens that are missing. A sentence on failure.
std::variant<token_numbers, std::string> prepare_tokens(const up_options& options,
                                                        int64_t unix_ms) {
  const auto numbers = assign_tokens(process_names(options), read_token_numbers(options.dir));
  int64_t last = 0;
  for (const auto& each : numbers)
    last = std::max(last, each.second);
  int64_t missing = 0;
  for (int64_t number = 1; number <= last; ++number)
    missing += std::filesystem::exists(token_file(options.dir, number)) ? 0 : 1;
  if (missing != 0) {
    const auto added = add_tokens(files_of(options, missing), unix_ms);
    if (const auto* why = std::get_if<std::string>(&added)) return *why;
  }
  if (const auto failed = write_token_numbers(options.dir, numbers))
    return "the file " + options.dir + "/tokens cannot be written: " + failed.message();
  return numbers;
}

int up(up_options options, const same_run& same) {
  if (const auto why = node_refusal()) return complain(*why);
  options.dir = user_path(options.dir);
  std::optional<tensors::corpus> data;
  // Bad input leaves nothing behind.
  if (!is_described(options)) {
    auto loaded = load_run_corpus(options.run);
    if (const auto* why = std::get_if<std::string>(&loaded)) return complain(*why, exit_usage);
    data = std::get<tensors::corpus>(std::move(loaded));
  } else if (const auto why = same.difference()) {
    return complain(*why, exit_usage);
  }
  auto folder = state_folder::open(options.dir);
  if (const auto* why = std::get_if<std::string>(&folder)) return complain("--dir: " + *why);
  const auto now = unix_now_ms();
  if (data) {
    const auto tokens = static_cast<int64_t>(process_names(options).size());
    if (const auto why = make_run(files_of(options, tokens), options.run, *data, now))
      return complain(*why);
  }
  const auto described = load_description(description_file(options.dir), std::nullopt);
  if (const auto* why = std::get_if<std::string>(&described)) return complain(*why);
  const auto& run = std::get<loaded_description>(described).run;
  if (!data) {
    if (const auto why = other_corpus(options, run)) return complain(*why, exit_usage);
    std::printf("%s is there already: the run goes on as it describes\n",
                one_line(description_file(options.dir)).c_str());
  }
  if (!run.kernels.empty()) {
    if (const auto why = tensors::kernels_missing(run.kernels, tensors::detect_cpu()))
      return complain(*why);
  }
  tensors::prepare_kernels_of_children(run.kernels);
  const auto begin = beginning_of(options.dir, run.stages, process_names(options));
  if (begin.how == beginning::kind::impossible) return complain(begin.why);
  if (!begin.why.empty()) std::printf("%s\n", one_line(begin.why).c_str());
  auto tokens = prepare_tokens(options, now);
  if (const auto* why = std::get_if<std::string>(&tokens)) return complain(*why);
  auto what = program::open(node_program());
  if (const auto* why = std::get_if<std::string>(&what)) return complain(*why);
  up_supervisor supervisor{options, std::get<program>(std::move(what)),
                           std::get<token_numbers>(std::move(tokens))};
  return supervisor.run(begin.how == beginning::kind::begins);
}

}  // namespace

int run_up(int argc, const char* const* argv) {
  up_options options;
  options.run.scope = run_scope::processes;
  option_table table{"swarm up",
                     "Runs a whole swarm of processes on this machine and watches over it."};
  const same_run same{table, options.run, [&] { return user_path(options.dir); }};
  add_worker_options(table, options.run);
  table
      .add(options.dir, "dir",
           "Folder of the run and of its processes. A run that is there already goes on.", "path")
      .add(options.trainers, "trainers", "Trainers, each a candidate for the coordinator's office.",
           "processes", 1, 64)
      .add(options.kill_every, "kill-every",
           "Kills a random process this often, whatever it is; 0: never.", 0ms, 24h)
      .add(options.restart_after, "restart-after",
           "A process that ended is started again after this.", 0ms, 24h)
      .add(options.limit, "for", "Stops after this; 0: when the run has its steps.", 0ms, 24h * 365)
      .add(options.chaos_seed, "chaos-seed", "Which processes are killed.", "", 0, INT64_MAX)
      .add(options.line_every, "line-every", "Steps between two lines of progress.", "steps", 1,
           1'000'000)
      .add(options.keep_state, "keep-state",
           "Peers write their stage's state to the disk before each step counts as done.")
      .add(
          options.keep_copies, "keep-copies",
          "Peers write the copies that they make every --copy-every steps to the disk, so that the "
          "same command goes on after a stop.")
      .add(options.copy_every, "copy-every",
           "Steps that a lost stage costs at most; see train --help. 0: no copies.", "steps", 0,
           1'000'000)
      .add(options.rebalance, "rebalance",
           "When peers move to other stages: none, throughput or queue; see peer --help.")
      .add(options.insecure, "insecure", "Plain TCP instead of TLS.")
      .add(options.heartbeat_interval, "heartbeat-interval",
           "How often a connection without traffic shows that it is alive.", 10ms, 60s)
      .add(options.silence_timeout, "silence-timeout",
           "A connection that brings nothing for so long is given up.", 50ms, 600s);
  table.add_derived_default("keep-copies", "without --keep-state",
                            [&] { return !options.keep_state; });
  table.add_check([&]() -> std::optional<std::string> {
    if (options.dir.empty()) return "--dir names no folder.";
    if (!rebalancing::policy_from_name(options.rebalance)) {
      return "--rebalance=" + one_line(options.rebalance) +
             " is no policy, only none, throughput and queue are.";
    }
    return std::nullopt;
  });
  return run_main(
      argc, argv, table,
      [&] {
        std::setvbuf(stdout, nullptr, _IOLBF, 0);
        return up(options, same);
      },
      output_role::company);
}

}  // namespace swarm::tools
