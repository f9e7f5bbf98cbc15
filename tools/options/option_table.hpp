#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace swarm::tools {

inline constexpr int exit_success = 0;
inline constexpr int exit_failure = 1;  ///< the run itself failed, or a --check did not hold
inline constexpr int exit_usage = 2;    ///< the command line or the configuration file is wrong

/// Longest text an option takes, in bytes.
inline constexpr int64_t option_text_bytes_max = 4096;
/// Longest configuration file, in bytes.
inline constexpr int64_t config_file_bytes_max = 1 << 20;
/// Significant decimal digits kept of a real number, so that a dumped configuration is short and
/// reads back to the same bits.
inline constexpr int option_real_digits = 14;

/// What one option holds. Durations are nanoseconds whatever unit the program's variable has.
using option_value = std::variant<int64_t, double, bool, std::string, std::chrono::nanoseconds>;

/// The program's variable; the option's default is its value when it is declared.
using option_target =
    std::variant<int64_t*, double*, bool*, std::string*, std::chrono::microseconds*,
                 std::chrono::milliseconds*, std::chrono::seconds*>;

/// One declared option.
struct option {
  std::string name;  ///< "key", or "group.key" for a grouped one
  std::string sentence;
  std::string unit;
  option_target target;
  option_value value;  ///< the default
  option_value minimum;
  option_value maximum;
  std::vector<std::string> choices;  ///< of a text; empty: any text
};

/// How reading a command line ended. When `ok` is false, the program prints `text` (standard output
/// for exit code 0: help or dump; standard error for 2) and ends with `exit_code`.
struct parse_result {
  bool ok = false;
  int exit_code = exit_success;
  std::string text;
};

/// Every knob of a program, declared once. The syntax is CAF's: --key=value, --group.key=value, and
/// a file named by --config-file (config_file.hpp). Numbers are decimal everywhere (decimal.hpp).
/// The order of authority, weakest first: default, preset, file, command line. --help,
/// --dump-config and --config-file are built in; the first two come before any check across
/// options. A wrong command line yields exactly one sentence, which names the flag, and leaves
/// every variable as it was.
///
/// The table keeps pointers to the variables: they must outlive it. Not thread-safe.
class option_table {
 public:
  /// Returns a sentence that names the flag when something is wrong.
  using check = std::function<std::optional<std::string>()>;

  option_table(std::string program, std::string summary);

  /// Bounds are inclusive. Preconditions: the default lies within them and the name is new.
  option_table& add(int64_t& variable, std::string name, std::string sentence, std::string unit,
                    int64_t minimum, int64_t maximum);
  option_table& add(double& variable, std::string name, std::string sentence, std::string unit,
                    double minimum, double maximum);
  option_table& add(bool& variable, std::string name, std::string sentence);
  option_table& add(std::string& variable, std::string name, std::string sentence,
                    std::string unit = "");
  option_table& add_choice(std::string& variable, std::string name, std::string sentence,
                           std::vector<std::string> choices);
  /// A duration in whole units of the variable: microseconds, milliseconds or seconds.
  template <class Period>
  option_table& add(std::chrono::duration<int64_t, Period>& variable, std::string name,
                    std::string sentence, std::chrono::nanoseconds minimum,
                    std::chrono::nanoseconds maximum) {
    return add_duration(&variable, std::move(name), std::move(sentence), minimum, maximum);
  }

  /// Other defaults for when the boolean option `flag` is set, as command line arguments.
  option_table& add_preset(std::string flag, std::vector<std::string> arguments);

  /// The option `name`, declared before, takes the default that `value` computes from the other
  /// variables, unless it is given or in a preset. --help shows `shown` for it.
  option_table& add_derived_default(std::string name, std::string shown,
                                    std::function<option_value()> value);

  /// Runs after the variables are set, in the order of declaration, until one complains.
  option_table& add_check(check function);

  /// Without the program's name; `parse(argc, argv)` drops argv[0].
  parse_result parse(const std::vector<std::string>& arguments);
  parse_result parse(int argc, const char* const* argv);

  /// The table that --help prints.
  std::string help() const;

  /// The variables' present values as a configuration file.
  std::string dump() const;

  /// The variables' present values: {"key": value, "group": {"key": value}}; durations as
  /// they are given ("500ms").
  nlohmann::json to_json() const;

  const std::vector<option>& options() const { return options_; }
  const std::string& program() const { return program_; }

  /// The option stood on the command line or in the file that was parsed last.
  bool was_given(const std::string& name) const;

  /// Names of the options that the last parse gave another value than the program itself does, by
  /// its defaults and, where its flag is set, a preset.
  const std::vector<std::string>& changed() const { return changed_; }

 private:
  struct preset {
    std::string flag;
    std::vector<std::string> arguments;
  };

  struct derived_default {
    std::string name;
    std::string shown;
    std::function<option_value()> value;
  };

  option_table& add_duration(option_target variable, std::string name, std::string sentence,
                             std::chrono::nanoseconds minimum, std::chrono::nanoseconds maximum);
  option_table& declare(option declared);
  /// Sets the variables, and back again when a check complains.
  std::optional<std::string> store_checked(const std::vector<option_value>& values,
                                           const std::vector<bool>& given, bool checked);

  std::string program_;
  std::string summary_;
  std::vector<option> options_;
  std::vector<preset> presets_;
  std::vector<derived_default> derived_defaults_;
  std::vector<check> checks_;
  std::vector<std::string> changed_;
  std::vector<std::string> given_;
};

/// The unit of a duration's variable.
std::chrono::nanoseconds unit_of(const option_target& target);

/// Present value of the program's variable.
option_value current_value(const option& declared);

/// "an integer from 1 to 1024 (blocks)": what the option takes.
std::string accepted_values(const option& declared);

/// As in a configuration file, so that it reads back to the same value.
std::string to_config_text(const option_value& value);

/// Rounds to `option_real_digits`.
double canonical_real(double value);

/// What a program's standard output is.
enum class output_role : uint8_t {
  result,  ///< what it was started for: when some of it cannot be written, the program has failed
  company  ///< about work that goes on without a reader
};

/// A program's main: opens what is closed of descriptors 0 to 2, reads the command line, prints
/// what is to be printed, runs `body` and returns the exit code. An exception that escapes `body`
/// becomes one line and `exit_failure`. Output that could not be written does, too; it is a result
/// for --help and --dump-config whatever `role` says.
int run_main(int argc, const char* const* argv, option_table& table,
             const std::function<int()>& body, output_role role = output_role::result);

}  // namespace swarm::tools
