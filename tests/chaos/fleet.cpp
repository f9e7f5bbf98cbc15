#include "tests/chaos/fleet.hpp"

#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <variant>

namespace swarm::chaos {

namespace {

constexpr std::chrono::milliseconds tick{10};
/// Of each process in a story.
constexpr size_t story_lines_max = 25;

/// --test_env=CHAOS_LOUD=1 shows every line with its time.
bool loud() {
  static const bool result = std::getenv("CHAOS_LOUD") != nullptr;
  return result;
}

tools::child_process launch(const std::string& program, const std::vector<std::string>& arguments) {
  auto started = tools::child_process::start(program, arguments);
  if (const auto* why = std::get_if<std::string>(&started)) throw std::runtime_error(*why);
  return std::move(std::get<tools::child_process>(started));
}

}  // namespace

fleet::fleet() : timer_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {
  itimerspec every{};
  every.it_interval.tv_nsec = std::chrono::nanoseconds{tick}.count();
  every.it_value = every.it_interval;
  timerfd_settime(timer_, 0, &every, nullptr);
}

fleet::~fleet() {
  close(timer_);
}

fleet::id fleet::start(const std::string& name, const std::string& program,
                       const std::vector<std::string>& arguments) {
  member made;
  made.name = name;
  made.program = program;
  made.process = launch(program, arguments);
  members_.push_back(std::move(made));
  return members_.size() - 1;
}

void fleet::again(id which, const std::vector<std::string>& arguments) {
  auto& who = members_.at(which);
  if (!who.ended) throw std::runtime_error(who.name + " still runs");
  who.process = launch(who.program, arguments);
  who.ended.reset();
  who.lines.clear();
  who.partial.clear();
}

void fleet::signal(id which, int number) {
  members_.at(which).process->signal(number);
}

void fleet::kill(id which) {
  signal(which, SIGKILL);
  until_ended(which);
}

void fleet::read(member& from) {
  std::array<char, 4096> buffer;
  ssize_t count = 0;
  while ((count = ::read(from.process->output(), buffer.data(), buffer.size())) > 0) {
    for (ssize_t i = 0; i < count; ++i) {
      const char c = buffer[static_cast<size_t>(i)];
      if (c != '\n') {
        from.partial += c;
        continue;
      }
      if (loud())
        std::printf("%8lld %s | %s\n", static_cast<long long>(now_.count()), from.name.c_str(),
                    from.partial.c_str());
      from.lines.push_back(std::move(from.partial));
      from.partial.clear();
    }
  }
}

void fleet::listen() {
  std::vector<pollfd> watched{{timer_, POLLIN, 0}};
  for (auto& m : members_) {
    if (m.ended) continue;
    // What it printed before its end is there when it has ended.
    const auto how = m.process->poll();
    read(m);
    if (how) {
      m.ended = how;
      if (!m.partial.empty()) m.lines.push_back(std::move(m.partial));
      m.partial.clear();
    } else {
      watched.push_back({m.process->output(), POLLIN, 0});
    }
  }
  ::poll(watched.data(), watched.size(), -1);
  uint64_t expired = 0;
  if (::read(timer_, &expired, sizeof(expired)) == sizeof(expired)) now_ += tick * expired;
}

bool fleet::until(const std::function<bool()>& condition, std::chrono::milliseconds limit) {
  const auto end = now_ + limit;
  while (!condition()) {
    if (now_ >= end) {
      // A check's message is made before its condition is waited for.
      if (limit == patience) std::printf("not met within patience: %s\n", story().c_str());
      return false;
    }
    listen();
  }
  return true;
}

bool fleet::until_said(id which, const std::string& text) {
  return until([&] { return said(which, text) || ended(which); }) && said(which, text);
}

std::optional<tools::child_process::ending> fleet::until_ended(id which) {
  until([&] { return ended(which).has_value(); });
  return ended(which);
}

bool fleet::said(id which, const std::string& text) const {
  const auto& all = lines(which);
  return std::any_of(all.begin(), all.end(),
                     [&](const std::string& line) { return line.find(text) != std::string::npos; });
}

std::string fleet::line_with(id which, const std::string& text) const {
  const auto& all = lines(which);
  const auto found = std::find_if(all.rbegin(), all.rend(), [&](const std::string& line) {
    return line.find(text) != std::string::npos;
  });
  return found == all.rend() ? std::string{} : *found;
}

const std::vector<std::string>& fleet::lines(id which) const {
  return members_.at(which).lines;
}

std::optional<tools::child_process::ending> fleet::ended(id which) const {
  return members_.at(which).ended;
}

pid_t fleet::pid(id which) const {
  return members_.at(which).process->pid();
}

const std::string& fleet::name(id which) const {
  return members_.at(which).name;
}

std::string fleet::story() const {
  std::ostringstream out;
  out << "after " << now_.count() << " ms\n";
  for (const auto& m : members_) {
    const auto first = m.lines.size() - std::min(m.lines.size(), story_lines_max);
    for (auto i = first; i < m.lines.size(); ++i)
      out << "  " << m.name << " | " << m.lines[i] << "\n";
    if (m.ended)
      out << "  " << m.name << " * exit code " << m.ended->exit_code << ", signal "
          << m.ended->signal << "\n";
    else
      out << "  " << m.name << " * runs\n";
  }
  return out.str();
}

}  // namespace swarm::chaos
