// How options are written: help, configuration files, JSON.
#include <cassert>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>

#include "tools/options/option_table.hpp"
#include "tools/report/table.hpp"

namespace swarm::tools {

using namespace std::chrono_literals;

namespace {

std::string real_text(double value) {
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%.*g", option_real_digits, value);
  return buffer;
}

std::string duration_text(std::chrono::nanoseconds value) {
  struct unit {
    int64_t size_ns;
    const char* name;
  };
  constexpr unit units[] = {{1000000000, "s"}, {1000000, "ms"}, {1000, "us"}, {1, "ns"}};
  for (const auto& unit : units) {
    if (value.count() % unit.size_ns == 0) {
      return std::to_string(value.count() / unit.size_ns) + unit.name;
    }
  }
  return "";
}

std::string escaped(const std::string& text) {
  std::string result = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    if (c == '\n') {
      result += "\\n";
    } else if (c == '\r') {
      result += "\\r";
    } else {
      result += c;
    }
  }
  return result + "\"";
}

std::string range_text(const option& declared) {
  if (std::holds_alternative<bool>(declared.value)) return "";
  if (std::holds_alternative<std::string>(declared.value)) {
    std::string result;
    for (const auto& choice : declared.choices)
      result += (result.empty() ? "" : "|") + choice;
    return result;
  }
  return to_config_text(declared.minimum) + ".." + to_config_text(declared.maximum);
}

std::string group_of(const std::string& name) {
  const auto dot = name.find('.');
  return dot == std::string::npos ? "" : name.substr(0, dot);
}

std::string key_of(const std::string& name) {
  const auto dot = name.find('.');
  return dot == std::string::npos ? name : name.substr(dot + 1);
}

}  // namespace

std::chrono::nanoseconds unit_of(const option_target& target) {
  if (std::holds_alternative<std::chrono::seconds*>(target)) return 1s;
  return std::holds_alternative<std::chrono::milliseconds*>(target) ? std::chrono::nanoseconds{1ms}
                                                                    : 1us;
}

option_value current_value(const option& declared) {
  return std::visit(
      [](const auto* target) -> option_value {
        using type = std::decay_t<decltype(*target)>;
        if constexpr (std::is_convertible_v<type, std::chrono::nanoseconds>) {
          return std::chrono::nanoseconds{*target};
        } else {
          return *target;
        }
      },
      declared.target);
}

std::string accepted_values(const option& declared) {
  static const char* const kinds[] = {"an integer", "a number", "true or false", "a text",
                                      "a duration"};
  std::string result = kinds[declared.value.index()];
  if (!declared.choices.empty()) {
    result = "one of";
    for (const auto& choice : declared.choices) {
      result += (&choice == &declared.choices.front() ? " " : ", ") + choice;
    }
  } else if (std::holds_alternative<std::string>(declared.value)) {
    result += " of at most " + std::to_string(option_text_bytes_max) + " bytes";
  } else if (!std::holds_alternative<bool>(declared.value)) {
    if (std::holds_alternative<std::chrono::nanoseconds>(declared.value)) {
      const auto unit = unit_of(declared.target);
      result += unit == 1s    ? " in whole seconds"
                : unit == 1ms ? " in whole milliseconds"
                              : " in whole microseconds";
    }
    result +=
        " from " + to_config_text(declared.minimum) + " to " + to_config_text(declared.maximum);
  }
  return declared.unit.empty() ? result : result + " (" + declared.unit + ")";
}

std::string to_config_text(const option_value& value) {
  struct visitor {
    std::string operator()(int64_t number) const { return std::to_string(number); }
    std::string operator()(double number) const { return real_text(number); }
    std::string operator()(bool flag) const { return flag ? "true" : "false"; }
    std::string operator()(const std::string& text) const { return escaped(text); }
    std::string operator()(std::chrono::nanoseconds duration) const {
      return duration_text(duration);
    }
  };
  return std::visit(visitor{}, value);
}

double canonical_real(double value) {
  return std::strtod(real_text(value).c_str(), nullptr);
}

std::string option_table::help() const {
  table lines{{"option", "default", "range", "unit", "meaning"}};
  for (const auto& declared : options_) {
    auto shown = to_config_text(declared.value);
    for (const auto& derived : derived_defaults_) {
      if (derived.name == declared.name) shown = derived.shown;
    }
    lines.add(
        {"--" + declared.name, shown, range_text(declared), declared.unit, declared.sentence});
  }
  lines.add(
      {"--config-file", "", "", "path", "Reads options from a file; --dump-config prints one."});
  lines.add({"--dump-config", "", "", "", "Prints the effective configuration as such a file."});
  lines.add({"--help", "", "", "", "Prints this table."});
  return program_ + ": " + summary_ + "\n\nusage: " + program_ + " [--option=value ...]\n\n" +
         lines.text();
}

std::string option_table::dump() const {
  std::string text = "; " + program_ + "\n";
  for (const auto& declared : options_) {
    if (group_of(declared.name).empty()) {
      text += declared.name + "=" + to_config_text(current_value(declared)) + "\n";
    }
  }
  std::set<std::string> written{""};
  for (const auto& first : options_) {
    const auto group = group_of(first.name);
    if (!written.insert(group).second) continue;
    text += group + " {\n";
    for (const auto& declared : options_) {
      if (group_of(declared.name) != group) continue;
      text += "  " + key_of(declared.name) + "=" + to_config_text(current_value(declared)) + "\n";
    }
    text += "}\n";
  }
  return text;
}

nlohmann::json option_table::to_json() const {
  auto result = nlohmann::json::object();
  for (const auto& declared : options_) {
    const auto group = group_of(declared.name);
    auto& slot = group.empty() ? result[declared.name] : result[group][key_of(declared.name)];
    const auto value = current_value(declared);
    std::visit(
        [&](const auto& held) {
          if constexpr (std::is_same_v<std::decay_t<decltype(held)>, std::chrono::nanoseconds>) {
            slot = to_config_text(held);
          } else {
            slot = held;
          }
        },
        value);
  }
  return result;
}

}  // namespace swarm::tools
