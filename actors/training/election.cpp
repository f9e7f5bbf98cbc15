#include "actors/training/election.hpp"

#include <algorithm>
#include <iterator>

namespace swarm::training {

namespace {

constexpr int count_shift = 32;
constexpr int peer_shift = 12;
constexpr uint64_t peer_mask = (uint64_t{1} << 20) - 1;
constexpr uint64_t incarnation_mask = (uint64_t{1} << 12) - 1;

}  // namespace

term_id term_above(term_id highest, worker_id candidate) {
  const uint64_t count = (highest.value() >> count_shift) + 1;
  return term_id{count << count_shift | (candidate.peer.value() & peer_mask) << peer_shift |
                 (candidate.incarnation.value() & incarnation_mask)};
}

void election::announced(worker_id id, term_id term, bool leads, double now_seconds) {
  if (id == self_) return;
  // An earlier life of the same peer is over.
  for (auto it = others_.begin(); it != others_.end();)
    it = it->first.peer == id.peer && it->first < id ? others_.erase(it) : std::next(it);
  others_[id] = {term, leads};
  seen(term);
  if (!somebody_leads() && !leaderless_since_) leaderless_since_ = now_seconds;
}

void election::gone(worker_id id, double now_seconds) {
  others_.erase(id);
  if (!somebody_leads() && !leaderless_since_) leaderless_since_ = now_seconds;
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

bool election::somebody_leads() const {
  return std::any_of(others_.begin(), others_.end(),
                     [](const auto& entry) { return entry.second.leads; });
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
  if (somebody_leads()) {
    leaderless_since_.reset();
    return verdict::none;
  }
  if (!leaderless_since_) leaderless_since_ = now_seconds;
  const double patience = timeout_seconds_ * static_cast<double>(1 + rank());
  if (now_seconds - *leaderless_since_ < patience) return verdict::none;
  lead(term_above(highest_, self_));
  return verdict::lead;
}

}  // namespace swarm::training
