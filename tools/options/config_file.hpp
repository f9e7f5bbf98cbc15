#pragma once

#include <map>
#include <string>
#include <string_view>
#include <variant>

namespace swarm::tools {

/// What was given for an option, as it was written, and where: "" or "line 3, ".
struct given_value {
  std::string text;
  std::string where;
};

/// Option names ("key" or "group.key") with what was given for each.
using given_values = std::map<std::string, given_value, std::less<>>;

/// Why a text is no configuration: half a sentence that begins with the line and the column.
struct syntax_error {
  std::string what;
};

/// Reads a configuration, of CAF's syntax the part that options need:
///
///     ; a comment, and # begins one, too
///     key = value
///     group { key = value }
///     [group]
///     key = value
///
/// A value is a word, or a text in double or single quotes with \n, \r, \t, \" and \\ in it.
/// Entries end at a line's end, at a comma or at a bracket. A byte order mark in front and any line
/// ends are taken. Each name may be there once.
std::variant<given_values, syntax_error> parse_config(std::string_view text);

}  // namespace swarm::tools
