#include "experiments/joining_children.hpp"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "experiments/stopwatch.hpp"

namespace swarm::experiments {

namespace {

constexpr std::chrono::milliseconds listen_max{50};

}  // namespace

size_t children::start(const std::vector<std::string>& arguments) {
  children_.emplace_back();
  const auto number = children_.size() - 1;
  if (const auto* why = std::get_if<std::string>(&program_)) {
    failure_ = *why;
    return number;
  }
  auto started = tools::child_process::start(std::get<tools::program>(program_), arguments);
  if (auto* why = std::get_if<std::string>(&started))
    failure_ = *why;
  else
    children_.back().process = std::move(std::get<tools::child_process>(started));
  return number;
}

void children::kill(size_t number) {
  // The destructor kills and waits.
  children_.at(number).process.reset();
}

std::optional<int> children::pid(size_t number) const {
  const auto& process = children_.at(number).process;
  if (!process) return std::nullopt;
  return process->pid();
}

bool children::until(std::chrono::milliseconds limit, const std::function<bool()>& condition) {
  const stopwatch watch;
  const double limit_s = std::chrono::duration<double>(limit).count();
  while (!condition()) {
    if (!failure_.empty() || watch.seconds() > limit_s) return false;
    listen(std::min(limit, listen_max));
  }
  return true;
}

void children::listen(std::chrono::milliseconds limit) {
  std::vector<pollfd> watched;
  std::vector<size_t> numbers;
  for (size_t i = 0; i < children_.size(); ++i) {
    if (!children_[i].process) continue;
    watched.push_back({children_[i].process->output(), POLLIN, 0});
    numbers.push_back(i);
  }
  poll(watched.data(), watched.size(), static_cast<int>(limit.count()));
  for (size_t i = 0; i < numbers.size(); ++i)
    if (watched[i].revents != 0) read(numbers[i]);
}

void children::read(size_t number) {
  auto& from = children_[number];
  std::array<char, 4096> buffer;
  ssize_t count = 0;
  while ((count = ::read(from.process->output(), buffer.data(), buffer.size())) > 0) {
    for (const char c : std::string(buffer.data(), static_cast<size_t>(count))) {
      if (c != '\n') {
        from.partial += c;
        continue;
      }
      from.last = from.partial;
      hear_(number, from.partial);
      from.partial.clear();
    }
  }
  if (count == 0 && from.process->poll() && failure_.empty())
    failure_ = "a process ended: " + from.last;
}

}  // namespace swarm::experiments
