#include "actors/simulation/fault_driver.hpp"

#include <algorithm>
#include <caf/send.hpp>
#include <stdexcept>

#include "actors/faults/subject.hpp"

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

bool ends_lives(fault_class kind) {
  return kind == fault_class::kill || kind == fault_class::restart_with_state ||
         kind == fault_class::restart_without_state || kind == fault_class::leave ||
         kind == fault_class::mass_leave || kind == fault_class::stage_loss;
}

faults::fault_plan plan_for(const scenario& what, moment duration, splitmix64& random,
                            fleet& whom) {
  faults::plan_options options;
  options.seed = random.next();
  options.duration = duration;
  for (const auto& member : whom.members())
    options.stage_of.push_back(member.is_worker() ? static_cast<uint32_t>(member.stage)
                                                  : faults::no_stage);
  const auto lasts = [&](fault_class kind) {
    const auto from_s = [](double s) { return moment{static_cast<int64_t>(s * 1e9)}; };
    if (!ends_lives(kind) || what.absent_s.high <= 0) return lasting(kind);
    return faults::time_range{from_s(what.absent_s.low), from_s(what.absent_s.high)};
  };
  options.mass_share = {what.burst_share.low, what.burst_share.high};
  for (const auto& [name, rate] : what.faults_per_minute) {
    const auto kind = class_of(name);
    options.rates.push_back({kind, rate.draw(random) * 60, lasts(kind)});
  }
  if (const double life_s = whom.plan().mean_life_s; life_s > 0)
    options.rates.push_back({fault_class::kill,
                             static_cast<double>(options.stage_of.size()) * 3600 / life_s,
                             lasts(fault_class::kill)});
  return make_plan(options);
}

/// A stage that loses everybody comes back with what its peers had kept.
bool comes_back_with_state(fault_class kind) {
  return kind == fault_class::restart_with_state || kind == fault_class::stage_loss;
}

path_conditions clogged(path_conditions path) {
  path.latency = std::max<moment>(20 * path.latency, 500ms);
  path.bytes_per_s = 20'000;
  return path;
}

std::vector<host_id> hosts_of(fleet& whom) {
  std::vector<host_id> result;
  for (const auto& member : whom.members())
    result.push_back(member.where->id());
  return result;
}

}  // namespace

fault_driver::fault_driver(const scenario& what, const faults::fault_plan& more, world& w,
                           virtual_network& net, fleet& whom, uint64_t seed)
    : world_(w), fleet_(whom), paths_(net, hosts_of(whom), clogged(whom.plan().path)) {
  splitmix64 random{seed};
  duration_ = moment{static_cast<int64_t>(what.fault_s.draw(random) * 1e9)};
  plan_ = plan_for(what, duration_, random, whom);
  plan_.insert(plan_.end(), more.begin(), more.end());
  timeline_ = faults::timeline(plan_);
  for (const auto& member : whom.members())
    subjects_.push_back(member.where.get());
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
                             std::vector<stand>& stands) {
  world_.note(event.fault, event.on ? 1 : 0);
  const auto& fault = plan_[event.fault];
  if (ends_lives(fault.kind)) {
    if (!event.on) {
      for (size_t victim : ended_[event.fault])
        fleet_.members()[victim].where->restart(comes_back_with_state(fault.kind));
      return true;
    }
    if (!end_lives(event.fault, decided, stands)) return false;
  } else if (!faults::apply(fault, event.on, subjects_) &&
             !paths_.apply(event.fault, fault, event.on)) {
    throw std::invalid_argument(std::string{faults::to_string(fault.kind)} +
                                " is not a fault of peers or paths");
  }
  // A flapping partition begins many times.
  if (event.on && begun_.insert(event.fault).second) ++counts_[faults::to_string(fault.kind)];
  return true;
}

