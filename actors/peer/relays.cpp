#include "actors/peer/relays.hpp"

#include <utility>

#include "actors/peer/peer_ids.hpp"

namespace swarm::peer {

namespace {

bool same(const wire::member& a, const wire::member& b) {
  return a.role == b.role && a.stage == b.stage && a.state == b.state && a.version == b.version &&
         a.history == b.history && a.term == b.term && a.capacity == b.capacity &&
         a.handle == b.handle && a.averager == b.averager && a.replicator == b.replicator &&
         a.rate == b.rate && a.queue == b.queue;
}

}  // namespace

void relays::hear(transport::link_id via, std::vector<wire::member> members) {
  if (members.size() > relayed_members_max) members.resize(relayed_members_max);
  heard_[via] = std::move(members);
}

void relays::forget(transport::link_id via) {
  heard_.erase(via);
}

relays::changes relays::settle(const std::function<bool(peer_id)>& linked) {
  std::map<worker_id, way> wanted;
  for (const auto& [via, members] : heard_) {
    for (const auto& m : members) {
      if (linked(process_of(m.id.peer))) continue;
      // Whoever is used already stays, else the link that has been there longest.
      const auto used = announced_.find(m.id);
      const bool stays = used != announced_.end() && used->second.via == via;
      if (stays)
        wanted.insert_or_assign(m.id, way{via, m});
      else
        wanted.try_emplace(m.id, way{via, m});
    }
  }
  changes result;
  for (const auto& [id, known] : announced_)
    if (wanted.count(id) == 0) result.withdraw.push_back(id);
  for (const auto& [id, next] : wanted) {
    const auto known = announced_.find(id);
    const bool news = known == announced_.end() || known->second.via != next.via ||
                      !same(known->second.what, next.what);
    if (news) result.announce.push_back(next.what);
  }
  announced_ = std::move(wanted);
  return result;
}

}  // namespace swarm::peer
