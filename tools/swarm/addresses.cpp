#include "tools/swarm/addresses.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <cctype>
#include <sstream>

#include "actors/transport/address.hpp"
#include "tools/report/one_line.hpp"

namespace swarm::tools {

namespace {

constexpr size_t name_bytes_max = 253;  // RFC 1035

std::optional<boost::asio::ip::address> numeric(const std::string& host) {
  boost::system::error_code failure;
  const auto result = boost::asio::ip::make_address(host, failure);
  return failure ? std::nullopt : std::optional{result};
}

/// What the C library's resolver takes for a number, and may take for an octal one: 0, 127.1,
/// 0x7f.1.
bool looks_numeric(const std::string& host) {
  const auto last = host.substr(host.rfind('.') + 1);
  return last.compare(0, 2, "0x") == 0 || last.compare(0, 2, "0X") == 0 ||
         std::all_of(last.begin(), last.end(),
                     [](unsigned char c) { return std::isdigit(c) != 0; });
}

bool is_name(const std::string& host) {
  return host.size() <= name_bytes_max && host.front() != '-' && host.front() != '.' &&
         std::all_of(host.begin(), host.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_';
         });
}

/// Half a sentence behind the flag and the address; empty: nothing is wrong.
std::string wrong(const std::string& address, address_use use) {
  const auto parts = transport::parse_address(address);
  if (!parts) return " is not host:port, such as 10.0.0.7:7000 or [::1]:7000";
  const auto& host = parts->host;
  const auto number = numeric(host);
  const bool bracketed = address.front() == '[';
  if (bracketed != (number && number->is_v6()))
    return bracketed ? " has no IPv6 address in its brackets" : " wants brackets: [::1]:7000";
  if (!number && host == "*")
    return use == address_use::listen ? " is no address: write 0.0.0.0 or [::] to listen everywhere"
                                      : " is no address to dial: name the host";
  if (!number && looks_numeric(host))
    return " has a number for a host that is no IPv4 address: write all four parts, in decimal "
           "and without leading zeros, such as 0.0.0.0 or 127.0.0.1";
  if (!number && !is_name(host)) return " has a host that is neither a name nor an address";
  if (use == address_use::listen) return "";
  if (std::all_of(parts->port.begin(), parts->port.end(), [](char c) { return c == '0'; }))
    return " has port 0, which is none to dial";
  if (number && number->is_unspecified())
    return " is every address of a machine, which is none to dial: name the one that others use";
  return "";
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

std::optional<std::string> check_addresses(const std::string& flag, const std::string& text,
                                           address_use use) {
  for (const auto& address : split_addresses(text)) {
    const auto why = wrong(address, use);
    if (!why.empty()) return flag + ": '" + one_line(address) + "'" + why + ".";
  }
  return std::nullopt;
}

bool is_everywhere(const std::string& address) {
  const auto parts = transport::parse_address(address);
  const auto number = parts ? numeric(parts->host) : std::nullopt;
  return number && number->is_unspecified();
}

}  // namespace swarm::tools
