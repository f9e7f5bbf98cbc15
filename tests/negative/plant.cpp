#include "tests/negative/plant.hpp"

#include <cstdint>
#include <stdexcept>

namespace swarm::negative {

const char* to_string(planted_bug bug) {
  switch (bug) {
    case planted_bug::none:
      return "none";
    case planted_bug::double_count_on_retry:
      return "double_count_on_retry";
    case planted_bug::set_without_dedupe:
      return "set_without_dedupe";
    case planted_bug::stale_version_accepted:
      return "stale_version_accepted";
    case planted_bug::lower_term_accepted:
      return "lower_term_accepted";
    case planted_bug::late_after_freeze:
      return "late_after_freeze";
    case planted_bug::drop_keeps_the_set:
      return "drop_keeps_the_set";
    case planted_bug::commit_of_another_round:
      return "commit_of_another_round";
    case planted_bug::commit_applied_twice:
      return "commit_applied_twice";
    case planted_bug::lease_lost_with_its_trainer:
      return "lease_lost_with_its_trainer";
    case planted_bug::lease_expiry_forgotten:
      return "lease_expiry_forgotten";
    case planted_bug::extra_not_reconciled:
      return "extra_not_reconciled";
    case planted_bug::lacking_not_replayed:
      return "lacking_not_replayed";
    case planted_bug::reduce_hash_not_compared:
      return "reduce_hash_not_compared";
    case planted_bug::commit_before_all_reduced:
      return "commit_before_all_reduced";
    case planted_bug::clip_of_one_stage:
      return "clip_of_one_stage";
    case planted_bug::dead_donor_taken_as_fresh:
      return "dead_donor_taken_as_fresh";
    case planted_bug::checksum_not_compared:
      return "checksum_not_compared";
    case planted_bug::chunks_of_two_versions:
      return "chunks_of_two_versions";
    case planted_bug::take_over_without_asking:
      return "take_over_without_asking";
    case planted_bug::take_over_forgets_commit:
      return "take_over_forgets_commit";
    case planted_bug::rescue_never_begins:
      return "rescue_never_begins";
    case planted_bug::every_move_granted:
      return "every_move_granted";
    case planted_bug::commit_not_repeated:
      return "commit_not_repeated";
    case planted_bug::follower_skips_a_step:
      return "follower_skips_a_step";
    case planted_bug::part_added_twice:
      return "part_added_twice";
    case planted_bug::retry_without_backoff:
      return "retry_without_backoff";
    case planted_bug::children_left_behind:
      return "children_left_behind";
  }
  return nullptr;
}

std::vector<planted_bug> all_bugs() {
  std::vector<planted_bug> result;
  for (uint8_t b = 1; to_string(planted_bug{b}) != nullptr; ++b)
    result.push_back(planted_bug{b});
  return result;
}

#ifdef SWARM_PLANTED_BUGS

plant::plant(planted_bug bug) {
  detail::planted_now = bug;
}

plant::~plant() {
  detail::planted_now = planted_bug::none;
}

#else

plant::plant(planted_bug) {
  throw std::logic_error("nothing can be planted here: build it as a swarm_planted_binary");
}

plant::~plant() = default;

#endif

}  // namespace swarm::negative
