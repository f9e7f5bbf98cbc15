#include "tools/options/config_reader.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <numeric>

#include "tools/options/decimal.hpp"
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
  std::string hint;
  if (std::holds_alternative<int64_t>(declared.value) ||
      std::holds_alternative<double>(declared.value)) {
    hint = number_hint(given);
  } else if (std::holds_alternative<std::chrono::nanoseconds>(declared.value)) {
    hint = duration_hint(given);
  }
  return origin + "--" + declared.name + " takes " + accepted_values(declared) + ", not " +
         quoted(given) + hint + ".";
}

usage_error missing_value(const option& declared) {
  return {"--" + declared.name + " takes " + accepted_values(declared) +
          ", and no value was given: write --" + declared.name + "=VALUE."};
}

/// A text in quotes is read as in a file, any other is what it is.
std::string unquoted(const std::string& text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return text;
  auto read = parse_config("text=" + text);
  auto* values = std::get_if<given_values>(&read);
  return values != nullptr && values->size() == 1 ? values->begin()->second.text : text;
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
  return text;
}

bool in_range(const option& declared, const option_value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    const auto& choices = declared.choices;
    return text->size() <= static_cast<size_t>(option_text_bytes_max) &&
           (choices.empty() || std::find(choices.begin(), choices.end(), *text) != choices.end());
  }
  if (std::holds_alternative<bool>(value)) return true;
  if (const auto* duration = std::get_if<std::chrono::nanoseconds>(&value)) {
    if (duration->count() % unit_of(declared.target).count() != 0) return false;
  }
  return declared.minimum <= value && value <= declared.maximum;
}

std::optional<option_value> typed(const option& declared, const std::string& given) {
  switch (declared.value.index()) {
    case 0:
      if (const auto value = read_integer(given)) return option_value{*value};
      break;
    case 1:
      if (const auto value = read_real(given)) return option_value{canonical_real(*value)};
      break;
    case 2:
      if (given == "true" || given == "false") return option_value{given == "true"};
      break;
    case 3:
      return option_value{given};
    default:
      if (const auto value = read_duration(given)) return option_value{*value};
  }
  return std::nullopt;
}

}  // namespace

std::variant<given_values, usage_error> read_arguments(const std::vector<option>& options,
                                                       const std::vector<std::string>& arguments) {
  given_values result;
  for (const auto& argument : arguments) {
    if (argument == "-h" || argument == "-?") {
      result["help"] = {"true", ""};
      continue;
    }
    if (argument.empty() || argument[0] != '-')
      return usage_error{quoted(argument) + " is not an option; options are written --name=value."};
    const auto* declared =
        argument.rfind("--", 0) == 0 ? find(options, name_of(argument)) : nullptr;
    if (declared == nullptr)
      return usage_error{unknown_option(options, dashes_of(argument), name_of(argument), "")};
    const auto equals = argument.find('=');
    const bool is_text = std::holds_alternative<std::string>(declared->value);
    if (equals == std::string::npos) {
      if (!std::holds_alternative<bool>(declared->value)) return missing_value(*declared);
      result[declared->name] = {"true", ""};
      continue;
    }
    auto value = argument.substr(equals + 1);
    if (value.empty() && !is_text) return missing_value(*declared);
    result[declared->name] = {is_text ? unquoted(value) : std::move(value), ""};
  }
  return result;
}

std::variant<given_values, usage_error> read_config_file(const std::vector<option>& options,
                                                         const std::string& path) {
  auto text = read_text(path);
  if (auto* error = std::get_if<usage_error>(&text)) return *error;
  const auto file = quoted(path, option_text_bytes_max);
  auto read = parse_config(std::get<std::string>(text));
  if (const auto* error = std::get_if<syntax_error>(&read)) {
    return usage_error{"--config-file: " + file + " cannot be read at " + error->what +
                       "; --dump-config prints an example."};
  }
  for (const auto& [name, value] : std::get<given_values>(read)) {
    if (find(options, name) == nullptr)
      return usage_error{unknown_option(options, "--", name, "in " + file + ", " + value.where)};
  }
  return std::move(std::get<given_values>(read));
}

std::variant<option_value, usage_error> convert(const option& declared, const given_value& given,
                                                const std::string& origin) {
  auto value = typed(declared, given.text);
  if (value && in_range(declared, *value)) return *value;
  return usage_error{wrong_value(declared, given.text, origin + given.where)};
}

}  // namespace swarm::tools
