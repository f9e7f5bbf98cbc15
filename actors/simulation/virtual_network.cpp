#include "actors/simulation/virtual_network.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "actors/faults/link.hpp"

namespace swarm::simulation {

struct virtual_network::core {
  core(world& w, uint64_t seed) : where(w), model(seed) {}

  world& where;
  network_model model;
  contents_scale scale;
  std::vector<std::array<uint64_t, cargoes>> sent_bytes;  ///< by host
  std::vector<std::function<void()>> on_change;
  std::vector<std::function<void(host_id, host_id)>> on_break;
  std::optional<moment> first_contribution;
  bool down = false;

  void changed() const {
    for (const auto& listener : on_change)
      listener();
  }

  void count(host_id from, const message_size& size) {
    if (sent_bytes.size() <= from.value()) sent_bytes.resize(from.value() + 1);
    sent_bytes[from.value()][static_cast<size_t>(size.of)] += size.bytes;
    // Not the first sum: whoever joins still gets those of the last all-reduce.
    if (size.is_contribution && !first_contribution) first_contribution = where.now();
  }
};

namespace {

using core_ptr = std::shared_ptr<virtual_network::core>;

/// A message that is due at the very moment may not overtake one whose timer is about to fire.
constexpr moment shortest_delay{1};

faults::damage damage_of(frame_damage harm) {
  switch (harm) {
    case frame_damage::corrupt:
      return faults::damage::corrupt;
    case frame_damage::truncate:
      return faults::damage::truncate;
    default:
      return faults::damage::none;
  }
}

/// Messages of one direction on their way, in the order in which they will arrive: the clock
/// delivers what is due at one time in the order of sending.
class under_way {
 public:
  void add(moment arrival, moment sent) {
    auto place = messages_.end();
    while (place != messages_.begin() + first() && std::prev(place)->arrival > arrival)
      --place;
    messages_.insert(place, {arrival, sent});
  }

  /// When the message that arrives now was sent.
  moment take(moment now) {
    // Those of a link that was cut never came.
    while (first_ < messages_.size() && messages_[first_].arrival < now)
      ++first_;
    const auto sent = first_ < messages_.size() ? messages_[first_++].sent : now;
    if (first_ == messages_.size()) {
      messages_.clear();
      first_ = 0;
    } else if (first_ > compact_at) {
      messages_.erase(messages_.begin(), messages_.begin() + first());
      first_ = 0;
    }
    return sent;
  }

 private:
  struct message {
    moment arrival;
    moment sent;
  };
  static constexpr size_t compact_at = 64;

  std::ptrdiff_t first() const { return static_cast<std::ptrdiff_t>(first_); }

  std::vector<message> messages_;
  size_t first_ = 0;
};

/// Both hosts as they lived when the link was made.
struct ends {
  host_id from;
  host_id to;
  uint32_t from_life;
  uint32_t to_life;
};

class path_policy final : public faults::link_policy {
 public:
  path_policy(core_ptr core, host_id from, host_id to)
      : core_(std::move(core)),
        ends_{from, to, core_->model.closed(from), core_->model.closed(to)} {}

  faults::fate decide(const faults::passage& message) override {
    if (over()) return faults::fate::lose();
    const bool forward = message.way == faults::direction::forward;
    const auto from = forward ? ends_.from : ends_.to;
    const auto to = forward ? ends_.to : ends_.from;
    const auto size = size_of(message.content, core_->scale);
    const auto now = core_->where.now();
    if (core_->model.connected(now, from, to)) core_->count(from, size);
    const auto chosen = core_->model.send(now, from, to, size.bytes);
    if (chosen.breaks)
      for (const auto& listener : core_->on_break)
        listener(from, to);
    core_->where.note(uint64_t{from.value()} << 32 | to.value(),
                      static_cast<uint64_t>(chosen.arrivals[0].count()) << 2 | chosen.copies);
    faults::fate result;
    result.copies = chosen.copies;
    for (size_t i = 0; i < chosen.copies; ++i) {
      result.delays[i] = std::max(chosen.arrivals[i] - now, shortest_delay);
      way(forward).add(now + result.delays[i], now);
    }
    // What protects itself with no checksum is not damaged but lost by whatever carries it.
    if (chosen.harm != frame_damage::none && size.is_frame) {
      result.harm = damage_of(chosen.harm);
      result.harm_seed = chosen.harm_seed;
    } else if (chosen.harm != frame_damage::none) {
      result.copies = 0;
    }
    return result;
  }

