#pragma once

#include <functional>
#include <map>
#include <vector>

#include "actors/transport/endpoint.hpp"
#include "actors/wire/roster.hpp"

namespace swarm::peer {

/// Members of others that one connection passes on.
inline constexpr size_t relayed_members_max = 1'024;

/// Members that are reached through somebody else, because neither their process nor this one can
/// be dialled: which of several ways to each is used. What is announced changes only when it has
/// to.
class relays {
 public:
  /// All that this link passes on, with handles that lead over it. Replaces what it said before.
  void hear(transport::link_id via, std::vector<wire::member> members);
  void forget(transport::link_id via);

  struct changes {
    std::vector<wire::member> announce;
    std::vector<worker_id> withdraw;  ///< to be done first
  };
  /// What has changed since the last call. Members of peers that are `linked` need no relay.
  changes settle(const std::function<bool(peer_id)>& linked);

 private:
  struct way {
    transport::link_id via;
    wire::member what;
  };

  std::map<transport::link_id, std::vector<wire::member>> heard_;
  std::map<worker_id, way> announced_;
};

}  // namespace swarm::peer
