#include "actors/stage/step_guard.hpp"

#include "actors/invariant.hpp"
#include "actors/planted_bug.hpp"

namespace swarm::stage {

bool microbatch_set::contains(microbatch_id index) const {
  const auto byte = static_cast<size_t>(index.value() / 8);
  return byte < bytes_.size() && (bytes_[byte] >> (index.value() % 8) & 1) != 0;
}

void microbatch_set::insert(microbatch_id index) {
  const auto byte = static_cast<size_t>(index.value() / 8);
  if (byte >= bytes_.size()) bytes_.resize(byte + 1);
  bytes_[byte] = static_cast<uint8_t>(bytes_[byte] | 1U << (index.value() % 8));
}

void microbatch_set::erase(microbatch_id index) {
  const auto byte = static_cast<size_t>(index.value() / 8);
  if (byte < bytes_.size())
    bytes_[byte] = static_cast<uint8_t>(bytes_[byte] & ~(1U << (index.value() % 8)));
}

size_t microbatch_set::size() const {
  size_t count = 0;
  for (uint8_t byte : bytes_)
    count += static_cast<size_t>(__builtin_popcount(byte));
  return count;
}

refusal step_guard::because(refusal_reason reason) const {
  return {reason, term_, version_, frozen_.round, history_};
}

std::optional<refusal> step_guard::take_over(term_id term) {
  if (term < term_ && !planted(planted_bug::lower_term_accepted))
    return because(refusal_reason::lower_term);
  term_ = term;
  return std::nullopt;
}

std::optional<refusal> step_guard::check(term_id term, step_id step, history_id history) {
  if (auto why = take_over(term)) return why;
  if (history_ < history) return because(refusal_reason::behind);
  if (step < version_ && !planted(planted_bug::stale_version_accepted))
    return because(refusal_reason::ahead);
  if (version_ < step) return because(refusal_reason::behind);
  return std::nullopt;
}

std::optional<refusal> step_guard::admit_read(term_id term, step_id step, history_id history) {
  return check(term, step, history);
}

std::optional<refusal> step_guard::admit_accumulate(term_id term, step_id step, round_id round,
                                                    history_id history) {
  if (auto why = check(term, step, history)) return why;
  if (attempt_id{term, round} <= frozen_ && !planted(planted_bug::late_after_freeze))
    return because(refusal_reason::frozen);
  return std::nullopt;
}

int step_guard::effective_weight(microbatch_id index, int weight) const {
  SWARM_INVARIANT(weight >= -1 && weight <= 1, "a weight is -1, 0 or 1");
  const bool there = held_.contains(index);
  if (weight > 0) return there && !planted(planted_bug::double_count_on_retry) ? 0 : 1;
  if (weight < 0) return there ? -1 : 0;
  return 0;
}

void step_guard::accumulated(microbatch_id index, int weight) {
  SWARM_INVARIANT(
      effective_weight(index, weight) == weight || planted(planted_bug::set_without_dedupe),
      "a microbatch enters or leaves the gradient sum once");
  if (weight > 0) held_.insert(index);
  if (weight < 0) held_.erase(index);
}

std::optional<refusal> step_guard::gather(term_id term, step_id step, round_id round) {
  if (auto why = check(term, step)) return why;
  const attempt_id asked{term, round};
  if (asked < frozen_) return because(refusal_reason::frozen);
  frozen_ = asked;
  return std::nullopt;
}

std::optional<refusal> step_guard::drop(term_id term, step_id step, round_id round) {
  if (auto why = gather(term, step, round)) return why;
  if (!planted(planted_bug::drop_keeps_the_set)) held_.clear();
  return std::nullopt;
}

std::optional<refusal> step_guard::reduce(term_id term, step_id step, round_id round) {
  if (auto why = check(term, step)) return why;
  if (attempt_id{term, round} != frozen_) return because(refusal_reason::wrong_round);
  return std::nullopt;
}

std::optional<refusal> step_guard::commit(term_id term, step_id step, attempt_id attempt) {
  if (auto why = check(term, step)) return why;
  if ((attempt.none() || attempt != reduced_.attempt) &&
      !planted(planted_bug::commit_of_another_round))
    return because(refusal_reason::wrong_round);
  return std::nullopt;
}

void step_guard::advance(step_id version) {
  version_ = version;
  frozen_ = {};
  reduced_ = {};
  committed_ = {};
  held_.clear();
}

void step_guard::commit_applied(double scale, uint32_t counted) {
  const last_commit commit{reduced_.attempt, scale, counted, reduced_.hash};
  advance(version_.next());
  committed_ = commit;
}

}  // namespace swarm::stage
