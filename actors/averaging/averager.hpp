#pragma once

#include <caf/actor_system.hpp>

#include "actors/averaging/errc.hpp"
#include "actors/averaging/question_book.hpp"
#include "actors/ids.hpp"
#include "actors/wire/roster.hpp"

namespace swarm::averaging {

/// Callers that wait for one result; with one more the first of them is answered `superseded`.
inline constexpr size_t repeats_max = 16;
/// Questions of one member that come before this member's order, or before the roster names their
/// sender; further ones are dropped, and come again.
inline constexpr size_t early_wants_max = 64;

struct averager_options {
  worker_id id;
  stage_id stage{0};
  wire::directory_actor directory;
  caf::actor telemetry;  ///< optional
  asking_limits limits;
  /// Of a part, where the order does not say; 0: as large as the vector and the group ask for. The
  /// same at all members.
  size_t part_elements = 0;
};

caf::error make_error(averaging_errc code);

/// One all-reduce at a time inside a stage (all_reduce.hpp). An order of a higher attempt replaces
/// the one before it, whose callers get `superseded`; one of the same attempt with a higher
/// revision goes on where it was, and a repeat shares the result. It gives nothing up by itself.
///
/// The result's memory is used again for a later step once nobody holds it.
///
/// Owner: the stage supervisor, which restarts it with its worker. May drop: messages of attempts
/// that are over, and early questions beyond the limits. Whoever sends what makes no sense is
/// reported once: `wrong_part`.
wire::averager_actor spawn_averager(caf::actor_system& system, averager_options options);

}  // namespace swarm::averaging
