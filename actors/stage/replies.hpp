#pragma once

#include <optional>
#include <string>

#include "actors/ids.hpp"
#include "actors/stage/state_transfer.hpp"
#include "actors/stage/step_guard.hpp"
#include "actors/wire/messages.hpp"
#include "actors/wire/ticket.hpp"

/// The messages that a stage worker builds itself; what they mean is said in schemas/.
namespace swarm::stage {

wire::holding holding_of(worker_id who, step_id step, round_id round, const microbatch_set& held);

wire::reduced reduced_of(worker_id who, const wire::epoch& when, const reduced_sum& sum);

wire::standing standing_of(worker_id who, stage_id stage, const step_guard& guard);

/// `kept`: the newest version on its disk, if it keeps any.
wire::committed committed_of(worker_id who, step_id version, const std::string& weights_hash,
                             std::optional<step_id> kept = std::nullopt);

/// Whether the order has this worker add what it holds, and not only hear of the sum.
bool contributes(worker_id who, const wire::reduce& order);

/// Copies the chunk's bytes.
wire::state_chunk chunk_of(step_id version, const snapshot_store::chunk& chunk);

/// The commit that made the chunk's version.
last_commit commit_in(schemas::StateChunk::Reader chunk);

/// Version -1 asks for the newest, if it is newer than `newer_than`.
wire::state_request request_of(stage_id stage, int64_t version, uint64_t offset_bytes,
                               int64_t newer_than = -1);

}  // namespace swarm::stage
