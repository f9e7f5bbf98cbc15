#pragma once

#include <optional>
#include <string>
#include <vector>

namespace swarm::tools {

/// "a:1, b:2" -> {"a:1", "b:2"}; empty parts are dropped.
std::vector<std::string> split_addresses(const std::string& text);

/// What an address is for.
enum class address_use {
  dial,    ///< a host and a port that others have: neither every address nor port 0
  listen,  ///< one address of this machine, or every one; port 0 for any
};

/// A sentence that begins with the flag when one of the addresses is no host:port, is one that
/// another program would read otherwise (a number for a host, *), or is not for that use. Nothing
/// for an empty text.
std::optional<std::string> check_addresses(const std::string& flag, const std::string& text,
                                           address_use use = address_use::dial);

/// The host means every address of the machine: 0.0.0.0, [::], [::0] and so on.
bool is_everywhere(const std::string& address);

}  // namespace swarm::tools
