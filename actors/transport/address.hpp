#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <optional>
#include <string>

namespace swarm::transport {

struct host_port {
  std::string host;  ///< without brackets
  std::string port;
};
/// "host:port"; IPv6 in brackets. Nothing if it is not that.
std::optional<host_port> parse_address(const std::string& text);

std::string to_text(const boost::asio::ip::tcp::endpoint& where);

}  // namespace swarm::transport
