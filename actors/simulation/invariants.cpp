#include "actors/simulation/invariants.hpp"

#include <sstream>

namespace swarm::simulation {

const char* to_string(invariant_rule rule) {
  switch (rule) {
    case invariant_rule::exactly_once:
      return "exactly_once";
    case invariant_rule::replicas_agree:
      return "replicas_agree";
    case invariant_rule::steps_only_grow:
      return "steps_only_grow";
    case invariant_rule::ledger_balances:
      return "ledger_balances";
    case invariant_rule::queues_bounded:
      return "queues_bounded";
    case invariant_rule::resumes:
      return "resumes";
    case invariant_rule::shuts_down:
      return "shuts_down";
    case invariant_rule::stages_served:
      return "stages_served";
    case invariant_rule::bytes_planned:
      return "bytes_planned";
  }
  return "unknown";
}

void invariants::stepped(host_id where, stage_id stage, step_id version, const std::string& hash,
                         double time_s) {
  std::ostringstream who;
  who << "host " << where << " stage " << stage << " version " << version;
  const auto [first, fresh] = seen_.emplace(std::make_pair(stage, version), hash);
  if (!fresh && first->second != hash)
    broken(invariant_rule::replicas_agree, who.str() + " differs from another worker's", time_s);
  if (expected_(stage, version) != hash)
    broken(invariant_rule::exactly_once, who.str() + " differs from one process", time_s);
}

void invariants::applies(host_id where, int64_t version, int64_t step, double time_s) {
  if (version < 0 || version == step) return;
  std::ostringstream what;
  what << "host " << where << " makes step " << step << " at version " << version;
  broken(invariant_rule::steps_only_grow, what.str(), time_s);
}

void invariants::committed(term_id term, step_id step, double time_s) {
  const auto [last, fresh] = last_step_.emplace(term, step);
  if (fresh) return;
  if (step <= last->second) {
    std::ostringstream what;
    what << "term " << term << " commits step " << step << " after step " << last->second;
    broken(invariant_rule::steps_only_grow, what.str(), time_s);
  }
  last->second = step;
}

void invariants::sent(double bytes, double planned_bytes, double time_s) {
  if (bytes <= sent_share_max * planned_bytes) return;
  std::ostringstream what;
  what << bytes / 1e9 << " GB were sent, planned are " << planned_bytes / 1e9;
  broken(invariant_rule::bytes_planned, what.str(), time_s);
}

void invariants::queued(const std::string& whom, size_t messages, size_t limit, double time_s) {
  if (messages <= limit) return;
  broken(invariant_rule::queues_bounded,
         whom + " has " + std::to_string(messages) + " messages waiting, the limit is " +
             std::to_string(limit),
         time_s);
}

void invariants::broken(invariant_rule rule, std::string what, double time_s) {
  ++count_;
  if (violations_.size() < violations_max) violations_.push_back({rule, std::move(what), time_s});
}

}  // namespace swarm::simulation
