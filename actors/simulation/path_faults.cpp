#include "actors/simulation/path_faults.hpp"

#include <algorithm>

namespace swarm::simulation {

using faults::fault_class;
using faults::planned_fault;

path_faults::path_faults(virtual_network& net, std::vector<host_id> hosts,
                         const path_conditions& clogged)
    : net_(net), hosts_(std::move(hosts)), clogged_(clogged) {}

bool path_faults::apply(size_t index, const planned_fault& fault, bool on) {
  switch (fault.kind) {
    case fault_class::partition:
    case fault_class::flapping_partition:
    case fault_class::one_way_partition:
      if (on) {
        cut(index, fault,
            fault.kind == fault_class::one_way_partition ? cut_kind::one_way : cut_kind::symmetric);
      } else if (const auto found = cuts_.find(index); found != cuts_.end()) {
        net_.heal(found->second);
        cuts_.erase(found);
      }
      return true;
    case fault_class::half_open:
      each_path(fault, on, blocks_, [&](host_id from, host_id to) {
        on ? net_.block(from, to) : net_.unblock(from, to);
      });
      return true;
    case fault_class::clogged_path:
      each_path(fault, on, clogs_, [&](host_id from, host_id to) {
        on ? net_.model().set_path(from, to, clogged_) : net_.model().clear_path(from, to);
      });
      return true;
    default:
      return false;
  }
}

void path_faults::cut(size_t index, const planned_fault& fault, cut_kind kind) {
  if (cuts_.count(index) != 0) return;
  partition side;
  side.kind = kind;
  for (const auto subject : fault.subjects) {
    const auto host = hosts_.at(subject).value();
    if (side.groups.size() <= host) side.groups.resize(host + 1);
    side.groups[host] = 1;
  }
  cuts_[index] = net_.begin_partition(std::move(side));
}

void path_faults::each_path(const planned_fault& fault, bool on, std::map<path, int>& count,
                            const std::function<void(host_id, host_id)>& change) {
  for (const auto subject : fault.subjects) {
    for (const auto other : fault.others) {
      const path way{hosts_.at(subject), hosts_.at(other)};
      auto& faults_here = count[way];
      const bool first_or_last = on ? faults_here++ == 0 : faults_here > 0 && --faults_here == 0;
      if (first_or_last) change(way.first, way.second);
    }
  }
}

}  // namespace swarm::simulation
