#pragma once

#include <string>

namespace swarm::tools {

/// `text`, such as a user's path, for a sentence of one line: control bytes are written as \n, \r,
/// \t or \x1b, so that they neither end the line nor reach the terminal. All else stays as it is.
std::string one_line(const std::string& text);

}  // namespace swarm::tools
