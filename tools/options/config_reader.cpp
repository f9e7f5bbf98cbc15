#include "tools/options/config_reader.hpp"

#include <algorithm>
#include <caf/actor_system_config.hpp>
#include <caf/config_option_set.hpp>
#include <caf/config_value.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <numeric>
#include <sstream>

#include "tools/report/one_line.hpp"

namespace swarm::tools {
namespace {

constexpr size_t quoted_bytes_max = 60;
constexpr size_t suggestion_distance_max = 2;

/// One line, short enough for a sentence.
std::string quoted(const std::string& text, size_t bytes_max = quoted_bytes_max) {
  return "'" + one_line(text.substr(0, bytes_max)) + (text.size() > bytes_max ? "...'" : "'");
}

const option* find(const std::vector<option>& options, const std::string& name) {
  auto same = [&](const option& declared) { return declared.name == name; };
  auto found = std::find_if(options.begin(), options.end(), same);
  return found == options.end() ? nullptr : &*found;
}

size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

/// `dashes` are those it was written with.
std::string unknown_option(const std::vector<option>& options, const std::string& dashes,
                           const std::string& name, const std::string& origin) {
  std::string sentence = origin + quoted(dashes + name) + " is not an option of this program";
  size_t best_distance = suggestion_distance_max + 1;
  std::string best;
  for (const auto& declared : options) {
    const size_t distance = edit_distance(name.substr(0, quoted_bytes_max), declared.name);
    if (distance < std::min(best_distance, declared.name.size())) {
      best_distance = distance;
      best = declared.name;
    }
  }
  if (!best.empty()) sentence += "; did you mean --" + best + "?";
  return sentence + (best.empty() ? "; --help lists them." : "");
}

std::string dashes_of(const std::string& argument) {
  return argument.substr(0, std::min(argument.find_first_not_of('-'), size_t{2}));
}

/// "--a.b=c" -> "a.b".
std::string name_of(const std::string& argument) {
  const size_t begin = dashes_of(argument).size();
  std::string name = argument.substr(begin, argument.find('=') - begin);
  return name.rfind("global.", 0) == 0 ? name.substr(7) : name;
}

std::string wrong_value(const option& declared, const std::string& given,
                        const std::string& origin) {
  return origin + "--" + declared.name + " takes " + accepted_values(declared) + ", not " +
         quoted(given) + ".";
}

usage_error argument_error(const std::vector<option>& options, caf::pec code,
                           const std::string& argument) {
  if (argument.empty() || argument[0] != '-') {
    return {quoted(argument) + " is not an option; options are written --name=value."};
  }
  const auto* declared = argument.rfind("--", 0) == 0 ? find(options, name_of(argument)) : nullptr;
  if (code == caf::pec::not_an_option || declared == nullptr) {
    return {unknown_option(options, dashes_of(argument), name_of(argument), "")};
  }
  const auto equals = argument.find('=');
  if (equals == std::string::npos || equals + 1 == argument.size()) {
    return {"--" + declared->name + " takes " + accepted_values(*declared) +
            ", and no value was given: write --" + declared->name + "=VALUE."};
  }
  return {wrong_value(*declared, argument.substr(equals + 1), "")};
}

caf::config_option_set to_caf(const std::vector<option>& options) {
  caf::config_option_set set;
  for (const auto& declared : options) {
    const auto dot = declared.name.find('.');
    const auto group = dot == std::string::npos ? "global" : declared.name.substr(0, dot);
    auto key = dot == std::string::npos ? declared.name : declared.name.substr(dot + 1);
    if (key == "help") key += ",h?";
    switch (declared.value.index()) {
      case 0:
        set.add<int64_t>(group, key, declared.sentence);
        break;
      case 1:
        set.add<double>(group, key, declared.sentence);
        break;
      case 4:
        set.add<caf::timespan>(group, key, declared.sentence);
        break;
      default:
        // CAF's own flags cannot be set to false; a text can.
        set.add<std::string>(group, key, declared.sentence);
    }
  }
  return set;
}

void flatten(const caf::settings& settings, const std::string& prefix, given_values& result) {
  for (const auto& [key, value] : settings) {
    const std::string name = prefix + std::string{key.begin(), key.end()};
    if (const auto* group = caf::get_if<caf::settings>(&value)) {
      flatten(*group, name + ".", result);
    } else {
      result.emplace(name, value);
    }
  }
}

/// Entries in CAF's configuration syntax: the '=' outside of strings, atoms and comments. CAF keeps
/// the first of two entries with one name and says nothing.
size_t count_entries(const std::string& text) {
  size_t entries = 0;
  char quote = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == '\\' && quote != '\n') ++i;
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == ';') {
      quote = '\n';
    } else if (c == '=') {
      ++entries;
    }
  }
  return entries;
}

std::variant<std::string, usage_error> read_text(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  std::string text;
  if (file) {
    text.resize(config_file_bytes_max + 1);
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<size_t>(file.gcount()));
  }
  if (!file.is_open() || file.bad() || (file.fail() && !file.eof())) {
    return usage_error{"--config-file cannot read " + quoted(path, option_text_bytes_max) + ": " +
                       std::strerror(errno) + "."};
  }
  if (text.size() > static_cast<size_t>(config_file_bytes_max)) {
    return usage_error{"--config-file takes a file of at most " +
                       std::to_string(config_file_bytes_max) + " bytes, and " +
                       quoted(path, option_text_bytes_max) + " is longer."};
  }
  // CAF overlooks an error at the very end of its input.
  return text + "\n";
}

