#include "actors/telemetry/event_log.hpp"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

namespace swarm::telemetry {

namespace {

using json = nlohmann::ordered_json;

struct to_json_value {
  json operator()(std::int64_t value) const { return value; }
  json operator()(double value) const {
    if (std::isfinite(value)) return value;
    if (std::isnan(value)) return "nan";
    return value > 0 ? "inf" : "-inf";
  }
  json operator()(const std::string& value) const { return value; }
};

std::int64_t saturating_sum(std::int64_t a, std::int64_t b) {
  using limits = std::numeric_limits<std::int64_t>;
  if (b > 0 && a > limits::max() - b) return limits::max();
  if (b < 0 && a < limits::min() - b) return limits::min();
  return a + b;
}

}  // namespace

std::string to_json_line(const event& e, std::chrono::nanoseconds since_start) {
  json line;
  line["t"] = std::chrono::duration<double>(since_start).count();
  line["event"] = e.name;
  for (const auto& f : e.fields) {
    const bool taken = f.key == "t" || f.key == "event";
    line[taken ? f.key + '_' : f.key] = std::visit(to_json_value{}, f.value);
  }
  return line.dump(-1, ' ', false, json::error_handler_t::replace);
}

bool event_log::add(event e, std::chrono::nanoseconds since_start) {
  if (pending_ >= pending_max_) {
    ++dropped_;
    return false;
  }
  ++pending_;
  lines_ += to_json_line(e, since_start);
  lines_ += '\n';
  recent_.push_back(std::move(e));
  if (recent_.size() > recent_max_) recent_.pop_front();
  return true;
}

std::string event_log::flush() {
  pending_ = 0;
  return std::exchange(lines_, {});
}

void counter_table::add(const increment& i) {
  const bool room = counters_.size() < counters_max || counters_.count(i.counter) != 0;
  auto& counter = counters_[room ? i.counter : overflow_counter];
  counter = saturating_sum(counter, i.by);
}

}  // namespace swarm::telemetry
