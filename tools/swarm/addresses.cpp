#include "tools/swarm/addresses.hpp"

#include <algorithm>
#include <cctype>
#include <sstream>

#include "tools/report/one_line.hpp"

namespace swarm::tools {

namespace {

constexpr unsigned long port_max = 65'535;

bool is_address(const std::string& text) {
  const auto colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return false;
  const auto port = text.substr(colon + 1);
  const bool number =
      !port.empty() && port.size() <= 5 &&
      std::all_of(port.begin(), port.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
  if (!number || std::stoul(port) > port_max) return false;
  const auto host = text.substr(0, colon);
  const bool bracketed = host.front() == '[' && host.back() == ']';
  return bracketed || host.find(':') == std::string::npos;
}

}  // namespace

std::vector<std::string> split_addresses(const std::string& text) {
  std::vector<std::string> result;
  std::istringstream in{text};
  for (std::string part; std::getline(in, part, ',');) {
    const auto first = part.find_first_not_of(' ');
    if (first == std::string::npos) continue;
    result.push_back(part.substr(first, part.find_last_not_of(' ') - first + 1));
  }
  return result;
}

std::optional<std::string> check_addresses(const std::string& flag, const std::string& text) {
  for (const auto& address : split_addresses(text)) {
    if (is_address(address)) continue;
    return flag + ": '" + one_line(address) +
           "' is not host:port, such as 10.0.0.7:7000 or [::1]:7000.";
  }
  return std::nullopt;
}

}  // namespace swarm::tools