/// "line 3, column 4" of CAF's parser error.
std::string position(const caf::error& error) {
  std::string result;
  const auto* context = &error.context();
  if (context->size() == 1 && context->match_element<caf::settings>(0)) {
    const auto& where = context->get_as<caf::settings>(0);
    if (const auto line = caf::get_if<int64_t>(&where, "line")) {
      result = "line " + std::to_string(*line);
    }
    if (const auto column = caf::get_if<int64_t>(&where, "column")) {
      result += ", column " + std::to_string(*column);
    }
  }
  return result.empty() ? "some line" : result;
}

bool in_range(const option& declared, const option_value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    const auto& choices = declared.choices;
    return text->size() <= static_cast<size_t>(option_text_bytes_max) &&
           (choices.empty() || std::find(choices.begin(), choices.end(), *text) != choices.end());
  }
  if (std::holds_alternative<bool>(value)) return true;
  if (const auto* duration = std::get_if<std::chrono::nanoseconds>(&value)) {
    const int64_t unit_ns =
        std::holds_alternative<std::chrono::seconds*>(declared.target) ? 1000000000 : 1000000;
    if (duration->count() % unit_ns != 0) return false;
  }
  return declared.minimum <= value && value <= declared.maximum;
}

std::optional<option_value> typed(const option& declared, const caf::config_value& given) {
  const auto* text = caf::get_if<std::string>(&given);
  switch (declared.value.index()) {
    case 0:
      if (const auto* value = caf::get_if<int64_t>(&given)) return option_value{*value};
      break;
    case 1:
      if (const auto* value = caf::get_if<double>(&given)) {
        return option_value{canonical_real(*value)};
      }
      if (const auto* value = caf::get_if<int64_t>(&given)) {
        return option_value{canonical_real(static_cast<double>(*value))};
      }
      break;
    case 2:
      if (const auto* value = caf::get_if<bool>(&given)) return option_value{*value};
      if (text != nullptr && (*text == "true" || *text == "false")) {
        return option_value{*text == "true"};
      }
      break;
    case 3:
      if (text != nullptr) return option_value{*text};
      break;
    default:
      if (const auto* value = caf::get_if<caf::timespan>(&given)) {
        return option_value{std::chrono::nanoseconds{value->count()}};
      }
  }
  return std::nullopt;
}

std::string shown(const caf::config_value& given) {
  if (const auto* text = caf::get_if<std::string>(&given)) return *text;
  if (const auto* real = caf::get_if<double>(&given)) return to_config_text(canonical_real(*real));
  if (const auto* span = caf::get_if<caf::timespan>(&given)) {
    return to_config_text(std::chrono::nanoseconds{span->count()});
  }
  return caf::to_string(given);
}

}  // namespace

std::variant<given_values, usage_error> read_arguments(const std::vector<option>& options,
                                                       std::vector<std::string> arguments) {
  for (auto& argument : arguments) {
    const auto* declared =
        argument.rfind("--", 0) == 0 ? find(options, name_of(argument)) : nullptr;
    const auto equals = argument.find('=');
    if (declared != nullptr && std::holds_alternative<bool>(declared->value) &&
        equals == std::string::npos) {
      argument += "=true";
    } else if (declared != nullptr && std::holds_alternative<std::string>(declared->value) &&
               equals + 1 == argument.size()) {
      // CAF takes nothing after the '=' for a value that is missing, whatever the type.
      argument += "\"\"";
    } else if (argument == "-h" || argument == "-?") {
      argument = "--help=true";
    }
  }
  caf::settings settings;
  const auto set = to_caf(options);
  const auto [code, at] = set.parse(settings, arguments);
  if (at != arguments.end()) return argument_error(options, code, *at);
  given_values result;
  flatten(settings, "", result);
  return result;
}

std::variant<given_values, usage_error> read_config_file(const std::vector<option>& options,
                                                         const std::string& path) {
  auto text = read_text(path);
  if (auto* error = std::get_if<usage_error>(&text)) return *error;
  std::istringstream stream{std::get<std::string>(text)};
  const auto settings = caf::actor_system_config::parse_config(stream);
  if (!settings) {
    return usage_error{"--config-file: " + quoted(path, option_text_bytes_max) +
                       " is not in CAF's configuration syntax (" + position(settings.error()) +
                       "); --dump-config prints an example."};
  }
  given_values result;
  flatten(*settings, "", result);
  for (const auto& [name, value] : result) {
    if (find(options, name) == nullptr) {
      return usage_error{
          unknown_option(options, "--", name, "in " + quoted(path, option_text_bytes_max) + ", ")};
    }
  }
  if (count_entries(std::get<std::string>(text)) != result.size()) {
    return usage_error{"--config-file: " + quoted(path, option_text_bytes_max) +
                       " names an option or a group twice; name each once."};
  }
  return result;
}

std::variant<option_value, usage_error> convert(const option& declared,
                                                const caf::config_value& given,
                                                const std::string& origin) {
  auto value = typed(declared, given);
  if (value && in_range(declared, *value)) return *value;
  return usage_error{wrong_value(declared, shown(given), origin)};
}

}  // namespace swarm::tools
