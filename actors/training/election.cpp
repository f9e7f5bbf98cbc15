#include "actors/training/election.hpp"

#include <algorithm>
#include <iterator>

#include "actors/random.hpp"

namespace swarm::training {

namespace {

constexpr int count_shift = 32;

}  // namespace

term_id term_above(term_id highest, worker_id candidate) {
  const uint64_t count = (highest.value() >> count_shift) + 1;
  const uint64_t life =
      mixed_bits(candidate.peer.value() + mixed_bits(candidate.incarnation.value() + 1));
  return term_id{count << count_shift | life >> count_shift};
}

void election::announced(worker_id id, term_id term, bool leads, double now_seconds) {
  if (id == self_) return;
  // An earlier life of the same peer is over.
  for (auto it = others_.begin(); it != others_.end();)
    it = it->first.peer == id.peer && it->first < id ? others_.erase(it) : std::next(it);
  // That it leads now is as good as a beat; that it still says so is not.
  const auto known = others_.find(id);
  if (leads && (known == others_.end() || !known->second.leads || known->second.term != term))
    heard(term, now_seconds);
  others_[id] = {term, leads};
  seen(term);
  if (!leader_heard(now_seconds) && !leaderless_since_) leaderless_since_ = now_seconds;
}

void election::heard(term_id term, double now_seconds) {
  seen(term);
  if (term < beat_term_) return;
  beat_term_ = term;
  beat_seconds_ = now_seconds;
}

void election::gone(worker_id id, double now_seconds) {
  others_.erase(id);
  if (!leader_heard(now_seconds) && !leaderless_since_) leaderless_since_ = now_seconds;
}

void election::seen(term_id term) {
  highest_ = std::max(highest_, term);
}

void election::lead(term_id term) {
  leading_ = true;
  term_ = term;
  highest_ = std::max(highest_, term_);
  leaderless_since_.reset();
}

void election::denied(double now_seconds) {
  leaderless_since_ = now_seconds;
}

bool election::leader_heard(double now_seconds) const {
  const bool beats = now_seconds - beat_seconds_ < timeout_seconds_;
  return std::any_of(others_.begin(), others_.end(), [&](const auto& entry) {
    return entry.second.leads && (beats || entry.second.term > beat_term_);
  });
}

size_t election::rank() const {
  return static_cast<size_t>(std::count_if(
      others_.begin(), others_.end(), [this](const auto& entry) { return entry.first < self_; }));
}

election::verdict election::decide(double now_seconds) {
  if (leading_) {
    if (highest_ <= term_) return verdict::none;
    leading_ = false;
    leaderless_since_ = now_seconds;
    return verdict::stand_down;
  }
  if (leader_heard(now_seconds)) {
    leaderless_since_.reset();
    return verdict::none;
  }
  if (!leaderless_since_) leaderless_since_ = now_seconds;
  const double patience = timeout_seconds_ * static_cast<double>(1 + rank());
  if (now_seconds - *leaderless_since_ < patience) return verdict::none;
  return verdict::ask;
}

}  // namespace swarm::training
