#include "actors/stage/step_guard.hpp"

#include "actors/invariant.hpp"

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
  return {reason, term_, version_, frozen_round_};
}

std::optional<refusal> step_guard::check(term_id term, step_id step) {
  if (term < term_) return because(refusal_reason::lower_term);
  term_ = term;
  if (step < version_) return because(refusal_reason::ahead);
  if (version_ < step) return because(refusal_reason::behind);
  return std::nullopt;
}

std::optional<refusal> step_guard::admit_read(term_id term, step_id step) {
  return check(term, step);
}

std::optional<refusal> step_guard::admit_accumulate(term_id term, step_id step, round_id round) {
  if (auto why = check(term, step)) return why;
  if (round <= frozen_round_) return because(refusal_reason::frozen);
  return std::nullopt;
}

int step_guard::effective_weight(microbatch_id index, int weight) const {
  SWARM_INVARIANT(weight >= -1 && weight <= 1, "a weight is -1, 0 or 1");
  const bool there = held_.contains(index);
  if (weight > 0) return there ? 0 : 1;
  if (weight < 0) return there ? -1 : 0;
  return 0;
}

void step_guard::accumulated(microbatch_id index, int weight) {
  SWARM_INVARIANT(effective_weight(index, weight) == weight,
                  "a microbatch enters or leaves the gradient sum once");
  if (weight > 0) held_.insert(index);
  if (weight < 0) held_.erase(index);
}

std::optional<refusal> step_guard::gather(term_id term, step_id step, round_id round) {
  if (auto why = check(term, step)) return why;
  if (round < frozen_round_) return because(refusal_reason::frozen);
  frozen_round_ = round;
  return std::nullopt;
}

std::optional<refusal> step_guard::drop(term_id term, step_id step, round_id round) {
  if (auto why = gather(term, step, round)) return why;
  held_.clear();
  return std::nullopt;
}

std::optional<refusal> step_guard::reduce(term_id term, step_id step, round_id round) {
  if (auto why = check(term, step)) return why;
  if (round != frozen_round_) return because(refusal_reason::wrong_round);
  return std::nullopt;
}

std::optional<refusal> step_guard::commit(term_id term, step_id step, round_id round) {
  if (auto why = check(term, step)) return why;
  if (round != reduced_round_) return because(refusal_reason::wrong_round);
  return std::nullopt;
}

void step_guard::advance(step_id version) {
  version_ = version;
  frozen_round_ = round_id{0};
  reduced_round_ = round_id{0};
  held_.clear();
}

}  // namespace swarm::stage
