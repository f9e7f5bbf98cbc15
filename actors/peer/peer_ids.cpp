#include "actors/peer/peer_ids.hpp"

#include <cstdio>

namespace swarm::peer {

namespace {

constexpr size_t short_digits = 8;

}  // namespace

std::string full_name(peer_id who) {
  char text[24];
  std::snprintf(text, sizeof(text), "%016llx",
                static_cast<unsigned long long>(process_of(who).value()));
  return text;
}

std::string short_name(peer_id who) {
  return full_name(who).substr(0, short_digits);
}

}  // namespace swarm::peer
