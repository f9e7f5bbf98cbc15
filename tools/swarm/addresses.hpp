#pragma once

#include <optional>
#include <string>
#include <vector>

namespace swarm::tools {

/// "a:1,b:2" without blanks and empty ones.
std::vector<std::string> split_addresses(const std::string& text);

/// A sentence that names the flag when one is not host:port, IPv6 in brackets.
std::optional<std::string> check_addresses(const std::string& flag, const std::string& text);

}  // namespace swarm::tools
