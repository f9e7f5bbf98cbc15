#include "actors/simulation/fault_driver.hpp"

#include <algorithm>
#include <stdexcept>

namespace swarm::simulation {

namespace {

using namespace std::chrono_literals;
using faults::fault_class;
using faults::planned_fault;

fault_class class_of(const std::string& name) {
  for (size_t c = 0; c < faults::fault_classes; ++c)
    if (name == faults::to_string(static_cast<fault_class>(c))) return static_cast<fault_class>(c);
  throw std::invalid_argument("faults_per_minute." + name + ": there is no such fault");
}

/// How long a fault of a class lasts.
faults::time_range lasting(fault_class kind) {
  switch (kind) {
    case fault_class::freeze:
      return {200ms, 15s};
    case fault_class::slow:
      return {1s, 20s};
    case fault_class::mass_leave:
    case fault_class::stage_loss:
      return {1s, 6s};
    default:
      return {300ms, 10s};
  }
}

faults::fault_plan plan_for(const scenario& what, moment duration, splitmix64& random,
                            fleet& whom) {
  faults::plan_options options;
  options.seed = random.next();
  options.duration = duration;
  for (const auto& member : whom.members())
    options.stage_of.push_back(member.is_worker() ? static_cast<uint32_t>(member.stage)
                                                  : faults::no_stage);
  for (const auto& [name, rate] : what.faults_per_minute) {
    const auto kind = class_of(name);
    options.rates.push_back({kind, rate.draw(random) * 60, lasting(kind)});
  }
  return make_plan(options);
}

bool ends_lives(fault_class kind) {
  return kind == fault_class::kill || kind == fault_class::restart_with_state ||
         kind == fault_class::restart_without_state || kind == fault_class::leave ||
         kind == fault_class::mass_leave || kind == fault_class::stage_loss;
}

/// A stage that loses everybody comes back with what its peers had kept.
bool comes_back_with_state(fault_class kind) {
  return kind == fault_class::restart_with_state || kind == fault_class::stage_loss;
}

}  // namespace

fault_driver::fault_driver(const scenario& what, world& w, virtual_network& net, fleet& whom,
                           uint64_t seed)
    : world_(w), net_(net), fleet_(whom) {
  splitmix64 random{seed};
  duration_ = moment{static_cast<int64_t>(what.fault_s.draw(random) * 1e9)};
  plan_ = plan_for(what, duration_, random, whom);
  timeline_ = faults::timeline(plan_);
}

std::string fault_driver::describe(const faults::plan_event& event) const {
  const auto& fault = plan_[event.fault];
  std::string text = std::string{faults::to_string(fault.kind)} + (event.on ? " begins" : " ends");
  for (size_t subject : fault.subjects)
    text += " " + std::to_string(subject);
  if (!fault.others.empty()) text += " |";
  for (size_t subject : fault.others)
    text += " " + std::to_string(subject);
  return text;
}

bool fault_driver::carry_out(const faults::plan_event& event, int64_t decided,
                             std::vector<int64_t>& versions) {
  world_.note(event.fault, event.on ? 1 : 0);
  if (!event.on) {
    end(event.fault);
    return true;
  }
  const bool first_time = hit_.count(event.fault) == 0 && partitions_.count(event.fault) == 0;
  if (!begin(event.fault, decided, versions)) return false;
  if (first_time) ++counts_[faults::to_string(plan_[event.fault].kind)];
  return true;
}

bool fault_driver::begin(size_t which, int64_t decided, std::vector<int64_t>& versions) {
  const auto& fault = plan_[which];
  auto& members = fleet_.members();
  if (ends_lives(fault.kind)) {
    auto& hit = hit_[which];
    const bool with_state = comes_back_with_state(fault.kind);
    for (size_t victim : fault.subjects) {
      auto& member = members[victim];
      if (member.where->state() == host_state::down || member.where->state() == host_state::left)
        continue;
      if (member.is_worker() && !survivable(victim, with_state, decided, versions)) continue;
      const bool polite = fault.kind == fault_class::leave || fault.kind == fault_class::mass_leave;
      polite ? member.where->leave() : member.where->kill();
      if (member.is_worker()) versions[victim] = -1;
      hit.push_back(victim);
    }
    return !hit.empty();
  }
  switch (fault.kind) {
    case fault_class::freeze:
      for (size_t victim : fault.subjects)
        members[victim].where->freeze();
      break;
    case fault_class::slow:
      for (size_t victim : fault.subjects)
        members[victim].where->slow(fault.factor);
      break;
    default:
      return strike_paths(which);
  }
  hit_[which] = fault.subjects;
  return true;
}

bool fault_driver::survivable(size_t victim, bool with_state, int64_t decided,
                              const std::vector<int64_t>& versions) const {
  const auto& members = fleet_.members();
  const auto kept = [&](size_t i) {
    const auto& store = members[i].store;
    if (!store) return false;
    const auto state = store->state();
    return state && state->version.value() == decided;
  };
  for (size_t i = 0; i < members.size(); ++i) {
    if (members[i].stage != members[victim].stage) continue;
    if (i == victim) {
      if (with_state && kept(i)) return true;
      continue;
    }
    const auto state = members[i].where->state();
    const bool alive = state == host_state::up || state == host_state::frozen;
    if (alive && versions[i] == decided) return true;
  }
  return false;
}

path_conditions fault_driver::clogged() const {
  auto result = fleet_.plan().path;
  result.latency = std::max<moment>(20 * result.latency, 500ms);
  result.bytes_per_s = 20'000;
  return result;
}

bool fault_driver::strike_paths(size_t which) {
  const auto& fault = plan_[which];
  const auto& members = fleet_.members();
  const auto id = [&](size_t index) { return members[index].where->id(); };
  switch (fault.kind) {
    case fault_class::partition:
    case fault_class::one_way_partition:
    case fault_class::flapping_partition: {
      if (partitions_.count(which) != 0) net_.heal(partitions_.at(which));
      partition cut;
      cut.kind =
          fault.kind == fault_class::one_way_partition ? cut_kind::one_way : cut_kind::symmetric;
      cut.groups.resize(world_.hosts() + 1, 0);
      for (size_t subject : fault.subjects)
        cut.groups[id(subject).value()] = 1;
      partitions_[which] = net_.begin_partition(cut);
      return true;
    }
    case fault_class::half_open:
    case fault_class::clogged_path:
      for (size_t from : fault.subjects)
        for (size_t to : fault.others)
          if (fault.kind == fault_class::half_open) {
            net_.block(id(from), id(to));
          } else {
            net_.model().set_path(id(from), id(to), clogged());
          }
      hit_[which] = fault.subjects;
      return true;
    default:
      throw std::invalid_argument(std::string{faults::to_string(fault.kind)} +
                                  " is not a fault of peers or paths");
  }
}

void fault_driver::end(size_t which) {
  const auto& fault = plan_[which];
  auto& members = fleet_.members();
  const auto cut = partitions_.find(which);
  if (cut != partitions_.end()) net_.heal(cut->second);
  const auto found = hit_.find(which);
  if (found == hit_.end()) return;
  for (size_t victim : found->second) {
    auto& where = *members[victim].where;
    if (ends_lives(fault.kind)) {
      where.restart(comes_back_with_state(fault.kind));
    } else if (fault.kind == fault_class::freeze) {
      where.thaw();
    } else if (fault.kind == fault_class::slow) {
      where.slow(1);
    } else {
      for (size_t to : fault.others) {
        const auto from_id = members[victim].where->id();
        const auto to_id = members[to].where->id();
        fault.kind == fault_class::half_open ? net_.unblock(from_id, to_id)
                                             : net_.model().clear_path(from_id, to_id);
      }
    }
  }
}

}  // namespace swarm::simulation
