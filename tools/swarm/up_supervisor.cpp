#include "tools/swarm/up_supervisor.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "tools/processes/free_ports.hpp"
#include "tools/report/one_line.hpp"
#include "tools/report/standard_streams.hpp"
#include "tools/run/run_files.hpp"
#include "tools/swarm/network_options.hpp"

namespace swarm::tools {

using namespace std::chrono_literals;

namespace {

constexpr auto stop_patience = 15s;
/// Failing within it, a process has not got to its work; on a busy machine that takes seconds.
constexpr auto fail_within = 10s;
/// Attempts that may fail before the first step.
constexpr uint32_t attempts_max = 3;
constexpr auto progress_every = 5s;
/// What a trainer that leads prints, and the last line of one that has its steps.
constexpr std::string_view step_line = "step ";
constexpr const char* finished_line = "finished: ";
/// And what ends its run for good.
constexpr std::string_view diverged_line = "diverged at step ";

std::string milliseconds(std::chrono::milliseconds time) {
  return std::to_string(time.count()) + "ms";
}

std::string loopback(uint16_t port) {
  return "127.0.0.1:" + std::to_string(port);
}

}  // namespace

std::vector<std::string> process_names(const up_options& options) {
  std::vector<std::string> result;
  for (int64_t t = 1; t <= options.trainers; ++t)
    result.push_back("trainer-" + std::to_string(t));
  for (int64_t p = 1; p <= options.run.stages * options.run.workers; ++p)
    result.push_back("peer-" + std::to_string(p));
  return result;
}

up_supervisor::up_supervisor(const up_options& options, program what, token_numbers tokens)
    : options_(options),
      program_(std::move(what)),
      tokens_(std::move(tokens)),
      names_(process_names(options)),
      trainers_(static_cast<size_t>(options.trainers)),
      ports_(free_ports(names_.size())) {}

int up_supervisor::run(bool begins) {
  if (ports_.size() < names_.size()) return complain("not enough free ports on loopback");
  // Blocked between two groups, too, so that none is lost.
  stop_signals signals;
  say_where();
  while (attempt(begins) == ending::before_the_first_step) {
    if (!leave_out_culprit()) {
      return complain(culprit_ +
                      " fails before the run has begun, which cannot begin without it; its lines "
                      "above say why");
    }
    const auto next = beginning_of(options_.dir, static_cast<int32_t>(options_.run.stages), names_);
    if (next.how == beginning::kind::impossible) return complain(next.why);
    begins = next.how == beginning::kind::begins;
    say(std::string{"           * all are started again: the run "} +
        (begins ? "had not begun" : "goes on from what is kept"));
    now_ += options_.restart_after;
    if (signals.wait(options_.restart_after)) return exit_success;
  }
  say(std::to_string(kills_) + " kills");
  return exit_code_;
}

/// Somebody who ends is tried again a few times. False: without him nothing can begin.
bool up_supervisor::leave_out_culprit() {
  if (culprit_.empty() || ++failures_[culprit_] < attempts_max) return true;
  const auto at = std::find(names_.begin(), names_.end(), culprit_) - names_.begin();
  const bool trains = static_cast<size_t>(at) < trainers_;
  const auto trainers = trainers_ - (trains ? 1 : 0);
  if (!is_possible(trainers, names_.size() - 1 - trainers)) return false;
  names_.erase(names_.begin() + at);
  ports_.erase(ports_.begin() + at);
  trainers_ = trainers;
  say("           * " + culprit_ +
      " is given up: it fails before the run has begun, and its lines say why");
  return true;
}

void up_supervisor::say_where() {
  say(std::to_string(options_.run.stages) + " stages x " + std::to_string(options_.run.workers) +
      " peers, " + std::to_string(options_.trainers) + " trainers; join=" + loopback(ports_[0]) +
      " token=" + one_line(token_file(options_.dir, tokens_.at(names_[0]))));
}

std::vector<process_spec> up_supervisor::specs(bool begins) const {
  const auto trainers = trainers_;
  const std::vector<std::string> peers(names_.begin() + static_cast<ptrdiff_t>(trainers),
                                       names_.end());
  // All at once they would all choose the same; later each goes where it is needed.
  const auto stages =
      assign_stages(peers, static_cast<int32_t>(options_.run.stages), kept_states(options_.dir));
  std::vector<process_spec> result;
  for (size_t i = 0; i < names_.size(); ++i) {
    process_spec spec;
    spec.name = names_[i];
    spec.needed = false;
    // Nobody else has finished, however it leaves.
    spec.last_line = finished_line;
    // The other one would only be turned out in its turn.
    spec.hopeless_exit_code = exit_token_in_use;
    spec.arguments = {i < trainers ? "train" : "peer",
                      "--token=" + token_file(options_.dir, tokens_.at(spec.name)),
                      "--run=" + description_file(options_.dir),
                      "--state-dir=" + options_.dir + "/" + spec.name,
                      "--heartbeat-interval=" + milliseconds(options_.heartbeat_interval),
                      "--silence-timeout=" + milliseconds(options_.silence_timeout)};
    auto& more = spec.arguments;
    if (options_.insecure) more.emplace_back("--insecure");
    if (i < trainers) {
      more.push_back("--data=" + options_.run.data);
      more.push_back("--copy-every=" + std::to_string(options_.copy_every));
      more.push_back("--line-every=" + std::to_string(options_.line_every));
      more.push_back("--in-flight=" + std::to_string(options_.run.in_flight));
      more.push_back("--result=" + options_.dir + "/" + spec.name + ".json");
      if (begins && i == 0) spec.first_arguments = {"--begin"};
    } else {
      more.push_back("--rebalance=" + options_.rebalance);
      if (options_.keep_state) more.emplace_back("--keep-state");
      if (options_.keep_copies) more.emplace_back("--keep-copies");
      spec.first_arguments = {"--stage=" + std::to_string(stages[i - trainers])};
      if (begins) spec.first_arguments.emplace_back("--begin");
    }
    result.push_back(std::move(spec));
  }
  return result;
}

std::vector<std::string> up_supervisor::with_addresses(size_t process,
                                                       std::vector<std::string> arguments) {
  auto& port = ports_[process];
  if (!is_free(port)) {
    const auto others = free_ports(1);
    if (!others.empty()) {
      say("           * port " + std::to_string(port) + " is taken: " + names_[process] +
          " listens at " + loopback(others[0]));
      port = others[0];
    }
  }
  std::string everybody;
  for (const auto each : ports_)
    everybody += (everybody.empty() ? "" : ",") + loopback(each);
  arguments.push_back("--join=" + everybody);
  arguments.push_back("--bind=" + loopback(port));
  return arguments;
}

up_supervisor::ending up_supervisor::attempt(bool begins) {
  process_table_options table;
  table.kill_every = options_.kill_every;
  table.restart_after = options_.restart_after;
  table.seed = static_cast<uint64_t>(options_.chaos_seed);
  table.fail_within = fail_within;
  // Whoever is killed before the first step takes all others with it.
  table.armed = !begins;
  begun_ = !begins;
  culprit_.clear();
  const auto before = now_;
  process_group::events listener;
  listener.on_line = [this](const std::string& name, const std::string& line) {
    on_line(name, line);
  };
  listener.on_event = [this](const std::string& what) { say("           * " + what); };
  listener.on_tick = [this, before](std::chrono::milliseconds now) { now_ = before + now; };
  listener.on_start = [this](size_t process, std::vector<std::string> arguments) {
    return with_addresses(process, std::move(arguments));
  };
  process_group group{program_, process_table{specs(begins), table}, std::move(listener)};
  const auto limit = options_.limit.count() == 0
                         ? std::nullopt
                         : std::optional{std::max(options_.limit - now_, 0ms)};
  const auto outcome = group.run(limit, [&] {
    if (diverged_) return true;
    if (!begun_) return someone_is_down(group);
    group.arm_kills();
    return has_finished(group) || !is_possible(group.table());
  });
  const bool early = !begun_ && !diverged_ && outcome != process_group::outcome::asked_to_stop &&
                     outcome != process_group::outcome::time_is_up;
  if (early) {
    for (size_t i = 0; i < names_.size() && culprit_.empty(); ++i) {
      const auto how = group.ended(i);
      const bool failed = !how || (how->signal == 0 && how->exit_code != 0);
      if (!group.table().is_running(i) && failed) culprit_ = names_[i];
    }
  } else {
    conclude(group, outcome);
  }
  group.stop(stop_patience);
  kills_ += group.table().kills();
  return early ? ending::before_the_first_step : ending::over;
}

bool up_supervisor::someone_is_down(const process_group& group) const {
  return group.table().running() < names_.size();
}

bool up_supervisor::is_possible(size_t trainers, size_t peers) const {
  return trainers > 0 && peers >= static_cast<size_t>(options_.run.stages);
}

bool up_supervisor::is_possible(const process_table& table) const {
  size_t trainers = 0;
  size_t peers = 0;
  for (size_t i = 0; i < names_.size(); ++i)
    if (!table.is_given_up(i)) ++(i < trainers_ ? trainers : peers);
  return is_possible(trainers, peers);
}

bool up_supervisor::has_finished(const process_group& group) const {
  for (size_t i = 0; i < trainers_; ++i)
    if (!group.table().is_over(i)) return false;
  return true;
}

void up_supervisor::conclude(const process_group& group, process_group::outcome outcome) {
  const auto& table = group.table();
  std::string lost;
  for (size_t i = 0; i < names_.size(); ++i) {
    const auto how = group.ended(i);
    if (table.is_given_up(i))
      lost += (lost.empty() ? "" : ", ") + names_[i];
    else if (table.is_over(i) && how && how->exit_code != 0)
      exit_code_ = exit_failure;
  }
  if (diverged_) {
    exit_code_ = complain(
        std::string{"the run has diverged, its trainer's line above says since when"} +
        (options_.keep_state || options_.keep_copies ? "; what the peers kept is in --dir" : ""));
  } else if (!is_possible(table)) {
    exit_code_ = complain("the run cannot go on without those that are given up (" + lost +
                          "); their lines above say why");
  }
  if (outcome == process_group::outcome::time_is_up)
    say(std::string{"--for is over"} +
        (options_.keep_state || options_.keep_copies ? "; the same command goes on" : ""));
}

void up_supervisor::on_line(const std::string& name, const std::string& line) {
  if (line.compare(0, step_line.size(), step_line) == 0)
    on_step(std::atoll(line.c_str() + step_line.size()));
  diverged_ = diverged_ || line.compare(0, diverged_line.size(), diverged_line) == 0;
  std::string shown = name;
  shown.resize(std::max<size_t>(shown.size(), 10), ' ');
  say(shown + " | " + one_line(line));
}

void up_supervisor::on_step(int64_t step) {
  if (begun_ && noted_.count() != 0 && now_ < noted_ + progress_every) return;
  begun_ = true;
  noted_ = std::max(now_, 1ms);
  run_progress progress;
  progress.step = step;
  if (options_.keep_copies) progress.kept_every = options_.copy_every;
  if (options_.keep_state) progress.kept_every = 1;
  // Without it the next start only knows less.
  write_progress(options_.dir, progress);
}

/// The run is not the reader's to end: without one it goes on.
void up_supervisor::say(const std::string& line) {
  std::printf("%s\n", line.c_str());
  if (!output_failed()) return;
  forget_output();
  if (std::exchange(told_alone_, true)) return;
  complain("standard output cannot be written any more; the run goes on, and swarm stop --dir=" +
           options_.dir + " ends it");
}

int up_supervisor::complain(const std::string& sentence) const {
  std::fprintf(stderr, "swarm up: %s\n", one_line(sentence).c_str());
  return exit_failure;
}

}  // namespace swarm::tools
