#pragma once

#include <cstdint>
#include <string>

#include "actors/identity/certificate.hpp"
#include "actors/identity/join_token.hpp"
#include "actors/identity/keys.hpp"

namespace swarm::identity {

inline constexpr int64_t now_s = 1'800'000'000;
inline constexpr int64_t day_s = 86'400;

/// A run, and one token of it.
struct a_run {
  key_pair run = key_pair::generate();
  std::string authority = make_authority(run, "demo", now_s, authority_valid_s);
  join_token token = issue_token(run, "demo", authority, now_s, 30 * day_s, {"h:1", "h:2"});
};

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace swarm::identity
