#include "experiments/live_run.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <utility>

#include "tools/processes/free_ports.hpp"
#include "tools/processes/state_folder.hpp"
#include "tools/run/run_files.hpp"

namespace swarm::experiments {

namespace {

constexpr int64_t validity_s = 24 * 3600;

}  // namespace

const told_event* first_of(const std::vector<told_event>& events, const std::string& name) {
  for (const auto& e : events)
    if (e.name() == name) return &e;
  return nullptr;
}

live_run::live_run(live_run_options options, std::filesystem::path dir)
    : options_(std::move(options)),
      dir_(std::move(dir)),
      processes_(tools::tree_program("tools/swarm/swarm"),
                 [this](size_t from, const std::string& line) { hear(from, line); }) {}

std::optional<std::string> live_run::begin(const tensors::corpus& data,
                                           const std::vector<int64_t>& peers) {
  tools::new_run what;
  what.folder = dir_.string();
  what.name = options_.name;
  what.peers = options_.tokens;
  what.valid_s = validity_s;
  if (auto why = tools::make_run(what, options_.run, data, tools::unix_now_ms())) return why;
  const auto ports = tools::free_ports(1);
  if (ports.empty()) return "no free port on loopback";
  seed_ = "127.0.0.1:" + std::to_string(ports[0]);
  auto train = arguments("train", seed_, next_token_++);
  train.insert(train.end(), {"--data=" + options_.run.data, "--begin", "--line-every=1",
                             "--in-flight=" + std::to_string(options_.run.in_flight)});
  train.insert(train.end(), options_.trainer_arguments.begin(), options_.trainer_arguments.end());
  processes_.start(train);
  first_.resize(peers.size());
  for (size_t stage = 0; stage < peers.size(); ++stage)
    for (int64_t p = 0; p < peers[stage]; ++p)
      first_[stage].push_back(start(static_cast<int64_t>(stage), true));
  if (!processes_.failure().empty()) return processes_.failure();
  return std::nullopt;
}

std::filesystem::path live_run::folder(int64_t token) const {
  return dir_ / ("process-" + std::to_string(token));
}

std::vector<std::string> live_run::arguments(const std::string& command, const std::string& bind,
                                             int64_t token) const {
  std::vector<std::string> result{command,
                                  "--token=" + tools::token_file(dir_.string(), token),
                                  "--run=" + tools::description_file(dir_.string()),
                                  "--join=" + seed_,
                                  "--bind=" + bind,
                                  "--state-dir=" + folder(token).string()};
  if (options_.bytes_per_s > 0)
    result.push_back("--bytes-per-s=" + std::to_string(options_.bytes_per_s));
  return result;
}

live_run::process live_run::start(int64_t stage, bool first) {
  const auto token = next_token_++;
  auto given = arguments("peer", "127.0.0.1:0", token);
  given.push_back("--stage=" + std::to_string(stage));
  if (first) given.emplace_back("--begin");
  given.insert(given.end(), options_.peer_arguments.begin(), options_.peer_arguments.end());
  return {processes_.start(given), token};
}

live_run::process live_run::start_lone_peer() {
  const auto token = next_token_++;
  return {
      processes_.start({"peer", "--token=" + tools::token_file(dir_.string(), token),
                        "--run=" + tools::description_file(dir_.string()), "--stage=0", "--begin",
                        "--bind=127.0.0.1:0", "--state-dir=" + folder(token).string()}),
      token};
}

std::string live_run::failure() const {
  return processes_.failure().empty() ? "the run stands still" : processes_.failure();
}

int64_t live_run::workers(int64_t stage) const {
  const auto at = static_cast<size_t>(stage);
  return at < workers_.size() ? workers_[at] : 0;
}

std::vector<told_event> live_run::told_by(process which) const {
  std::vector<told_event> result;
  std::ifstream file{folder(which.token) / "telemetry.jsonl"};
  for (std::string line; std::getline(file, line);) {
    auto parsed = nlohmann::json::parse(line, nullptr, false);
    // The last line may be on its way.
    if (parsed.is_object()) result.push_back({parsed.value("t", 0.0), std::move(parsed)});
  }
  return result;
}

uint64_t live_run::peak_bytes(process which) const {
  const auto pid = processes_.pid(which.child);
  if (!pid) return 0;
  std::ifstream file{"/proc/" + std::to_string(*pid) + "/status"};
  for (std::string line; std::getline(file, line);) {
    unsigned long long kib = 0;
    if (std::sscanf(line.c_str(), "VmHWM: %llu kB", &kib) == 1) return uint64_t{kib} << 10;
  }
  return 0;
}

void live_run::hear(size_t from, const std::string& line) {
  long long step = 0;
  const auto workers = line.find("workers ");
  if (from != trainer().child || workers == std::string::npos) return;
  if (std::sscanf(line.c_str(), "step %lld", &step) != 1) return;
  last_step_ = step;
  workers_.clear();
  std::istringstream counts{line.substr(workers + 8)};
  for (std::string count; std::getline(counts, count, '/');)
    workers_.push_back(std::atoll(count.c_str()));
}

}  // namespace swarm::experiments
