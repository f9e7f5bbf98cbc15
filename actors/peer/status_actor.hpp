#pragma once

#include <caf/actor_system.hpp>
#include <caf/typed_actor.hpp>
#include <cstdint>
#include <functional>
#include <string>

#include "actors/dht/dht_node.hpp"
#include "actors/peer/network.hpp"
#include "actors/telemetry/event.hpp"
#include "actors/wire/roster.hpp"

namespace swarm::peer {

using status_actor =
    caf::typed_actor<caf::replies_to<wire::status_request>::with<wire::status>,
                     caf::replies_to<wire::probe_request>::with<wire::probe_done>,
                     caf::reacts_to<telemetry::event>, caf::reacts_to<wire::roster_update>>;

struct status_options {
  peer_id id;
  uint64_t life = 0;
  std::string announce;
  std::string agent;
  wire::directory_actor directory;
  caf::actor telemetry;  ///< asked for its events; optional
  network_actor neighbours;
  std::function<transport::counters()> counted;   ///< optional
  std::function<std::string()> description_hash;  ///< optional
  std::string kernels;                            ///< as in the greeting
  std::function<int64_t()> unix_ms;               ///< the clock; optional
  dht::dht_actor dht;                             ///< asked how many it knows; optional
};

/// Answers everybody who asks how this process and, as far as it knows, the run are doing.
/// Owner: the peer root. It may drop: nothing, but a request while the network actor is gone fails.
status_actor spawn_status(caf::actor_system& system, status_options options);

}  // namespace swarm::peer
