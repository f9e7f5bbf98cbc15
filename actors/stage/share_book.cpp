#include "actors/stage/share_book.hpp"

namespace swarm::stage {

void share_book::begin(const share_round& round) {
  if (round == round_) return;
  round_ = round;
  shares_.clear();
}

void share_book::assign(const std::map<share_key, microbatch_set>& cuts) {
  for (const auto& [which, cut] : cuts)
    if (shares_.size() < shares_max && cut.size() > 0)
      shares_.try_emplace(which, share{cut, {}, {}});
}

std::optional<refusal_reason> share_book::admit(const share_round& round, share_key which,
                                                microbatch_id index) const {
  const auto found = shares_.find(which);
  if (round != round_ || found == shares_.end() || !found->second.cut.contains(index))
    return refusal_reason::wrong_round;
  return std::nullopt;
}

int share_book::weight(share_key which, microbatch_id index) {
  auto& share = shares_.at(which);
  if (share.held.contains(index)) return 0;
  return share.computing.insert(index).second ? 1 : 0;
}

bool share_book::computed(const share_round& round, share_key which, microbatch_id index,
                          bool counted) {
  const auto found = shares_.find(which);
  // Its sum is forgotten, or belongs to a share of the same name in another round.
  if (round != round_ || found == shares_.end()) return false;
  auto& share = found->second;
  if (share.computing.erase(index) == 0 || !counted) return false;
  share.held.insert(index);
  return share.complete();
}

std::pair<size_t, size_t> share_book::progress() const {
  size_t in = 0;
  size_t all = 0;
  for (const auto& [which, share] : shares_) {
    in += share.held.size();
    all += share.cut.size();
  }
  return {in, all};
}

}  // namespace swarm::stage
