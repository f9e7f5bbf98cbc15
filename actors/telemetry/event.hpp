#pragma once

#include <caf/fwd.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace swarm::telemetry {

using field_value = std::variant<std::int64_t, double, std::string>;

/// One key and value of an event: {"loss", 3.2}, {"step", std::int64_t{7}}, {"why", "timeout"}.
struct field {
  std::string key;
  field_value value;

  template <class Inspector>
  friend typename Inspector::result_type inspect(Inspector& f, field& x) {
    // All three kinds cross, one of them filled: CAF cannot inspect a std::variant.
    auto kind = static_cast<std::uint8_t>(x.value.index());
    std::int64_t integer = 0;
    double number = 0;
    std::string text;
    if constexpr (Inspector::reads_state) {
      if (const auto* i = std::get_if<std::int64_t>(&x.value)) integer = *i;
      if (const auto* d = std::get_if<double>(&x.value)) number = *d;
      if (const auto* s = std::get_if<std::string>(&x.value)) text = *s;
      return f(x.key, kind, integer, number, text);
    } else {
      auto failed = f(x.key, kind, integer, number, text);
      if (kind == 0)
        x.value = integer;
      else if (kind == 1)
        x.value = number;
      else
        x.value = std::move(text);
      return failed;
    }
  }

  friend bool operator==(const field& a, const field& b) {
    return a.key == b.key && a.value == b.value;
  }
};

/// Something that happened, worth a line. Keys should differ within one event; the last one wins.
struct event {
  std::string name;
  std::vector<field> fields;

  template <class Inspector>
  friend typename Inspector::result_type inspect(Inspector& f, event& x) {
    return f(x.name, x.fields);
  }

  friend bool operator==(const event& a, const event& b) {
    return a.name == b.name && a.fields == b.fields;
  }
};

/// Null when the event has no such field; of repeated ones the last.
const field_value* find(const event& e, const std::string& key);

/// Adds `by` to a counter; a counter begins at 0.
struct increment {
  std::string counter;
  std::int64_t by = 1;

  template <class Inspector>
  friend typename Inspector::result_type inspect(Inspector& f, increment& x) {
    return f(x.counter, x.by);
  }
};

/// Counters by name.
using counter_snapshot = std::map<std::string, std::int64_t>;

void add_telemetry_message_types(caf::actor_system_config& config);

}  // namespace swarm::telemetry
