#include "tools/processes/process_table.hpp"

#include <algorithm>
#include <utility>

namespace swarm::tools {

process_table::process_table(std::vector<process_spec> specs, process_table_options options)
    : options_(options), random_(options.seed), next_kill_(options.kill_every) {
  for (auto& s : specs) {
    entry e;
    e.spec = std::move(s);
    entries_.push_back(std::move(e));
  }
}

std::vector<process_table::action> process_table::due(moment now) {
  std::vector<action> result;
  if (stopping_) return result;
  for (size_t i = 0; i < entries_.size(); ++i) {
    auto& e = entries_[i];
    if (e.running || e.over || e.next > now) continue;
    e.running = true;
    e.started = now;
    result.push_back({act::start, i, e.lives++ == 0});
  }
  if (!options_.armed || options_.kill_every.count() == 0 || now < next_kill_) return result;
  next_kill_ += options_.kill_every;
  std::vector<size_t> victims;
  for (size_t i = 0; i < entries_.size(); ++i)
    if (entries_[i].running) victims.push_back(i);
  if (victims.empty()) return result;
  ++kills_;
  result.push_back({act::kill, victims[random_.below(victims.size())], false});
  return result;
}

void process_table::arm(moment now) {
  if (options_.armed) return;
  options_.armed = true;
  next_kill_ = now + options_.kill_every;
}

void process_table::ended(size_t process, moment now, ending how) {
  auto& e = entries_.at(process);
  e.running = false;
  e.next = now + options_.restart_after;
  const bool at_once = how == ending::failed && now - e.started < options_.fail_within;
  e.failures = at_once ? e.failures + 1 : 0;
  if (how == ending::hopeless) e.failures = options_.failures_max;
  if (!e.spec.keep || how == ending::finished || e.failures >= options_.failures_max) e.over = true;
}

size_t process_table::running() const {
  return static_cast<size_t>(
      std::count_if(entries_.begin(), entries_.end(), [](const entry& e) { return e.running; }));
}

bool process_table::is_given_up(size_t process) const {
  return entries_.at(process).failures >= options_.failures_max;
}

std::optional<size_t> process_table::given_up() const {
  for (size_t i = 0; i < entries_.size(); ++i)
    if (entries_[i].spec.needed && is_given_up(i)) return i;
  return std::nullopt;
}

}  // namespace swarm::tools
