#pragma once

#include <caf/actor.hpp>
#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/meta/type_name.hpp>
#include <caf/typed_actor.hpp>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "actors/ids.hpp"
#include "actors/wire/messages.hpp"
#include "tensors/codec/host_tensor.hpp"

namespace swarm::wire {
struct sum_progress;
}  // namespace swarm::wire

// Cross between a worker, its compute actor and its averager only, never a network.
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(swarm::tensors::host_tensor)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(swarm::wire::sum_progress)

/// Who is there. The directory (actors/peer) is the only source of handles to other peers' actors:
/// it sends every subscriber the whole list once and then the changes.
namespace swarm::wire {

enum class member_role : uint8_t { stage_worker, trainer, coordinator };

/// What a member can do at the moment.
enum class member_state : uint8_t {
  joining,    ///< a worker that fetches its state; a coordinator that stands by
  serving,    ///< a coordinator: it leads
  following,  ///< a worker that fetches its state and follows the all-reduce with weight zero
};

struct member {
  member_role role = member_role::stage_worker;
  worker_id id;
  stage_id stage{0};  ///< of a stage worker
  member_state state = member_state::joining;
  int64_t version = 0;    ///< when it announced itself; it may have moved on
  uint64_t history = 0;   ///< of that version
  uint64_t term = 0;      ///< of a coordinator: the highest it has seen, or its own
  uint32_t capacity = 0;  ///< of a trainer: leases it wants at once
  caf::actor handle;      ///< the role's typed interface, below
  caf::actor averager;    ///< of a stage worker
  caf::actor replicator;  ///< of a stage worker's peer; optional
  double rate = 0;        ///< of a stage worker, microbatches/s; 0: not measured yet
  uint32_t queue = 0;     ///< of a stage worker: requests there
};

template <class Inspector>
auto inspect(Inspector& f, member& x) {
  return f(caf::meta::type_name("swarm.member"), x.role, x.id, x.stage, x.state, x.version,
           x.history, x.term, x.capacity, x.handle, x.averager, x.replicator, x.rate, x.queue);
}

/// Announced or changed, and gone. Sent in order by one directory.
struct roster_update {
  std::vector<member> changed;
  std::vector<worker_id> gone;
};

template <class Inspector>
auto inspect(Inspector& f, roster_update& x) {
  return f(caf::meta::type_name("swarm.roster_update"), x.changed, x.gone);
}

/// How far an averager's attempt is; all 0: it has none.
struct sum_progress {
  uint32_t revision = 0;
  uint32_t parts_done = 0;
  uint32_t parts_total = 0;
  std::vector<worker_id> waiting_for;  ///< a few of those that owe it answers
  double bytes_per_s = 0;              ///< of what it receives; 0: not measured yet
};

// The typed interfaces, one per role. A refusal is an error of the role's errc whose context is a
// wire::refusal; a damaged frame is an error of wire::errc.

using stage_worker_actor = caf::typed_actor<
    caf::replies_to<forward>::with<activation>, caf::replies_to<backward>::with<input_gradient>,
    caf::replies_to<loss>::with<loss_done>, caf::replies_to<infer>::with<inferred>,
    caf::replies_to<gather>::with<holding>, caf::replies_to<drop>::with<holding>,
    caf::replies_to<reduce>::with<reduced>, caf::replies_to<commit>::with<committed>,
    caf::replies_to<take_over>::with<position>, caf::replies_to<restore>::with<position>,
    caf::replies_to<state_request>::with<state_chunk>, caf::replies_to<pre_vote>::with<vote>,
    caf::reacts_to<beat>, caf::reacts_to<cancel>>;

/// Looks after a stage peer: keeps copies of states, and lets the peer serve another stage.
using replicator_actor = caf::typed_actor<caf::replies_to<state_request>::with<state_chunk>,
                                          caf::replies_to<inventory_request>::with<inventory>,
                                          caf::replies_to<move_order>::with<move_done>>;

using share_atom = caf::atom_constant<caf::atom("share")>;
using progress_atom = caf::atom_constant<caf::atom("progress")>;

/// Besides the questions and parts of its peers, an averager has these from its own worker:
/// - a Reduce with the worker's sum: all-reduce this vector in that group, or go on with it as this
///   revision says. Answers the sum and its hash; `superseded` when a higher attempt replaces the
///   order, `lost_here` when the group goes on without this member.
/// - a share (index of the lost member, index of the share) that the worker has computed.
/// - a Gather that the worker obeys: earlier attempts are over.
/// - the question how far the attempt at hand is.
using averager_actor = caf::typed_actor<
    caf::reacts_to<want>, caf::reacts_to<part>,
    caf::replies_to<reduce, tensors::host_tensor>::with<tensors::host_tensor, std::string>,
    caf::reacts_to<share_atom, uint32_t, uint32_t, tensors::host_tensor>, caf::reacts_to<gather>,
    caf::replies_to<progress_atom>::with<sum_progress>>;

/// What a coordinator sends to a trainer, and what it hears back.
using trainer_inbox = caf::typed_actor<caf::reacts_to<lease>, caf::reacts_to<begin_step>>;
using coordinator_inbox =
    caf::typed_actor<caf::reacts_to<lease_done>, caf::replies_to<move_request>::with<move_answer>,
                     caf::reacts_to<beat>>;

/// Whoever subscribes to a directory.
using roster_listener = caf::typed_actor<caf::reacts_to<roster_update>>;

using announce_atom = caf::atom_constant<caf::atom("announce")>;
using withdraw_atom = caf::atom_constant<caf::atom("withdraw")>;
using subscribe_atom = caf::atom_constant<caf::atom("subscribe")>;

/// Announcing again replaces the record of the same id. A subscriber and an announced actor that
/// die are forgotten.
using directory_actor = caf::typed_actor<caf::reacts_to<announce_atom, member>,
                                         caf::reacts_to<withdraw_atom, worker_id>,
                                         caf::reacts_to<subscribe_atom, caf::actor>>;

}  // namespace swarm::wire
