#pragma once

#include <caf/actor_system.hpp>

#include "actors/averaging/butterfly.hpp"
#include "actors/ids.hpp"
#include "actors/wire/roster.hpp"

namespace swarm::averaging {

/// Parts that wait for the order that explains them; more are dropped, and the round fails.
inline constexpr size_t early_parts_max = 16'384;

/// Copies of one order that wait for its result; further ones are answered `superseded`.
inline constexpr size_t repeats_max = 16;

struct averager_options {
  worker_id id;
  stage_id stage{0};
  wire::directory_actor directory;
};

caf::error make_error(averaging_errc code);

/// One all-reduce at a time inside a stage, by the butterfly. A worker's order replaces the one
/// before it, whose caller gets `superseded`; a repeat of an order shares its result. Parts of an
/// older round are ignored, parts of a later one wait. It has no time-out of its own: the
/// coordinator ends a stalled round with the next one.
///
/// Owner: the stage supervisor, which restarts it with its worker. May drop: parts of rounds that
/// are over, and early ones beyond early_parts_max.
wire::averager_actor spawn_averager(caf::actor_system& system, averager_options options);

}  // namespace swarm::averaging
