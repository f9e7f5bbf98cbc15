#include "actors/simulation/network_model.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "actors/invariant.hpp"

namespace swarm::simulation {

namespace {

constexpr double nanoseconds_per_second = 1e9;

bool clogged(const path_conditions& own, const path_conditions& usual) {
  return own.latency > usual.latency ||
         (own.bytes_per_s > 0 && (usual.bytes_per_s == 0 || own.bytes_per_s < usual.bytes_per_s));
}

}  // namespace

const char* to_string(network_fault fault) {
  static const char* const names[] = {"lost",      "duplicated", "reordered", "delayed",
                                      "corrupted", "truncated",  "cut",       "closed"};
  return names[static_cast<size_t>(fault)];
}

network_model::host_state& network_model::at(host_id which) {
  SWARM_INVARIANT(which.value() < hosts_.size(), "the host was added to this network");
  ++work_;
  return hosts_[which.value()];
}

const network_model::host_state& network_model::at(host_id which) const {
  SWARM_INVARIANT(which.value() < hosts_.size(), "the host was added to this network");
  return hosts_[which.value()];
}

network_model::path_state& network_model::path(host_id from, host_id to) {
  auto& paths = at(from).paths;
  if (paths.size() <= to.value()) paths.resize(to.value() + 1);
  ++work_;
  return paths[to.value()];
}

const network_model::path_state* network_model::find_path(host_id from, host_id to) const {
  const auto& paths = at(from).paths;
  return to.value() < paths.size() ? &paths[to.value()] : nullptr;
}

void network_model::add_host(host_id which, const host_conditions& conditions) {
  if (hosts_.size() <= which.value()) hosts_.resize(which.value() + 1);
  hosts_[which.value()].conditions = conditions;
}

void network_model::set_host(host_id which, const host_conditions& conditions) {
  at(which).conditions = conditions;
}

void network_model::set_path(host_id from, host_id to, const path_conditions& conditions) {
  auto& state = path(from, to);
  if (state.conditions == 0 && !free_conditions_.empty()) {
    state.conditions = free_conditions_.back();
    free_conditions_.pop_back();
  } else if (state.conditions == 0) {
    state.conditions = static_cast<uint32_t>(conditions_.size());
    conditions_.emplace_back();
  }
  conditions_[state.conditions] = conditions;
}

void network_model::clear_path(host_id from, host_id to) {
  auto& state = path(from, to);
  if (state.conditions != 0) free_conditions_.push_back(state.conditions);
  state.conditions = 0;
}

void network_model::block(moment, host_id from, host_id to) {
  path(from, to).blocked = true;
}

void network_model::unblock(moment now, host_id from, host_id to) {
  auto& state = path(from, to);
  if (std::exchange(state.blocked, false)) state.block_ended = now;
}

partition_id network_model::begin_partition(moment now, partition cut) {
  forget_healed(now);
  if (cuts_.size() >= partitions_max) cuts_.erase(cuts_.begin());
  const auto id = std::exchange(next_partition_, next_partition_.next());
  cuts_.push_back({id, std::move(cut), now});
  return id;
}

void network_model::heal(moment now, partition_id which) {
  for (auto& state : cuts_) {
    if (state.id != which || state.healed != moment::max()) continue;
    state.healed = now;
    // What it cut on the way is still to arrive.
    state.forget_at = latest_arrival_;
  }
  forget_healed(now);
}

void network_model::heal_all(moment now) {
  for (size_t i = cuts_.size(); i-- > 0;)
    heal(now, cuts_[i].id);
}

void network_model::forget_healed(moment now) {
  cuts_.erase(std::remove_if(cuts_.begin(), cuts_.end(),
                             [&](const cut_state& c) {
                               return c.healed != moment::max() && c.forget_at < now;
                             }),
              cuts_.end());
}

void network_model::close(host_id which) {
  auto& host = at(which);
  ++host.closed;
  host.up = host.down = {};
  const auto forget = [](path_state& p) { p.busy = p.last_arrival = {}; };
  for (auto& p : host.paths)
    forget(p);
  for (auto& other : hosts_) {
    other.up.forget(which);
    other.down.forget(which);
    if (other.paths.size() > which.value()) forget(other.paths[which.value()]);
  }
}

bool network_model::separates(const partition& cut, host_id from, host_id to) {
  const auto group = [&](host_id h) {
    return h.value() < cut.groups.size() ? cut.groups[h.value()] : uint8_t{0};
  };
  return cut.kind == cut_kind::symmetric ? group(from) != group(to) : group(from) > group(to);
}

/// Whether it was in force at any time of [from, to].
bool network_model::cut_within(const cut_state& state, moment from, moment to) {
  from = std::max(from, state.begun);
  // At the very time of the healing it is over.
  if (state.healed != moment::max()) to = std::min(to, state.healed - moment{1});
  if (from > to) return false;
  if (state.cut.period.count() <= 0) return true;
  const auto period = state.cut.period;
  const auto phase = (from - state.begun) % period;
  return phase < period / 2 || from - phase + period <= to;
}

bool network_model::connected(moment now, host_id from, host_id to) const {
  const auto* state = find_path(from, to);
  if (state != nullptr && state->blocked) return false;
  return std::none_of(cuts_.begin(), cuts_.end(), [&](const cut_state& c) {
    return separates(c.cut, from, to) && cut_within(c, now, now);
  });
}

bool network_model::arrives(moment now, host_id from, host_id to, moment sent) {
  const auto* state = find_path(from, to);
  bool through = state == nullptr || (!state->blocked && state->block_ended <= sent);
  for (const auto& c : cuts_) {
    ++work_;
    through = through && !(separates(c.cut, from, to) && cut_within(c, sent, now));
  }
  if (!through) add(network_fault::cut);
  return through;
}

moment network_model::latency(host_id from, host_id to) const {
  const auto* state = find_path(from, to);
  const auto& own = conditions_[state == nullptr ? 0 : state->conditions];
  return own.latency + at(from).conditions.latency + at(to).conditions.latency;
}

bool network_model::chance(double probability) {
  return probability > 0 && random_.unit() < probability;
}

uint64_t network_model::below(uint64_t bound) {
  return bound == 0 ? 0 : random_.below(bound);
}

moment network_model::sample_latency(const path_conditions& own, moment base) {
  auto result = base;
  if (chance(own.tail)) {
    add(network_fault::delayed);
    // Square root and division are the same to the last bit on every machine; pow is not.
    const double stretch = 1 / std::sqrt(1 - random_.unit());
    const double stretched = static_cast<double>(base.count()) * stretch;
    result = stretched < static_cast<double>(own.tail_max.count())
                 ? moment{static_cast<int64_t>(stretched)}
                 : std::max(base, own.tail_max);
  }
  return result + moment{below(static_cast<uint64_t>(own.jitter.count()))};
}

/// When bytes that are ready at `from` are through a path of its own.
moment network_model::queue(lanes& busy, bool is_control, moment from, uint64_t bytes,
                            double bytes_per_s) {
  if (bytes_per_s <= 0) return from;
  const double seconds = static_cast<double>(bytes) / bytes_per_s;
  const moment takes{static_cast<int64_t>(seconds * nanoseconds_per_second)};
  // What overtakes the bulk still takes its place on the line.
  busy.bulk = std::max(busy.bulk, from) + takes;
  if (!is_control) return busy.bulk;
  return busy.control = std::max(busy.control, from) + takes;
}

void network_model::break_connection(moment now, host_id a, host_id b) {
  at(a).up.forget(b);
  at(a).down.forget(b);
  at(b).up.forget(a);
  at(b).down.forget(a);
  for (auto* way : {&path(a, b), &path(b, a)}) {
    way->busy = way->last_arrival = {};
    // As a cut that is over: what was sent before does not arrive.
    way->block_ended = now + moment{1};
  }
}

transit network_model::send(moment now, host_id from, host_id to, uint64_t bytes) {
  ++messages_;
  transit result;
  if (!connected(now, from, to)) {
    work_ += cuts_.size();
    add(network_fault::cut);
    return result;
  }
  work_ += cuts_.size();
  auto& way = path(from, to);
  const auto& own = conditions_[way.conditions];
  auto& sender = at(from);
  auto& receiver = at(to);
  // Lost or not, the line carried it.
  const bool is_control = bytes <= control_bytes_max_;
  if (queue_bytes_max_ > 0 && sender.up.queued_bytes(to) + static_cast<double>(bytes) >
                                  static_cast<double>(queue_bytes_max_)) {
    add(network_fault::cut);
    break_connection(now, from, to);
    result.breaks = true;
    return result;
  }
  const auto out = sender.up.carry(to, is_control, now, bytes, sender.conditions.up_bytes_per_s);
  const auto through = queue(way.busy, is_control, out, bytes, own.bytes_per_s);
  const auto in =
      receiver.down.carry(from, is_control, now, bytes, receiver.conditions.down_bytes_per_s);
  if (chance(own.loss)) {
    add(network_fault::lost);
    return result;
  }
  if (way.conditions != 0 && clogged(own, conditions_[0])) add(network_fault::delayed);
  const auto base = own.latency + sender.conditions.latency + receiver.conditions.latency;
  auto arrival = std::max(through + sample_latency(own, base), in);
  if (chance(own.reordering)) {
    add(network_fault::reordered);
    arrival += moment{below(static_cast<uint64_t>(own.reorder_window.count()))};
  } else {
    auto& last = way.last_arrival.of(is_control);
    arrival = last = std::max(arrival, last);
  }
  result.copies = 1;
  result.arrivals[0] = arrival;
  if (chance(own.duplication)) {
    add(network_fault::duplicated);
    result.copies = 2;
    result.arrivals[1] = arrival + sample_latency(own, base);
  }
  if (chance(own.corruption)) {
    add(network_fault::corrupted);
    result.harm = frame_damage::corrupt;
  } else if (chance(own.truncation)) {
    add(network_fault::truncated);
    result.harm = frame_damage::truncate;
  }
  if (result.harm != frame_damage::none) result.harm_seed = random_.next();
  latest_arrival_ = std::max({latest_arrival_, result.arrivals[0], result.arrivals[1]});
  return result;
}

}  // namespace swarm::simulation
