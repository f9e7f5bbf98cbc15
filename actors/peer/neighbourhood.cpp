#include "actors/peer/neighbourhood.hpp"

#include <algorithm>
#include <utility>

namespace swarm::peer {

using transport::link_id;

neighbourhood::neighbourhood(neighbourhood_options options)
    : options_(std::move(options)), random_(options_.seed) {
  for (const auto& address : options_.seeds)
    if (!address.empty() && address != options_.announce) seeds_.push_back({address, {}, {}});
}

void neighbourhood::learn(peer_id who, const std::string& address, moment now) {
  if (who == options_.self || address.empty() || address == options_.announce) return;
  auto found = contacts_.find(who);
  if (found == contacts_.end()) {
    if (contacts_.size() >= neighbours_max) return;
    found = contacts_.try_emplace(who).first;
    found->second.lost = now;
    if (who < options_.self) found->second.dial.next = now + options_.courtesy;
  }
  auto& known = found->second;
  if (known.address == address) return;
  known.address = address;
  known.dial.failures = 0;
}

bool neighbourhood::wants(const contact& who) const {
  return !who.current && !who.dial.link && !who.observer && !who.address.empty();
}

std::vector<neighbourhood::order> neighbourhood::due(moment now) {
  std::vector<order> result;
  for (const auto& s : seeds_) {
    const bool reached = s.peer && contacts_.count(*s.peer) != 0;
    if (!reached && !s.dial.link && s.dial.next <= now) result.push_back({s.address, {}});
  }
  for (auto it = contacts_.begin(); it != contacts_.end();) {
    auto& [id, who] = *it;
    const bool idle = !who.current && !who.dial.link;
    if (idle && now - who.lost > options_.forget_after) {
      it = contacts_.erase(it);
      continue;
    }
    if (wants(who) && who.dial.next <= now) result.push_back({who.address, id});
    ++it;
  }
  return result;
}

void neighbourhood::dialling(const order& what, link_id link) {
  if (what.peer) {
    const auto found = contacts_.find(*what.peer);
    if (found != contacts_.end()) found->second.dial.link = link;
    return;
  }
  for (auto& s : seeds_)
    if (s.address == what.address) s.dial.link = link;
}

neighbourhood::outcome neighbourhood::up(link_id link, const introduction& who, moment now) {
  outcome result;
  auto& known = contacts_[who.peer];
  for (auto& s : seeds_) {
    const bool here = s.dial.link == link || (!who.announce.empty() && s.address == who.announce);
    if (here) s = {s.address, who.peer, {}};
  }
  if (known.dial.link == link) known.dial.link.reset();
  if (known.current) {
    const auto life = std::pair{who.life, who.started_unix_ms};
    const auto known_life = std::pair{known.life, known.started_unix_ms};
    const bool newer = life > known_life;
    const bool by_smaller = who.dialled == (options_.self < who.peer);
    const bool preferred = !options_.observer && (who.dialled == known.dialled || by_smaller);
    if (!newer && (life < known_life || !preferred)) {
      result.over = surplus{link, life < known_life};
      return result;
    }
    result.over = surplus{*known.current, newer};
    links_.erase(*known.current);
  }
  known.current = link;
  known.dialled = who.dialled;
  known.life = who.life;
  known.started_unix_ms = who.started_unix_ms;
  known.begun = now;
  known.observer = who.observer;
  // One that now only dials is not to be dialled where it once listened.
  known.address = who.announce;
  known.dial.next = now;
  links_[link] = who.peer;
  result.current = true;
  return result;
}

std::optional<peer_id> neighbourhood::down(link_id link, moment now) {
  for (auto& s : seeds_)
    if (s.dial.link == link) fail(s.dial, now);
  for (auto& [id, who] : contacts_)
    if (who.dial.link == link) fail(who.dial, now);
  const auto found = links_.find(link);
  if (found == links_.end()) return std::nullopt;
  const auto peer = found->second;
  links_.erase(found);
  auto& who = contacts_.at(peer);
  who.current.reset();
  who.lost = now;
  // It may be back at once, but whoever lost it too tries as well.
  const bool settled = now - who.begun >= options_.settled_after;
  if (settled) who.dial.failures = 0;
  who.dial.next = now + backoff_delay(options_.retry, who.dial.failures, random_);
  if (!settled) ++who.dial.failures;
  const auto again = who.dial;
  if (who.observer) contacts_.erase(peer);
  look_for_somebody(peer, again, settled, now);
  return peer;
}

void neighbourhood::fail(attempt& what, moment now) {
  what.link.reset();
  what.next = now + backoff_delay(options_.retry, what.failures++, random_);
}

/// Whoever lost the last one looks where the run may be found, at once, but for the one that it has
/// only just lost.
void neighbourhood::look_for_somebody(peer_id lost, const attempt& again, bool settled,
                                      moment now) {
  if (!links_.empty()) return;
  for (auto& s : seeds_) {
    const bool leads_there = s.peer == lost;
    s.peer.reset();
    if (s.dial.link) continue;
    s.dial =
        leads_there && !settled ? attempt{{}, again.failures, again.next} : attempt{{}, 0, now};
  }
  for (auto& [id, who] : contacts_)
    if (!who.dial.link && id != lost) who.dial.failures = 0;
}

std::optional<link_id> neighbourhood::find(const std::string& address) const {
  if (address.empty()) return std::nullopt;
  for (const auto& [link, peer] : links_)
    if (contacts_.at(peer).address == address) return link;
  for (const auto& s : seeds_)
    if (s.address == address && s.peer) return find(*s.peer);
  return std::nullopt;
}

std::optional<link_id> neighbourhood::find(peer_id who) const {
  const auto found = contacts_.find(who);
  return found == contacts_.end() ? std::nullopt : found->second.current;
}

std::vector<neighbourhood::neighbour> neighbourhood::neighbours() const {
  std::vector<neighbour> result;
  for (const auto& [link, peer] : links_) {
    const auto& who = contacts_.at(peer);
    if (!who.observer) result.push_back({peer, who.address});
  }
  return result;
}

std::vector<std::string> neighbourhood::addresses() const {
  std::vector<std::string> result;
  for (const auto& [id, who] : contacts_)
    if (!who.address.empty() && !who.observer) result.push_back(who.address);
  return result;
}

}  // namespace swarm::peer
