#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <ostream>

namespace swarm {

/// An integer that only mixes with its own kind. Zero by default, constructed explicitly from the
/// raw integer. CAF inspectors find `inspect` by argument-dependent look-up; CAF is not included.
template <class Tag, class Raw>
class strong_id {
 public:
  using raw_type = Raw;

  constexpr strong_id() noexcept = default;
  constexpr explicit strong_id(Raw value) noexcept : value_(value) {}

  constexpr Raw value() const noexcept { return value_; }
  /// The id one above this one.
  constexpr strong_id next() const noexcept { return strong_id(static_cast<Raw>(value_ + 1)); }

  friend constexpr bool operator==(strong_id a, strong_id b) noexcept {
    return a.value_ == b.value_;
  }
  friend constexpr bool operator!=(strong_id a, strong_id b) noexcept {
    return a.value_ != b.value_;
  }
  friend constexpr bool operator<(strong_id a, strong_id b) noexcept { return a.value_ < b.value_; }
  friend constexpr bool operator>(strong_id a, strong_id b) noexcept { return b < a; }
  friend constexpr bool operator<=(strong_id a, strong_id b) noexcept { return !(b < a); }
  friend constexpr bool operator>=(strong_id a, strong_id b) noexcept { return !(a < b); }

  friend std::ostream& operator<<(std::ostream& out, strong_id id) { return out << id.value_; }

  template <class Inspector>
  friend typename Inspector::result_type inspect(Inspector& f, strong_id& x) {
    return f(x.value_);
  }

 private:
  Raw value_{};
};

/// A peer for as long as its key lives; survives restarts of its process.
using peer_id = strong_id<struct peer_id_tag, std::uint64_t>;
/// A stage of the pipeline, counted from 0 at the input end.
using stage_id = strong_id<struct stage_id_tag, std::int32_t>;
/// A step = the version of the model that it starts from = the number of steps committed before.
using step_id = strong_id<struct step_id_tag, std::int64_t>;
/// A microbatch's index within its step.
using microbatch_id = strong_id<struct microbatch_id_tag, std::int64_t>;
/// A coordinator's term of office; the higher one wins.
using term_id = strong_id<struct term_id_tag, std::uint64_t>;
/// The term of the restore that a history of the weights begins with; 0 for the run's first.
using history_id = strong_id<struct history_id_tag, std::uint64_t>;
/// An attempt of a step: a further gather or reduce after a failed one.
using round_id = strong_id<struct round_id_tag, std::uint32_t>;
/// Grows with every restart of a peer's worker, so that a dead one's messages are told apart.
using incarnation_id = strong_id<struct incarnation_id_tag, std::uint32_t>;

/// An attempt of a step, across coordinators: a later term's come after all of an earlier one's.
struct attempt_id {
  term_id term;
  round_id round;

  /// No attempt: rounds begin at 1.
  constexpr bool none() const noexcept { return round == round_id{}; }

  friend constexpr bool operator==(const attempt_id& a, const attempt_id& b) noexcept {
    return a.term == b.term && a.round == b.round;
  }
  friend constexpr bool operator!=(const attempt_id& a, const attempt_id& b) noexcept {
    return !(a == b);
  }
  friend constexpr bool operator<(const attempt_id& a, const attempt_id& b) noexcept {
    return a.term != b.term ? a.term < b.term : a.round < b.round;
  }
  friend constexpr bool operator<=(const attempt_id& a, const attempt_id& b) noexcept {
    return !(b < a);
  }
};

/// Which weights: of two histories the later one wins, and within a history the later version. So
/// what was made before a run went back to an earlier version never counts as newer than what was
/// made since. Two weights of one stage with the same id are the same weights.
struct weights_id {
  history_id history;
  step_id version;

  constexpr weights_id next() const noexcept { return {history, version.next()}; }
  constexpr weights_id previous() const noexcept { return {history, step_id{version.value() - 1}}; }

  friend constexpr bool operator==(const weights_id& a, const weights_id& b) noexcept {
    return a.history == b.history && a.version == b.version;
  }
  friend constexpr bool operator!=(const weights_id& a, const weights_id& b) noexcept {
    return !(a == b);
  }
  friend constexpr bool operator<(const weights_id& a, const weights_id& b) noexcept {
    return a.history != b.history ? a.history < b.history : a.version < b.version;
  }
  friend constexpr bool operator>(const weights_id& a, const weights_id& b) noexcept {
    return b < a;
  }
  friend constexpr bool operator<=(const weights_id& a, const weights_id& b) noexcept {
    return !(b < a);
  }
  friend constexpr bool operator>=(const weights_id& a, const weights_id& b) noexcept {
    return !(a < b);
  }

  /// "<history>:<version>"
  friend std::ostream& operator<<(std::ostream& out, const weights_id& id) {
    return out << id.history << ':' << id.version;
  }
};

/// One life of one peer's worker.
struct worker_id {
  peer_id peer;
  incarnation_id incarnation;

  friend constexpr bool operator==(const worker_id& a, const worker_id& b) noexcept {
    return a.peer == b.peer && a.incarnation == b.incarnation;
  }
  friend constexpr bool operator!=(const worker_id& a, const worker_id& b) noexcept {
    return !(a == b);
  }
  friend constexpr bool operator<(const worker_id& a, const worker_id& b) noexcept {
    return a.peer != b.peer ? a.peer < b.peer : a.incarnation < b.incarnation;
  }
  friend constexpr bool operator>(const worker_id& a, const worker_id& b) noexcept { return b < a; }
  friend constexpr bool operator<=(const worker_id& a, const worker_id& b) noexcept {
    return !(b < a);
  }
  friend constexpr bool operator>=(const worker_id& a, const worker_id& b) noexcept {
    return !(a < b);
  }

  /// "<peer>.<incarnation>"
  friend std::ostream& operator<<(std::ostream& out, const worker_id& id) {
    return out << id.peer << '.' << id.incarnation;
  }

  template <class Inspector>
  friend typename Inspector::result_type inspect(Inspector& f, worker_id& x) {
    return f(x.peer, x.incarnation);
  }
};

}  // namespace swarm

template <class Tag, class Raw>
struct std::hash<swarm::strong_id<Tag, Raw>> {
  std::size_t operator()(swarm::strong_id<Tag, Raw> id) const noexcept {
    return std::hash<Raw>{}(id.value());
  }
};

template <>
struct std::hash<swarm::worker_id> {
  std::size_t operator()(const swarm::worker_id& id) const noexcept {
    const std::uint64_t mixed =
        (id.peer.value() ^ (std::uint64_t{id.incarnation.value()} << 32)) * 0x9e3779b97f4a7c15ULL;
    return static_cast<std::size_t>(mixed ^ (mixed >> 32));
  }
};
