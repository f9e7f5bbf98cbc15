#include "tools/processes/process_group.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <utility>

#include "tools/processes/signals.hpp"

namespace swarm::tools {

namespace {

constexpr std::chrono::milliseconds tick{20};

sigset_t handled_signals() {
  auto set = leave_signals();
  sigaddset(&set, SIGCHLD);
  return set;
}

/// "SIGKILL, Killed"
std::string name_of(int signal) {
  const char* name = sigabbrev_np(signal);
  const char* words = sigdescr_np(signal);
  if (name == nullptr || words == nullptr) return "signal " + std::to_string(signal);
  return std::string{"SIG"} + name + " (" + words + ")";
}

std::string to_text(const child_process::ending& how, process_table::ending meaning) {
  if (how.signal != 0) return "was ended by " + name_of(how.signal);
  switch (meaning) {
    case process_table::ending::finished:
      return how.exit_code == 0 ? "has finished"
                                : "has finished with exit code " + std::to_string(how.exit_code);
    case process_table::ending::left:
      return "has left because somebody asked it to";
    default:
      return "failed with exit code " + std::to_string(how.exit_code);
  }
}

}  // namespace

struct process_group::slot {
  std::optional<child_process> process;
  std::string partial;
  bool said_last_line = false;
  std::optional<child_process::ending> ended;
};

/// The descriptors that are waited for. Signals are handled here and nowhere else while it lives.
struct process_group::loop {
  loop() {
    const auto set = handled_signals();
    pthread_sigmask(SIG_BLOCK, &set, &before);
    signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    itimerspec every{};
    every.it_interval.tv_nsec = std::chrono::nanoseconds{tick}.count();
    every.it_value = every.it_interval;
    timerfd_settime(timer, 0, &every, nullptr);
  }
  ~loop() {
    close(signals);
    close(timer);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  void read_timer() {
    uint64_t expired = 0;
    if (read(timer, &expired, sizeof(expired)) == sizeof(expired)) now += tick * expired;
  }

  void read_signals() {
    signalfd_siginfo info;
    while (read(signals, &info, sizeof(info)) == sizeof(info))
      if (info.ssi_signo != SIGCHLD) ++stops;
  }

  sigset_t before{};
  int signals = -1;
  int timer = -1;
  std::chrono::milliseconds now{0};
  uint32_t stops = 0;  ///< signals that ask to leave, so far
};

process_group::process_group(program what, process_table table, events listener)
    : process_group("", std::move(table), std::move(listener)) {
  program_ = std::move(what);
}

process_group::process_group(const std::string& path, process_table table, events listener)
    : program_(program::open(path)),
      table_(std::move(table)),
      events_(std::move(listener)),
      loop_(std::make_unique<loop>()) {
  for (size_t i = 0; i < table_.size(); ++i)
    slots_.push_back(std::make_unique<slot>());
}

process_group::~process_group() = default;

std::chrono::milliseconds process_group::now() const {
  return loop_->now;
}

process_group::outcome process_group::run(std::optional<std::chrono::milliseconds> limit,
                                          const std::function<bool()>& until) {
  const auto end = limit ? std::optional{loop_->now + *limit} : std::nullopt;
  const auto stops = loop_->stops;
  while (true) {
    for (const auto& what : table_.due(loop_->now))
      act(what);
    if (table_.given_up()) return outcome::given_up;
    if (loop_->stops != stops) return outcome::asked_to_stop;
    if (end && loop_->now >= *end) return outcome::time_is_up;
    bool all_over = true;
    for (size_t i = 0; i < table_.size(); ++i)
      all_over = all_over && table_.is_over(i);
    if (all_over) return outcome::all_ended;
    if (until && until()) return outcome::condition_met;
    wait_once();
  }
}

void process_group::act(const process_table::action& what) {
  auto& place = *slots_[what.process];
  const auto& spec = table_.spec(what.process);
  if (what.what == process_table::act::kill) {
    events_.on_event(spec.name + " is killed");
    place.process->signal(SIGKILL);
    return;
  }
  auto arguments = spec.arguments;
  if (what.first)
    arguments.insert(arguments.end(), spec.first_arguments.begin(), spec.first_arguments.end());
  if (events_.on_start) arguments = events_.on_start(what.process, std::move(arguments));
  auto started = std::holds_alternative<program>(program_)
                     ? child_process::start(std::get<program>(program_), arguments)
                     : std::get<std::string>(program_);
  if (auto* why = std::get_if<std::string>(&started)) {
    events_.on_event(spec.name + ": " + *why);
    table_.ended(what.process, loop_->now, process_table::ending::failed);
    tell_given_up(what.process);
    return;
  }
  place.process = std::move(std::get<child_process>(started));
  place.partial.clear();
  place.said_last_line = false;
  if (!what.first) events_.on_event(spec.name + " is started again");
}

void process_group::wait_once() {
  std::vector<pollfd> watched{{loop_->signals, POLLIN, 0}, {loop_->timer, POLLIN, 0}};
  std::vector<size_t> readers;
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (!slots_[i]->process || slots_[i]->process->output() < 0) continue;
    if (slots_[i]->process->poll()) continue;
    watched.push_back({slots_[i]->process->output(), POLLIN, 0});
    readers.push_back(i);
  }
  ::poll(watched.data(), watched.size(), -1);
  loop_->read_timer();
  loop_->read_signals();
  for (size_t i = 0; i < readers.size(); ++i)
    if (watched[i + 2].revents != 0) read_output(readers[i]);
  reap();
  if (events_.on_tick) events_.on_tick(loop_->now);
}

void process_group::read_output(size_t process) {
  auto& place = *slots_[process];
  std::array<char, 4096> buffer;
  ssize_t count = 0;
  while ((count = read(place.process->output(), buffer.data(), buffer.size())) > 0) {
    for (ssize_t i = 0; i < count; ++i) {
      const char c = buffer[static_cast<size_t>(i)];
      if (c != '\n' && place.partial.size() < output_line_bytes_max) place.partial += c;
      if (c == '\n') hear(process);
    }
  }
}

void process_group::hear(size_t process) {
  auto& place = *slots_[process];
  const auto& spec = table_.spec(process);
  const auto& last = spec.last_line;
  if (!last.empty() && place.partial.compare(0, last.size(), last) == 0)
    place.said_last_line = true;
  events_.on_line(spec.name, place.partial);
  place.partial.clear();
}

process_table::ending process_group::ending_of(size_t process,
                                               const child_process::ending& how) const {
  if (how.signal != 0) return process_table::ending::killed;
  if (slots_[process]->said_last_line) return process_table::ending::finished;
  if (how.exit_code != 0 && how.exit_code == table_.spec(process).hopeless_exit_code)
    return process_table::ending::hopeless;
  if (how.exit_code != 0) return process_table::ending::failed;
  return table_.spec(process).last_line.empty() ? process_table::ending::finished
                                                : process_table::ending::left;
}

void process_group::tell_given_up(size_t process) {
  if (!table_.is_given_up(process)) return;
  events_.on_event(table_.spec(process).name +
                   " is given up: starting it again does not help, and its lines say why");
}

void process_group::reap() {
  for (size_t i = 0; i < slots_.size(); ++i) {
    auto& place = *slots_[i];
    if (!place.process || !table_.is_running(i)) continue;
    const auto how = place.process->poll();
    if (!how) continue;
    read_output(i);
    if (!place.partial.empty()) hear(i);
    place.ended = how;
    const auto meaning = ending_of(i, *how);
    // Whoever leaves because we asked is no news.
    if (!table_.is_stopping() || meaning != process_table::ending::left)
      events_.on_event(table_.spec(i).name + " " + to_text(*how, meaning));
    table_.ended(i, loop_->now, meaning);
    tell_given_up(i);
  }
}

size_t process_group::stop(std::chrono::milliseconds patience) {
  table_.stop();
  const auto stops = loop_->stops;
  const auto end = loop_->now + patience;
  for (size_t i = 0; i < slots_.size(); ++i) {
    signal(i, SIGCONT);
    signal(i, SIGTERM);
  }
  while (table_.running() != 0 && loop_->now < end && loop_->stops == stops)
    wait_once();
  const auto left = table_.running();
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (!signal(i, SIGKILL)) continue;
    events_.on_event(table_.spec(i).name + " did not leave in time and had to be killed");
  }
  while (table_.running() != 0)
    wait_once();
  return left;
}

bool process_group::signal(size_t process, int number) {
  if (!table_.is_running(process)) return false;
  slots_.at(process)->process->signal(number);
  return true;
}

pid_t process_group::pid(size_t process) const {
  const auto& place = *slots_.at(process);
  return place.process ? place.process->pid() : -1;
}

std::optional<child_process::ending> process_group::ended(size_t process) const {
  return table_.is_running(process) ? std::nullopt : slots_.at(process)->ended;
}

}  // namespace swarm::tools
