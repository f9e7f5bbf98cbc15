#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "actors/ids.hpp"

namespace swarm::training {

/// A term is a count and a 32-bit hash of the life of the candidate that takes it, so that no two
/// lives take the same term, but for one pair in four thousand million of those that take the same
/// count. Each take-over takes a new one.
term_id term_above(term_id highest, worker_id candidate);

/// Who coordinates, as one candidate sees it, without actors or clock. The highest term that is
/// announced leads; a leader that sees a higher one stands down at once. A leader is there while
/// its beats come: one whose process is gone, or that is silent for the time-out, is not. Then the
/// candidates ask the workers (PreVote) one after the other, in the order of their ids, so that a
/// lost leader usually has one successor; if there are two, the higher term fences the lower one
/// out at every worker.
///
///   standing by --no leader for (1 + rank) x time-out--> ask --most workers hear none--> lead
///      ^                                                  |
///      '--------------- they hear one: denied ------------'
class election {
 public:
  enum class verdict : uint8_t { none, ask, stand_down };

  election(worker_id self, double timeout_seconds)
      : self_(self), timeout_seconds_(timeout_seconds) {}

  bool leading() const { return leading_; }
  term_id term() const { return term_; }
  term_id highest() const { return highest_; }

  /// Another candidate announced itself.
  void announced(worker_id id, term_id term, bool leads, double now_seconds);
  void gone(worker_id id, double now_seconds);
  /// A beat of a leader.
  void heard(term_id term, double now_seconds);

  /// A worker obeys this term.
  void seen(term_id term);

  /// Begins this term: the first one of a run, after a vote, or a further one of its own.
  void lead(term_id term);
  /// The workers hear a leader: ask again after as long as before.
  void denied(double now_seconds);

  /// Somebody else leads, and its beats come.
  bool leader_heard(double now_seconds) const;

  /// To be asked after every piece of news and from time to time.
  verdict decide(double now_seconds);

 private:
  struct candidate {
    term_id term;
    bool leads;
  };

  size_t rank() const;

  worker_id self_;
  double timeout_seconds_;
  std::map<worker_id, candidate> others_;
  bool leading_ = false;
  term_id term_{0};
  term_id highest_{0};
  term_id beat_term_{0};
  double beat_seconds_ = 0;
  std::optional<double> leaderless_since_;
};

}  // namespace swarm::training
