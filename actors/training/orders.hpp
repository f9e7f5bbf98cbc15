#pragma once

#include <chrono>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "actors/training/step_ledger.hpp"
#include "actors/training/succession.hpp"
#include "actors/wire/messages.hpp"
#include "actors/wire/ticket.hpp"

/// The messages that a coordinator builds and reads; what they mean is said in schemas/step.capnp.
namespace swarm::training {

/// `history`, here and below: of the weights that the step runs on.
wire::begin_step begin_step_of(const wire::step_round& when, history_id history,
                               int64_t microbatches);

wire::lease lease_of(const wire::step_round& when, history_id history,
                     const std::vector<lease_item>& items, const std::set<worker_id>& excluded);

wire::gather gather_of(const wire::step_round& when, history_id history);

wire::drop drop_of(const wire::step_round& when);

/// The all-reduce of a stage's round as far as its losses go, which are in `group`; `followers`
/// receive the sum and add nothing. It is answered after `hold` at the latest. The microbatches of
/// shares are named to their `helper` alone: a bitmap for each of sixteen shares per loss would
/// make the order so large that it waits behind the parts of the all-reduce.
wire::reduce reduce_of(const wire::step_round& when, stage_id stage, const group_repair& group,
                       const std::vector<worker_id>& followers, uint32_t revision, int64_t counted,
                       std::chrono::milliseconds hold, std::optional<worker_id> helper = {});

/// Commits this sum to the weights `from` in the name of `term`; `on_disks` is a version that every
/// stage has on some disk.
wire::commit commit_of(term_id term, weights_id from, const stage_sum& sum, double scale,
                       int64_t counted, bool keep = false,
                       std::optional<step_id> on_disks = std::nullopt);

wire::take_over take_over_of(term_id term);

wire::beat beat_of(term_id term);

wire::pre_vote pre_vote_of(std::chrono::milliseconds patience);

/// Also asks, when it is sent again, how far the worker is.
wire::restore restore_of(term_id term, weights_id weights, const std::vector<worker_id>& holders);

wire::inventory_request inventory_request_of(term_id term);

wire::move_order move_order_of(term_id term, stage_id to);

/// The worker that answers, and where it stands; nothing when the answer makes no sense.
std::optional<std::pair<worker_id, position>> read_position(const wire::position& m,
                                                            int32_t stages);

}  // namespace swarm::training
