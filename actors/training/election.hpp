#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "actors/ids.hpp"

namespace swarm::training {

/// A term is a count, then the candidate's peer and incarnation, so that no two lives ever begin
/// the same term. Limit: 20 bits of the peer id and 12 of the incarnation tell candidates apart.
term_id term_above(term_id highest, worker_id candidate);

/// Who coordinates, as one candidate sees it, without actors or clock. The highest term that is
/// announced leads; a leader that sees a higher one stands down at once. When nobody leads, the
/// candidates begin a term one after the other, in the order of their ids, so that a lost leader
/// usually has one successor; if there are two, the higher term fences the lower one out at every
/// worker.
///
///   standing by --nobody leads for (1 + rank) x timeout--> leading --a higher term seen--> ...
class election {
 public:
  enum class verdict : uint8_t { none, lead, stand_down };

  election(worker_id self, double timeout_seconds)
      : self_(self), timeout_seconds_(timeout_seconds) {}

  bool leading() const { return leading_; }
  term_id term() const { return term_; }
  term_id highest() const { return highest_; }

  /// Another candidate announced itself.
  void announced(worker_id id, term_id term, bool leads, double now_seconds);
  void gone(worker_id id, double now_seconds);

  /// A worker obeys this term.
  void seen(term_id term);

  /// Begins this term without waiting: the first one of a run.
  void lead(term_id term);

  /// To be asked after every piece of news and from time to time.
  verdict decide(double now_seconds);

 private:
  struct candidate {
    term_id term;
    bool leads;
  };

  bool somebody_leads() const;
  size_t rank() const;

  worker_id self_;
  double timeout_seconds_;
  std::map<worker_id, candidate> others_;
  bool leading_ = false;
  term_id term_{0};
  term_id highest_{0};
  std::optional<double> leaderless_since_;
};

}  // namespace swarm::training
