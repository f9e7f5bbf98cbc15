#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "actors/ids.hpp"
#include "actors/stage/history_names.hpp"
#include "actors/stage/state_transfer.hpp"
#include "actors/stage/step_guard.hpp"
#include "actors/wire/messages.hpp"
#include "actors/wire/roster.hpp"
#include "actors/wire/ticket.hpp"

/// The messages that a stage worker builds itself; what they mean is said in schemas/.
namespace swarm::stage {

wire::holding holding_of(worker_id who, step_id step, round_id round, const microbatch_set& held);

wire::reduced reduced_of(worker_id who, const wire::step_round& when, const reduced_sum& sum);

/// The all-reduce is not through yet.
wire::reduced progress_of(worker_id who, const wire::step_round& when,
                          const wire::sum_progress& known);

/// What a bitmap on the wire names; bits beyond the limit of a step are dropped.
microbatch_set set_of(capnp::Data::Reader bitmap);

wire::position position_of(worker_id who, stage_id stage, const step_guard& guard);

/// `kept`: the newest version on its disk, if it keeps any.
wire::committed committed_of(worker_id who, step_id version, const std::string& weights_hash,
                             std::optional<step_id> kept = std::nullopt);

/// Whether the order has this worker add what it holds, and not only hear of the sum.
bool contributes(worker_id who, const wire::reduce& order);

/// One shard of a state: f32 [3, count] from element `first` on, which the message aliases.
struct shard_reply {
  weights_id weights;
  last_commit commit;  ///< that made them
  uint64_t total_elements = 0;
  uint64_t first_element = 0;
  tensors::host_tensor shard;
  std::vector<uint8_t> present{};  ///< shards that this donor has; empty: all
  history_names also{};
};
wire::state_chunk chunk_of(const shard_reply& reply);

/// What a download has to know of a chunk; its checksum is compared here.
download::answer answer_in(const wire::state_chunk& m);

/// The chunk's bytes as f32 [3, count], aliased. Precondition: `answer_in` found it sound.
tensors::host_tensor shard_in(const wire::state_chunk& m);

/// The commit that made the chunk's version.
last_commit commit_in(schemas::StateChunk::Reader chunk);
/// All of them, that of the chunk included.
history_names names_in(schemas::StateChunk::Reader chunk);

/// Without `only` it asks for the newest there is, if that is newer than `newer_than`.
wire::state_request request_of(stage_id stage, const download::question& q,
                               std::optional<weights_id> newer_than = std::nullopt);

/// The weights that a request names, if it names any.
std::optional<weights_id> weights_in(schemas::StateRequest::Reader request);

}  // namespace swarm::stage
