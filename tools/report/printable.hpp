#pragma once

#include <string>

namespace swarm::tools {

/// A text of several lines for a terminal: UTF-8 as it is, U+FFFD for each byte that is none,
/// control characters but line ends and tabs escaped as \xNN.
std::string printable(const std::string& text);

}  // namespace swarm::tools
