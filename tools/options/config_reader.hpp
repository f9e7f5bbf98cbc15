#pragma once

#include <map>
#include <string>
#include <variant>

#include "tools/options/option_table.hpp"

namespace caf {
class config_value;
}

namespace swarm::tools {

/// Option names ("key" or "group.key") with what was given for each.
using given_values = std::map<std::string, caf::config_value>;

/// A sentence that says what is wrong.
struct usage_error {
  std::string sentence;
};

/// Reads the command line with CAF's parser.
std::variant<given_values, usage_error> read_arguments(const std::vector<option>& options,
                                                       std::vector<std::string> arguments);

/// Reads a file in CAF's configuration syntax. Every name in it must be one of `options`.
std::variant<given_values, usage_error> read_config_file(const std::vector<option>& options,
                                                         const std::string& path);

/// What `given` means for the option; a sentence when type or range are wrong. `origin` starts the
/// sentence: empty, or "in FILE, ".
std::variant<option_value, usage_error> convert(const option& declared,
                                                const caf::config_value& given,
                                                const std::string& origin);

}  // namespace swarm::tools
