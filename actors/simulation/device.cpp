#include "actors/simulation/device.hpp"

#include <algorithm>
#include <utility>

#include "actors/faults/link.hpp"
#include "actors/random.hpp"
#include "actors/wire/ticket.hpp"

namespace swarm::simulation {

struct device::core {
  world& where;
  compute_cost cost;
  uint64_t seed = 0;
  double factor = 1;
  moment busy_until{0};
  uint64_t generation = 0;  ///< of compute actors
  std::array<uint64_t, works> calls{};
  std::array<moment, works> busy{};
};

namespace {

using core_ptr = std::shared_ptr<device::core>;

/// A request that is due at the very moment may not overtake one whose timer is about to fire.
constexpr moment shortest_delay{1};

struct job {
  work kind = work::transfer;
  moment cost{0};
};

moment scaled(moment time, double factor) {
  return moment{static_cast<int64_t>(static_cast<double>(time.count()) * factor)};
}

/// In [-1, 1), always the same for a microbatch on a device.
double deviation(uint64_t seed, const wire::ticket& ticket) {
  const auto mixed = mixed_bits(mixed_bits(seed + static_cast<uint64_t>(ticket.step.value())) +
                                static_cast<uint64_t>(ticket.microbatch.value()));
  return static_cast<double>(mixed >> 11) * 0x1.0p-52 - 1;
}

template <class Message>
moment of_microbatch(const device::core& core, const Message& m, moment cost) {
  if (core.cost.spread <= 0) return cost;
  const auto ticket = wire::from_wire(m.read()->getTicket());
  return scaled(cost, 1 + core.cost.spread * deviation(core.seed, ticket));
}

job job_of(const device::core& core, const caf::type_erased_tuple& content) {
  const auto& cost = core.cost;
  if (content.match_elements<wire::forward>()) {
    const auto& m = content.get_as<wire::forward>(0);
    return {work::forward, of_microbatch(core, m, cost.forward)};
  }
  if (content.match_elements<wire::backward, int>()) {
    const auto& m = content.get_as<wire::backward>(0);
    // The input comes along when the graph is not expected to be here any more.
    const bool recompute = m.read()->getInput().getShape().size() != 0;
    return {work::backward,
            of_microbatch(core, m, cost.backward + (recompute ? cost.forward : moment{0}))};
  }
  if (content.match_elements<wire::loss, int>()) {
    const auto& m = content.get_as<wire::loss>(0);
    return {work::loss, of_microbatch(core, m, cost.loss)};
  }
  if (content.match_elements<wire::infer, int64_t>()) return {work::infer, cost.infer};
  if (content.match_elements<stage::apply_atom, int64_t, double>())
    return {work::apply, cost.apply};
  return {work::transfer, cost.transfer};
}

class queue_policy final : public faults::link_policy {
 public:
  explicit queue_policy(core_ptr core) : core_(std::move(core)), generation_(core_->generation) {}

  faults::fate decide(const faults::passage& message) override {
    // Answers leave at once; so do orders from supervisors.
    if (message.way == faults::direction::back || !message.is_request)
      return faults::fate::deliver();
    const auto now = core_->where.now();
    const auto next = job_of(*core_, message.content);
    const auto cost = scaled(next.cost, core_->factor);
    ++core_->calls[static_cast<size_t>(next.kind)];
    core_->busy[static_cast<size_t>(next.kind)] += cost;
    auto& until = generation_ == core_->generation ? core_->busy_until : own_until_;
    until = std::max(until, now) + cost;
    return faults::fate::deliver(std::max(until - now, shortest_delay));
  }

 private:
  core_ptr core_;
  uint64_t generation_;
  moment own_until_{0};  ///< of a compute actor that has a successor
};

}  // namespace

const char* to_string(work kind) {
  static const char* const names[] = {"forward", "backward", "loss", "infer", "apply", "transfer"};
  return names[static_cast<size_t>(kind)];
}

device::device(world& w, const compute_cost& cost, uint64_t seed)
    : core_(std::make_shared<core>(core{w, cost, seed})) {}

device::~device() = default;

stage::compute_actor device::in_front_of(const stage::compute_actor& compute) {
  ++core_->generation;
  core_->busy_until = moment{0};
  faults::link_options options;
  options.watch_senders = false;
  return faults::link_to(core_->where.system(), compute, std::make_shared<queue_policy>(core_),
                         options);
}

void device::slow(double factor) {
  core_->factor = factor;
}

double device::slowness() const {
  return core_->factor;
}

uint64_t device::calls(work kind) const {
  return core_->calls[static_cast<size_t>(kind)];
}

moment device::busy(work kind) const {
  return core_->busy[static_cast<size_t>(kind)];
}

}  // namespace swarm::simulation
