#include "actors/rebalancing/policy.hpp"

#include <array>
#include <limits>
#include <utility>

#include "actors/rebalancing/queue_policy.hpp"
#include "actors/rebalancing/throughput_policy.hpp"

namespace swarm::rebalancing {

namespace {

constexpr std::array<std::pair<policy_kind, std::string_view>, 3> names{{
    {policy_kind::none, "none"},
    {policy_kind::queue, "queue"},
    {policy_kind::throughput, "throughput"},
}};

class no_policy final : public rebalance_policy {
 public:
  std::optional<move> decide(const swarm_view&, worker_id, seconds) override {
    return std::nullopt;
  }
  void refused(seconds) override {}
  seconds next_decision() const override {
    return seconds{std::numeric_limits<double>::infinity()};
  }
};

}  // namespace

std::string_view to_string(policy_kind kind) {
  for (const auto& [k, name] : names)
    if (k == kind) return name;
  return "unknown";
}

std::optional<policy_kind> policy_from_name(std::string_view name) {
  for (const auto& [kind, n] : names)
    if (n == name) return kind;
  return std::nullopt;
}

std::unique_ptr<rebalance_policy> make_policy(policy_kind kind, uint64_t seed,
                                              const policy_options& options) {
  switch (kind) {
    case policy_kind::none:
      return std::make_unique<no_policy>();
    case policy_kind::queue:
      return std::make_unique<queue_policy>(options);
    case policy_kind::throughput:
      return std::make_unique<throughput_policy>(seed, options);
  }
  return nullptr;
}

}  // namespace swarm::rebalancing
