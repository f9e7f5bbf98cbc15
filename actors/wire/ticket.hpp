#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "actors/ids.hpp"
#include "schemas/identity.capnp.h"
#include "schemas/step.capnp.h"

namespace swarm::wire {

/// schemas::Ticket with strong ids.
struct ticket {
  term_id term{0};
  step_id step{0};
  microbatch_id microbatch{0};
  round_id round{0};
  uint32_t patience_ms = 0;  ///< after it was sent; 0: not said
  history_id history{0};     ///< of the weights
  /// Only for a share of a lost member's microbatches (schemas::Reduce): the member, and the share.
  std::optional<std::pair<uint32_t, uint32_t>> share = std::nullopt;
};

inline ticket from_wire(schemas::Ticket::Reader x) {
  ticket result{term_id{x.getTerm()},   step_id{x.getStep()}, microbatch_id{x.getMicrobatch()},
                round_id{x.getRound()}, x.getPatienceMs(),    history_id{x.getHistory()}};
  if (x.getForShare()) result.share.emplace(x.getLostMember(), x.getShare());
  return result;
}

inline void to_wire(const ticket& x, schemas::Ticket::Builder out) {
  out.setTerm(x.term.value());
  out.setStep(x.step.value());
  out.setMicrobatch(x.microbatch.value());
  out.setRound(x.round.value());
  out.setPatienceMs(x.patience_ms);
  out.setHistory(x.history.value());
  out.setVersion(x.step.value());
  if (!x.share) return;
  out.setForShare(true);
  out.setLostMember(x.share->first);
  out.setShare(x.share->second);
}

inline worker_id from_wire(schemas::WorkerId::Reader x) {
  return {peer_id{x.getPeer()}, incarnation_id{x.getIncarnation()}};
}

inline void to_wire(const worker_id& x, schemas::WorkerId::Builder out) {
  out.setPeer(x.peer.value());
  out.setIncarnation(x.incarnation.value());
}

/// The part of a control message that says when: Gather, Drop, Reduce and Commit have it.
struct step_round {
  term_id term{0};
  step_id step{0};
  round_id round{0};
};

template <class Reader>
step_round step_round_of(const Reader& x) {
  return {term_id{x.getTerm()}, step_id{x.getStep()}, round_id{x.getRound()}};
}

template <class Builder>
void set_step_round(Builder&& out, const step_round& x) {
  out.setTerm(x.term.value());
  out.setStep(x.step.value());
  out.setRound(x.round.value());
}

}  // namespace swarm::wire
