#include "actors/faults/subject.hpp"

#include "actors/faults/errc.hpp"

namespace swarm::faults {

namespace {

bool apply_to(subject& hit, const planned_fault& fault, bool on) {
  switch (fault.kind) {
    case fault_class::kill:
    case fault_class::restart_with_state:
    case fault_class::restart_without_state:
    case fault_class::stage_loss:
      on ? hit.kill() : hit.restart(fault.kind == fault_class::restart_with_state);
      return true;
    case fault_class::leave:
    case fault_class::mass_leave:
      on ? hit.leave() : hit.restart(false);
      return true;
    case fault_class::freeze:
      on ? hit.freeze() : hit.thaw();
      return true;
    case fault_class::slow:
      hit.slow(on ? fault.factor : 1);
      return true;
    default:
      return false;
  }
}

}  // namespace

subject::~subject() = default;

bool apply(const planned_fault& fault, bool on, const std::vector<subject*>& all) {
  for (const auto index : fault.subjects)
    if (index >= all.size() || all[index] == nullptr) reject(errc::unknown_subject);
  bool ours = false;
  for (const auto index : fault.subjects)
    ours = apply_to(*all[index], fault, on);
  return ours;
}

}  // namespace swarm::faults
