#pragma once

#include <optional>
#include <string>
#include <variant>

namespace swarm::identity {

inline constexpr size_t secret_bytes_max = 64 * 1024;

/// Creates the file for its owner alone, whole or not at all. A sentence when it exists already or
/// cannot be written.
std::optional<std::string> write_secret(const std::string& path, const std::string& text);

struct secret_failure {
  std::string sentence;
};

/// A failure when it cannot be read, or others can read it, too.
std::variant<std::string, secret_failure> read_secret(const std::string& path);

}  // namespace swarm::identity