  bool arrives(const faults::passage& message) override {
    const bool forward = message.way == faults::direction::forward;
    const auto now = core_->where.now();
    const auto sent = way(forward).take(now);
    if (over()) return false;
    return forward ? core_->model.arrives(now, ends_.from, ends_.to, sent)
                   : core_->model.arrives(now, ends_.to, ends_.from, sent);
  }

 private:
  under_way& way(bool forward) { return forward ? forward_ : back_; }

  bool over() {
    if (core_->down) return true;
    const bool closed = core_->model.closed(ends_.from) != ends_.from_life ||
                        core_->model.closed(ends_.to) != ends_.to_life;
    if (closed) core_->model.count_closed();
    return closed;
  }

  core_ptr core_;
  ends ends_;
  under_way forward_;
  under_way back_;
};

class tap_policy final : public faults::link_policy {
 public:
  tap_policy(core_ptr core, host_id from)
      : core_(std::move(core)), from_(from), life_(core_->model.closed(from)) {}

  faults::fate decide(const faults::passage&) override {
    const bool heard = !core_->down && core_->model.closed(from_) == life_;
    return heard ? faults::fate::deliver() : faults::fate::lose();
  }

 private:
  core_ptr core_;
  host_id from_;
  uint32_t life_;
};

constexpr faults::link_options unwatched() {
  faults::link_options options;
  // A death is news that takes its time, too.
  options.watch_target = false;
  options.watch_senders = false;
  return options;
}

}  // namespace

virtual_network::virtual_network(world& w, uint64_t seed) : core_(std::make_shared<core>(w, seed)) {
  w.on_kill([core = core_](host_id which) {
    if (which != observer && !core->down) core->model.close(which);
  });
}

virtual_network::~virtual_network() {
  core_->down = true;
}

void virtual_network::add_host(host_id which, const host_conditions& conditions) {
  core_->model.add_host(which, conditions);
}

network_model& virtual_network::model() {
  return core_->model;
}

const network_model& virtual_network::model() const {
  return core_->model;
}

std::optional<moment> virtual_network::first_contribution() const {
  return core_->first_contribution;
}

void virtual_network::forget_first_contribution() {
  core_->first_contribution.reset();
}

void virtual_network::block(host_id from, host_id to) {
  core_->model.block(core_->where.now(), from, to);
  core_->changed();
}

void virtual_network::unblock(host_id from, host_id to) {
  core_->model.unblock(core_->where.now(), from, to);
  core_->changed();
}

partition_id virtual_network::begin_partition(partition cut) {
  const auto begun = core_->model.begin_partition(core_->where.now(), std::move(cut));
  core_->changed();
  return begun;
}

void virtual_network::heal(partition_id which) {
  core_->model.heal(core_->where.now(), which);
  core_->changed();
}

void virtual_network::heal_all() {
  core_->model.heal_all(core_->where.now());
  core_->changed();
}

void virtual_network::on_change(std::function<void()> listener) {
  core_->on_change.push_back(std::move(listener));
}

void virtual_network::on_break(std::function<void(host_id, host_id)> listener) {
  core_->on_break.push_back(std::move(listener));
}

void virtual_network::set_scale(const contents_scale& scale) {
  core_->scale = scale;
}

uint64_t virtual_network::sent_bytes(host_id from, cargo of) const {
  const auto& sent = core_->sent_bytes;
  return from.value() < sent.size() ? sent[from.value()][static_cast<size_t>(of)] : 0;
}

bool virtual_network::connected(host_id from, host_id to) const {
  return core_->model.connected(core_->where.now(), from, to);
}

caf::strong_actor_ptr virtual_network::connect_to(host_id from, host_id to,
                                                  const caf::strong_actor_ptr& target) {
  return faults::link_to(core_->where.system(), target,
                         std::make_shared<path_policy>(core_, from, to), unwatched());
}

caf::strong_actor_ptr virtual_network::tap_to(host_id from, const caf::strong_actor_ptr& sink) {
  return faults::link_to(core_->where.system(), sink, std::make_shared<tap_policy>(core_, from),
                         unwatched());
}

}  // namespace swarm::simulation
