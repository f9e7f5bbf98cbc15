#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "actors/rebalancing/policy.hpp"
#include "tools/options/option_table.hpp"
#include "tools/processes/free_ports.hpp"
#include "tools/processes/process_group.hpp"
#include "tools/processes/state_folder.hpp"
#include "tools/report/one_line.hpp"
#include "tools/report/user_path.hpp"
#include "tools/run/run_files.hpp"
#include "tools/swarm/commands.hpp"
#include "tools/swarm/node_program.hpp"

namespace swarm::tools {

using namespace std::chrono_literals;

namespace {

constexpr int64_t seconds_per_day = 24 * 3600;
constexpr int64_t validity_days = 30;
constexpr auto stop_patience = 15s;
/// What a trainer that leads prints.
constexpr std::string_view step_line = "step ";

struct up_options {
  run_options run;
  std::string dir;
  int64_t trainers = 2;
  std::chrono::milliseconds kill_every{0};
  std::chrono::milliseconds restart_after = 5s;
  std::chrono::milliseconds limit{0};
  int64_t chaos_seed = 1;
  int64_t line_every = 20;
  bool keep_state = false;
  bool keep_copies = false;
  int64_t copy_every = 20;
  std::string rebalance = "throughput";
  bool insecure = false;
  std::chrono::milliseconds heartbeat_interval{250};
  std::chrono::milliseconds silence_timeout{1'000};
};

int complain(const std::string& sentence) {
  std::fprintf(stderr, "swarm up: %s\n", one_line(sentence).c_str());
  return exit_failure;
}

/// The run in the folder, made now if there is none. A sentence and an exit code when that fails.
std::variant<identity::run_description, std::pair<int, std::string>> prepare_run(
    up_options& options, int64_t processes) {
  const auto file = description_file(options.dir);
  const auto now = unix_now_ms();
  new_run what;
  what.folder = options.dir;
  what.name = "up";
  what.valid_s = validity_days * seconds_per_day;
  if (!std::filesystem::exists(file)) {
    auto loaded = load_run_corpus(options.run);
    if (const auto* why = std::get_if<std::string>(&loaded)) return std::pair{exit_usage, *why};
    what.peers = processes;
    const auto failed = make_run(what, options.run, std::get<tensors::corpus>(loaded), now);
    if (failed) return std::pair{exit_failure, *failed};
  } else {
    std::printf("%s is there already: the run goes on as it describes\n", one_line(file).c_str());
  }
  int64_t tokens = 0;
  while (std::filesystem::exists(token_file(options.dir, tokens + 1)))
    ++tokens;
  if (tokens < processes) {
    what.peers = processes - tokens;
    const auto added = add_tokens(what, now);
    if (const auto* why = std::get_if<std::string>(&added)) return std::pair{exit_failure, *why};
  }
  auto described = load_description(file, std::nullopt);
  if (const auto* why = std::get_if<std::string>(&described)) return std::pair{exit_failure, *why};
  return std::get<loaded_description>(described).run;
}

std::string milliseconds(std::chrono::milliseconds time) {
  return std::to_string(time.count()) + "ms";
}

std::vector<process_spec> specs_of(const up_options& options, const identity::run_description& run,
                                   bool fresh, const std::vector<uint16_t>& ports) {
  std::string everybody;
  for (const auto port : ports)
    everybody += (everybody.empty() ? "" : ",") + std::string{"127.0.0.1:"} + std::to_string(port);
  std::vector<process_spec> result;
  const auto common = [&](process_spec& spec, size_t number) {
    spec.arguments = {spec.arguments[0],
                      "--token=" + token_file(options.dir, static_cast<int64_t>(number) + 1),
                      "--run=" + description_file(options.dir),
                      "--join=" + everybody,
                      "--bind=127.0.0.1:" + std::to_string(ports[number]),
                      "--state-dir=" + options.dir + "/" + spec.name,
                      "--heartbeat-interval=" + milliseconds(options.heartbeat_interval),
                      "--silence-timeout=" + milliseconds(options.silence_timeout)};
    if (options.insecure) spec.arguments.emplace_back("--insecure");
  };
  for (int64_t t = 0; t < options.trainers; ++t) {
    process_spec spec;
    spec.name = "trainer-" + std::to_string(t + 1);
    spec.arguments = {"train"};
    common(spec, result.size());
    spec.arguments.push_back("--data=" + options.run.data);
    spec.arguments.push_back("--copy-every=" + std::to_string(options.copy_every));
    spec.arguments.push_back("--line-every=" + std::to_string(options.line_every));
    spec.arguments.push_back("--in-flight=" + std::to_string(options.run.in_flight));
    spec.arguments.push_back("--result=" + options.dir + "/" + spec.name + ".json");
    if (fresh && t == 0) spec.first_arguments = {"--begin"};
    result.push_back(std::move(spec));
  }
  for (int64_t p = 0; p < run.stages * options.run.workers; ++p) {
    process_spec spec;
    spec.name = "peer-" + std::to_string(p + 1);
    spec.arguments = {"peer"};
    common(spec, result.size());
    spec.arguments.push_back("--rebalance=" + options.rebalance);
    if (options.keep_state) spec.arguments.emplace_back("--keep-state");
    if (options.keep_copies) spec.arguments.emplace_back("--keep-copies");
    // All at once they would all choose the same; later each goes where it is needed.
    if (fresh) spec.first_arguments = {"--begin", "--stage=" + std::to_string(p % run.stages)};
    result.push_back(std::move(spec));
  }
  return result;
}

int supervise(const up_options& options, process_table table) {
  process_group::events listener;
  bool begun = false;
  listener.on_line = [&begun](const std::string& name, const std::string& line) {
    begun = begun || line.compare(0, step_line.size(), step_line) == 0;
    std::printf("%-10s | %s\n", name.c_str(), one_line(line).c_str());
  };
  listener.on_event = [](const std::string& what) {
    std::printf("%-10s * %s\n", "", what.c_str());
  };
  process_group group{node_program(), std::move(table), listener};
  const auto trainers = static_cast<size_t>(options.trainers);
  const auto finished = [&] {
    // Whoever is killed before the run has begun cannot begin it in another life.
    if (begun) group.arm_kills();
    for (size_t i = 0; i < trainers; ++i)
      if (!group.table().is_over(i)) return false;
    return true;
  };
  const auto limit = options.limit.count() == 0 ? std::nullopt : std::optional{options.limit};
  const auto outcome = group.run(limit, finished);
  const bool given_up = outcome == process_group::outcome::given_up;
  const auto culprit = group.table().given_up();
  if (group.stop(stop_patience) != 0) std::printf("some did not leave and were killed\n");
  std::printf("%llu kills\n", static_cast<unsigned long long>(group.table().kills()));
  if (given_up) {
    return complain(group.table().spec(*culprit).name +
                    " fails as soon as it is started; its lines above say why");
  }
  if (outcome == process_group::outcome::time_is_up)
    std::printf("--for is over%s\n",
                options.keep_state || options.keep_copies ? "; the same command goes on" : "");
  return exit_success;
}

/// Some peer of an earlier life wrote a stage's state.
bool kept_state(const std::string& folder) {
  for (int64_t p = 1; p <= run_workers_max; ++p) {
    const auto peer = folder + "/peer-" + std::to_string(p);
    if (!std::filesystem::exists(peer)) return false;
    if (std::filesystem::exists(peer + "/stage-0") || std::filesystem::exists(peer + "/copy-0"))
      return true;
  }
  return false;
}

int up(up_options options) {
  options.dir = user_path(options.dir);
  auto folder = state_folder::open(options.dir);
  if (const auto* why = std::get_if<std::string>(&folder)) return complain("--dir: " + *why);
  // Processes of a run that was there before must not begin it again.
  const bool fresh = !std::filesystem::exists(description_file(options.dir));
  const auto most = options.trainers + options.run.stages * options.run.workers;
  auto prepared = prepare_run(options, most);
  if (const auto* why = std::get_if<std::pair<int, std::string>>(&prepared)) {
    complain(why->second);
    return why->first;
  }
  const auto& run = std::get<identity::run_description>(prepared);
  const auto processes = static_cast<size_t>(options.trainers + run.stages * options.run.workers);
  const auto ports = free_ports(processes);
  if (ports.size() < processes) return complain("not enough free ports on loopback");
  if (!fresh && !kept_state(options.dir)) {
    return complain("the run in " + options.dir +
                    " has begun and its peers kept no state: choose another --dir, and give "
                    "--keep-state or --keep-copies from the beginning to be able to go on");
  }
  process_table_options table;
  table.kill_every = options.kill_every;
  table.restart_after = options.restart_after;
  table.seed = static_cast<uint64_t>(options.chaos_seed);
  table.armed = !fresh;
  std::printf("%d stages x %lld peers, %lld trainers; join=127.0.0.1:%u token=%s\n", run.stages,
              static_cast<long long>(options.run.workers), static_cast<long long>(options.trainers),
              ports[0], token_file(options.dir, 1).c_str());
  return supervise(options, process_table{specs_of(options, run, fresh, ports), table});
}

}  // namespace

int run_up(int argc, const char* const* argv) {
  up_options options;
  options.run.scope = run_scope::processes;
  option_table table{"swarm up",
                     "Runs a whole swarm of processes on this machine and watches over it."};
  add_description_options(table, options.run);
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
      .add(options.keep_copies, "keep-copies",
           "Peers write the copies that they make every --copy-every steps to the disk.")
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
  table.add_check([&]() -> std::optional<std::string> {
    if (options.dir.empty()) return "--dir names no folder.";
    if (!rebalancing::policy_from_name(options.rebalance)) {
      return "--rebalance=" + one_line(options.rebalance) +
             " is no policy, only none, throughput and queue are.";
    }
    return std::nullopt;
  });
  return run_main(argc, argv, table, [&] {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    return up(options);
  });
}

}  // namespace swarm::tools
