#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "actors/identity/keys.hpp"

namespace swarm::identity {

inline constexpr size_t token_bytes_max = 16 * 1024;
inline constexpr size_t token_addresses_max = 16;
inline constexpr size_t run_name_bytes_max = 64;
inline constexpr size_t address_bytes_max = 256;

/// What lets one peer into one run (JoinToken in schemas/run.capnp). Checked when it was read: the
/// certificate is the run's and the secret fits it.
struct join_token {
  public_key run_key{};
  std::string run_name;
  std::string authority_der;
  std::string certificate_der;
  key_pair peer = key_pair::from_seed({});
  std::vector<std::string> addresses;
  int64_t not_after_s = 0;
};

/// A fresh peer of the run.
join_token issue_token(const key_pair& run, const std::string& run_name,
                       const std::string& authority_der, int64_t now_s, int64_t valid_s,
                       std::vector<std::string> addresses = {});

/// One line, without a line break. It holds the secret. Preconditions: the limits above.
std::string to_text(const join_token& token);

/// Blanks around it do not matter. A sentence, which never quotes what could be secret, when it is
/// not a token, is cut off, was changed, is of another version, of a broken authority, or not valid
/// now.
std::variant<join_token, std::string> parse_token(std::string_view line, int64_t now_s);

}  // namespace swarm::identity
