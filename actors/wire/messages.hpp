#pragma once

#include "actors/wire/message.hpp"
#include "schemas/averaging.capnp.h"
#include "schemas/dht.capnp.h"
#include "schemas/network.capnp.h"
#include "schemas/pipeline.capnp.h"
#include "schemas/rebalancing.capnp.h"
#include "schemas/state.capnp.h"
#include "schemas/step.capnp.h"

namespace caf {
class actor_system_config;
}

/// One CAF message type per schema struct. What each means, who sends it and what a retry does is
/// said in schemas/*.capnp.
namespace swarm::wire {

using forward = message<schemas::Forward>;
using activation = message<schemas::Activation>;
using backward = message<schemas::Backward>;
using input_gradient = message<schemas::InputGradient>;
using loss = message<schemas::Loss>;
using loss_done = message<schemas::LossDone>;
using infer = message<schemas::Infer>;
using inferred = message<schemas::Inferred>;

using begin_step = message<schemas::BeginStep>;
using lease = message<schemas::Lease>;
using lease_done = message<schemas::LeaseDone>;
using gather = message<schemas::Gather>;
using holding = message<schemas::Holding>;
using drop = message<schemas::Drop>;
using reduce = message<schemas::Reduce>;
using reduced = message<schemas::Reduced>;
using commit = message<schemas::Commit>;
using committed = message<schemas::Committed>;
using take_over = message<schemas::TakeOver>;
using restore = message<schemas::Restore>;
using beat = message<schemas::Beat>;
using pre_vote = message<schemas::PreVote>;
using vote = message<schemas::Vote>;
using cancel = message<schemas::Cancel>;
using position = message<schemas::Position>;
using refusal = message<schemas::Refusal>;

using want = message<schemas::Want>;
using part = message<schemas::Part>;

using state_request = message<schemas::StateRequest>;
using state_chunk = message<schemas::StateChunk>;

using inventory_request = message<schemas::InventoryRequest>;
using inventory = message<schemas::Inventory>;
using move_order = message<schemas::MoveOrder>;
using move_done = message<schemas::MoveDone>;
using move_request = message<schemas::MoveRequest>;
using move_answer = message<schemas::MoveAnswer>;

using greeting = message<schemas::Greeting>;
using roster = message<schemas::Roster>;
using failure = message<schemas::Failure>;
using status_request = message<schemas::StatusRequest>;
using status = message<schemas::Status>;
using probe_request = message<schemas::ProbeRequest>;
using probe_done = message<schemas::ProbeDone>;

using dht_ping = message<schemas::DhtPing>;
using dht_pong = message<schemas::DhtPong>;
using dht_find_node = message<schemas::DhtFindNode>;
using dht_nodes = message<schemas::DhtNodes>;
using dht_find_value = message<schemas::DhtFindValue>;
using dht_values = message<schemas::DhtValues>;
using dht_store = message<schemas::DhtStore>;
using dht_stored = message<schemas::DhtStored>;

/// Every actor system that runs or talks to our actors calls this on its configuration before it
/// is constructed.
void add_message_types(caf::actor_system_config& config);

}  // namespace swarm::wire
