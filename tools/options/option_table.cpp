#include "tools/options/option_table.hpp"

#include <algorithm>
#include <cassert>
#include <exception>
#include <iostream>

#include "tools/options/config_reader.hpp"
#include "tools/report/memory_limit.hpp"
#include "tools/report/one_line.hpp"
#include "tools/report/standard_streams.hpp"
#include "tools/report/user_path.hpp"

namespace swarm::tools {
namespace {

constexpr const char* help_flag = "help";
constexpr const char* dump_flag = "dump-config";
constexpr const char* file_flag = "config-file";

/// The options every program has. Their variables live as long as one parse.
struct built_in {
  bool help = false;
  bool dump = false;
  std::string file;

  std::vector<option> options() {
    return {{help_flag, "Prints this table and ends.", "", &help, false, false, true, {}},
            {dump_flag,
             "Prints the effective configuration as a file and ends.",
             "",
             &dump,
             false,
             false,
             true,
             {}},
            {file_flag,
             "Reads options from a file.",
             "path",
             &file,
             std::string{},
             std::string{},
             std::string{},
             {}}};
  }
};

void store(const option& declared, const option_value& value) {
  std::visit(
      [&](auto* target) {
        using type = std::decay_t<decltype(*target)>;
        if constexpr (std::is_convertible_v<type, std::chrono::nanoseconds>) {
          *target = std::chrono::duration_cast<type>(std::get<std::chrono::nanoseconds>(value));
        } else {
          *target = std::get<type>(value);
        }
      },
      declared.target);
}

parse_result failed(const usage_error& error) {
  return {false, exit_usage, error.sentence + "\n"};
}

/// What was given, weakest first, and how a sentence about it starts.
using layers = std::vector<std::pair<const given_values*, std::string>>;

/// Converts what was given into `values` and marks it in `set`; both run parallel to `options`.
std::optional<usage_error> apply(const std::vector<option>& options, const layers& given,
                                 std::vector<option_value>& values, std::vector<bool>& set) {
  set.resize(options.size());
  for (const auto& [layer, origin] : given) {
    for (size_t i = 0; i < options.size(); ++i) {
      const auto found = layer->find(options[i].name);
      if (found == layer->end()) continue;
      auto converted = convert(options[i], found->second, origin);
      if (auto* error = std::get_if<usage_error>(&converted)) return *error;
      values[i] = std::get<option_value>(converted);
      set[i] = true;
    }
  }
  return std::nullopt;
}

}  // namespace

option_table::option_table(std::string program, std::string summary)
    : program_(std::move(program)), summary_(std::move(summary)) {}

option_table& option_table::declare(option declared) {
  if (auto* const* real = std::get_if<double*>(&declared.target)) **real = canonical_real(**real);
  declared.value = current_value(declared);
  assert(std::count(declared.name.begin(), declared.name.end(), '.') <= 1);
  assert(std::none_of(options_.begin(), options_.end(),
                      [&](const option& other) { return other.name == declared.name; }));
  options_.push_back(std::move(declared));
  return *this;
}

option_table& option_table::add(int64_t& variable, std::string name, std::string sentence,
                                std::string unit, int64_t minimum, int64_t maximum) {
  assert(minimum <= variable && variable <= maximum);
  return declare({std::move(name),
                  std::move(sentence),
                  std::move(unit),
                  &variable,
                  int64_t{0},
                  minimum,
                  maximum,
                  {}});
}

option_table& option_table::add(double& variable, std::string name, std::string sentence,
                                std::string unit, double minimum, double maximum) {
  assert(minimum <= variable && variable <= maximum);
  return declare({std::move(name),
                  std::move(sentence),
                  std::move(unit),
                  &variable,
                  0.0,
                  minimum,
                  maximum,
                  {}});
}

option_table& option_table::add(bool& variable, std::string name, std::string sentence) {
  return declare({std::move(name), std::move(sentence), "", &variable, false, false, true, {}});
}

option_table& option_table::add(std::string& variable, std::string name, std::string sentence,
                                std::string unit) {
  return declare({std::move(name),
                  std::move(sentence),
                  std::move(unit),
                  &variable,
                  std::string{},
                  std::string{},
                  std::string{},
                  {}});
}

option_table& option_table::add_choice(std::string& variable, std::string name,
                                       std::string sentence, std::vector<std::string> choices) {
  assert(std::find(choices.begin(), choices.end(), variable) != choices.end());
  return declare({std::move(name), std::move(sentence), "", &variable, std::string{}, std::string{},
                  std::string{}, std::move(choices)});
}

option_table& option_table::add_duration(option_target variable, std::string name,
                                         std::string sentence, std::chrono::nanoseconds minimum,
                                         std::chrono::nanoseconds maximum) {
  const option_value zero = std::chrono::nanoseconds{};
  option declared{std::move(name), std::move(sentence), "", variable, zero, minimum, maximum, {}};
  assert(option_value{minimum} <= current_value(declared) &&
         current_value(declared) <= option_value{maximum});
  return declare(std::move(declared));
}

option_table& option_table::add_preset(std::string flag, std::vector<std::string> arguments) {
  presets_.push_back({std::move(flag), std::move(arguments)});
  return *this;
}

option_table& option_table::add_derived_default(std::string name, std::string shown,
                                                std::function<option_value()> value) {
  assert(std::any_of(options_.begin(), options_.end(),
                     [&](const option& declared) { return declared.name == name; }));
  derived_defaults_.push_back({std::move(name), std::move(shown), std::move(value)});
  return *this;
}

option_table& option_table::add_check(check function) {
  checks_.push_back(std::move(function));
  return *this;
}

std::optional<std::string> option_table::store_checked(const std::vector<option_value>& values,
                                                       const std::vector<bool>& given,
                                                       bool checked) {
  std::vector<option_value> before;
  for (const auto& declared : options_)
    before.push_back(current_value(declared));
  for (size_t i = 0; i < options_.size(); ++i)
    store(options_[i], values[i]);
  for (const auto& derived : derived_defaults_) {
    for (size_t i = 0; i < options_.size(); ++i) {
      if (options_[i].name != derived.name || given[i]) continue;
      const auto value = derived.value();
      assert(options_[i].minimum <= value && value <= options_[i].maximum);
      store(options_[i], value);
    }
  }
  if (!checked) return std::nullopt;
  for (const auto& check : checks_) {
    if (auto sentence = check()) {
      for (size_t i = 0; i < options_.size(); ++i)
        store(options_[i], before[i]);
      return sentence;
    }
  }
  return std::nullopt;
}

parse_result option_table::parse(const std::vector<std::string>& arguments) {
  built_in own;
  auto all = own.options();
  all.insert(all.end(), options_.begin(), options_.end());
  auto command_line = read_arguments(all, arguments);
  if (auto* error = std::get_if<usage_error>(&command_line)) return failed(*error);
  auto own_options = own.options();
  std::vector<option_value> own_values{false, false, std::string{}};
  std::vector<bool> own_set;
  if (auto error =
          apply(own_options, {{&std::get<given_values>(command_line), ""}}, own_values, own_set))
    return failed(*error);
  if (std::get<bool>(own_values[0])) return {false, exit_success, help()};

  const auto path = std::get<std::string>(own_values[2]);
  given_values file;
  if (path.empty() && own_set[2]) {
    return failed({std::string{"--"} + file_flag + " names no file."});
  }
  if (!path.empty()) {
    auto read = read_config_file(options_, user_path(path));
    if (auto* error = std::get_if<usage_error>(&read)) return failed(*error);
    file = std::move(std::get<given_values>(read));
  }
  std::vector<option_value> program;
  std::vector<bool> set;
  for (const auto& declared : options_)
    program.push_back(declared.value);
  auto flags = program;
  const layers given{{&file, "in '" + one_line(path) + "', "},
                     {&std::get<given_values>(command_line), ""}};
  if (auto error = apply(options_, given, flags, set)) return failed(*error);
  given_.clear();
  for (size_t i = 0; i < options_.size(); ++i)
    if (set[i]) given_.push_back(options_[i].name);
  // What was given decides which presets hold, and then wins over them.
  for (const auto& preset : presets_) {
    for (size_t i = 0; i < options_.size(); ++i) {
      if (options_[i].name != preset.flag || flags[i] != option_value{true}) continue;
      const auto read = read_arguments(options_, preset.arguments);
      assert(std::holds_alternative<given_values>(read));
      const layers of_preset{{&std::get<given_values>(read), ""}};
      if (auto error = apply(options_, of_preset, program, set)) return failed(*error);
    }
  }
  auto values = program;
  if (auto error = apply(options_, given, values, set)) return failed(*error);
  const bool dumps = std::get<bool>(own_values[1]);
  // What is dumped is to be completed: a folder that is still missing is no fault of it.
  if (auto sentence = store_checked(values, set, !dumps)) return failed({*sentence});
  if (dumps) return {false, exit_success, dump()};
  changed_.clear();
  for (size_t i = 0; i < options_.size(); ++i)
    if (values[i] != program[i]) changed_.push_back(options_[i].name);
  return {true, exit_success, ""};
}

parse_result option_table::parse(int argc, const char* const* argv) {
  return parse(std::vector<std::string>(argv + std::min(argc, 1), argv + argc));
}

bool option_table::was_given(const std::string& name) const {
  return std::find(given_.begin(), given_.end(), name) != given_.end();
}

int run_main(int argc, const char* const* argv, option_table& table,
             const std::function<int()>& body, output_role role) {
  open_standard_streams();
  const auto parsed = table.parse(argc, argv);
  if (!parsed.ok) {
    (parsed.exit_code == exit_success ? std::cout : std::cerr) << parsed.text << std::flush;
    return checked_output(table.program(), parsed.exit_code);
  }
  int code = exit_failure;
  try {
    code = body();
  } catch (const std::exception& error) {
    std::cerr << failure_text(error) << std::endl;
  }
  if (role == output_role::company) {
    forget_output();
    return code;
  }
  return checked_output(table.program(), code);
}

}  // namespace swarm::tools