/// Its supervisor restarts it, with the state that the peer keeps, if it does.
bool fault_driver::kill_part(size_t victim, int64_t decided, std::vector<stand>& stands) {
  auto& member = fleet_.members()[victim];
  const auto part = caf::actor_cast<caf::actor>(member.part);
  if (member.where->state() != host_state::up || !part) return false;
  if (!survivable(victim, member.keeps_state, decided, stands)) return false;
  caf::anon_send_exit(part, caf::exit_reason::kill);
  stands[victim] = {};
  ++counts_["kill of a part"];
  return true;
}

bool fault_driver::end_lives(size_t which, int64_t decided, std::vector<stand>& stands) {
  const auto& fault = plan_[which];
  auto& ended = ended_[which];
  const bool part = fault.kind == fault_class::restart_without_state && fault.seed % 2 == 0;
  const bool polite = fault.kind == fault_class::leave || fault.kind == fault_class::mass_leave;
  for (size_t victim : fault.subjects) {
    auto& member = fleet_.members()[victim];
    if (part && member.is_worker()) {
      kill_part(victim, decided, stands);
      continue;
    }
    const auto state = member.where->state();
    if (state == host_state::down || state == host_state::left) continue;
    if (polite && state != host_state::up) continue;
    if (member.is_worker() &&
        !survivable(victim, comes_back_with_state(fault.kind), decided, stands))
      continue;
    polite ? member.where->leave() : member.where->kill();
    if (member.is_worker()) stands[victim] = {};
    ended.push_back(victim);
  }
  return !ended.empty();
}

/// Of some version there is a copy of every stage with the members that `counts` is true of: their
/// snapshot stores' newest `versions_max`, and their stores.
template <class Counts>
bool fault_driver::common_version(Counts counts, size_t versions_max,
                                  std::optional<size_t> returns) const {
  const auto& members = fleet_.members();
  std::map<int64_t, std::set<int32_t>> offered;
  for (size_t i = 0; i < members.size(); ++i) {
    const auto& m = members[i];
    if (counts(i) && m.snapshots) {
      for (const auto& [stage, versions] : m.snapshots->versions())
        for (size_t v = 0; v < versions.size() && v < versions_max; ++v)
          offered[versions[v].version.value()].insert(stage.value());
    }
    const auto* store = m.store();
    if (store == nullptr || !(counts(i) || i == returns)) continue;
    if (const auto kept = store->state()) offered[kept->version.value()].insert(m.stage);
  }
  return std::any_of(offered.begin(), offered.end(), [&](const auto& entry) {
    return entry.second.size() == static_cast<size_t>(fleet_.plan().stages);
  });
}

/// Without this member, also after one more commit.
bool fault_driver::recoverable(size_t victim, bool with_state) const {
  const auto stays = [&](size_t i) {
    const auto state = fleet_.members()[i].where->state();
    return i != victim && (state == host_state::up || state == host_state::frozen);
  };
  return common_version(stays, stage::snapshot_versions_max - 1,
                        with_state ? std::optional{victim} : std::nullopt);
}

bool fault_driver::can_be_rescued() const {
  const auto& members = fleet_.members();
  const auto awake = [&](size_t i) { return members[i].where->state() == host_state::up; };
  size_t workers = 0;
  bool leaders_awake = true;
  for (size_t i = 0; i < members.size(); ++i) {
    if (members[i].is_worker())
      workers += awake(i) ? 1 : 0;
    else
      leaders_awake = leaders_awake && members[i].where->state() != host_state::frozen;
  }
  return leaders_awake && workers >= static_cast<size_t>(fleet_.plan().stages) &&
         common_version(awake, stage::snapshot_versions_max, std::nullopt);
}

bool fault_driver::survivable(size_t victim, bool with_state, int64_t decided,
                              const std::vector<stand>& stands) const {
  if (fleet_.plan().keep_every > 0) return recoverable(victim, with_state);
  const auto& members = fleet_.members();
  const auto kept = [&](size_t i) {
    const auto* store = members[i].store();
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
    if (alive && stands[i].version == decided && stands[i].has_sum >= stands[victim].has_sum)
      return true;
  }
  return false;
}

}  // namespace swarm::simulation
