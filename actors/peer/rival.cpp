#include "actors/peer/rival.hpp"

#include "actors/peer/clock_watch.hpp"
#include "actors/peer/peer_ids.hpp"

namespace swarm::peer {

namespace {

/// Dials are at most so far apart; a longer pause means that it was let in meanwhile.
constexpr std::chrono::seconds forgotten_after{60};

}  // namespace

std::string token_in_use_sentence(peer_id whose, const rival& other) {
  const auto agent = other.agent.empty() ? std::string{"another process"} : other.agent;
  const auto where =
      other.announce.empty() ? std::string{"a machine that only dials"} : other.announce;
  return "the token of peer " + short_name(whose) + " is in use by " + agent + " at " + where +
         ", started " + utc_text(other.started_unix_ms) +
         ": a token is for one process, so this earlier one ends; make another token with swarm "
         "keygen --add";
}

bool rival_watch::told(const rival& by, moment now) {
  if (!known_ || now - last_ > forgotten_after) first_ = now;
  known_ = by;
  last_ = now;
  certain_ = certain_ || last_ - first_ >= patience_;
  return certain_;
}

}  // namespace swarm::peer
