#include "actors/transport/address.hpp"

#include <algorithm>
#include <cstdlib>

namespace swarm::transport {

namespace {

constexpr size_t port_digits_max = 5;
constexpr long port_max = 65'535;

bool is_port(const std::string& text) {
  return !text.empty() && text.size() <= port_digits_max &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
         std::strtol(text.c_str(), nullptr, 10) <= port_max;
}

}  // namespace

std::optional<host_port> parse_address(const std::string& text) {
  const auto colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return std::nullopt;
  host_port result{text.substr(0, colon), text.substr(colon + 1)};
  if (!is_port(result.port)) return std::nullopt;
  if (result.host.front() == '[') {
    if (result.host.size() < 4 || result.host.back() != ']') return std::nullopt;
    result.host = result.host.substr(1, result.host.size() - 2);
  } else if (result.host.find(':') != std::string::npos) {
    return std::nullopt;
  }
  return result;
}

std::string to_text(const boost::asio::ip::tcp::endpoint& where) {
  const auto host = where.address().to_string();
  const auto port = std::to_string(where.port());
  return where.address().is_v6() ? "[" + host + "]:" + port : host + ":" + port;
}

}  // namespace swarm::transport
