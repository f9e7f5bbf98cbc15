#pragma once

#include <string>
#include <variant>
#include <vector>

#include "tools/options/config_file.hpp"
#include "tools/options/option_table.hpp"

namespace swarm::tools {

/// A sentence that says what is wrong.
struct usage_error {
  std::string sentence;
};

/// Reads the command line; of two equal names the last one holds.
std::variant<given_values, usage_error> read_arguments(const std::vector<option>& options,
                                                       const std::vector<std::string>& arguments);

/// Reads a configuration file. Every name in it must be one of `options`.
std::variant<given_values, usage_error> read_config_file(const std::vector<option>& options,
                                                         const std::string& path);

/// What `given` means for the option; a sentence when type or range are wrong. `origin` starts the
/// sentence: empty, or "in FILE, "; the line of the file follows it.
std::variant<option_value, usage_error> convert(const option& declared, const given_value& given,
                                                const std::string& origin);

}  // namespace swarm::tools
