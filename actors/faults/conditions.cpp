#include "actors/faults/conditions.hpp"

#include <algorithm>
#include <array>
#include <caf/actor_clock.hpp>
#include <cmath>
#include <mutex>
#include <string_view>
#include <typeinfo>

#include "actors/faults/errc.hpp"
#include "actors/faults/rule_book.hpp"
#include "actors/random.hpp"
#include "actors/wire/messages.hpp"

namespace swarm::faults {

namespace {

using std::chrono::nanoseconds;
using time_point = caf::actor_clock::time_point;

constexpr std::array<direction, 2> both_directions{direction::forward, direction::back};

void check(const weather& value) {
  for (const double p : {value.loss, value.duplication, value.corruption, value.truncation})
    if (!(p >= 0 && p <= 1)) reject(errc::bad_probability);
  for (const auto t : {value.delay_min, value.delay_tail_mean, value.reorder_window})
    if (t.count() < 0) reject(errc::bad_time);
}

nanoseconds scaled(nanoseconds time, double factor) {
  return nanoseconds{static_cast<int64_t>(static_cast<double>(time.count()) * factor)};
}

/// "N5swarm4wire7message": what the names of all instances of the template begin with.
std::string_view frame_prefix() {
  const std::string_view name = typeid(wire::forward).name();
  return name.substr(0, name.find('I'));
}

}  // namespace

bool carries_frame(const passage& message) {
  static const std::string_view prefix = frame_prefix();
  for (size_t i = 0; i < message.content.size(); ++i) {
    const auto* type = message.content.type(i).second;
    if (type != nullptr && std::string_view{type->name()}.substr(0, prefix.size()) == prefix)
      return true;
  }
  return false;
}

class conditions::state {
 public:
  explicit state(uint64_t seed) : random_(seed), damages_(carries_frame) {}

  fate decide(const passage& message, const caf::actor_clock& clock) {
    const std::lock_guard<std::mutex> guard{mutex_};
    auto& way = of(message.way);
    if (way.blocked) {
      counts_.add(fault_class::block);
      return fate::lose();
    }
    fate chosen;
    const auto stall = rules_.apply(message, chosen, random_, counts_);
    if (chosen.copies > 0 && happens(way.now.loss, fault_class::loss)) chosen.copies = 0;
    if (chosen.copies == 0) return chosen;
    add_damage(message, way.now, chosen);
    const bool served = message.way == direction::forward && !message.is_answer;
    if (delays(way.now) || (served && (slow_by_.count() > 0 || stall.count() > 0 || busy_)))
      add_delays(way, chosen, served, stall, clock.now());
    if (way.held) {
      counts_.add(fault_class::hold);
      chosen.held = way.held;
    }
    return chosen;
  }

  std::shared_ptr<pen> holds(const passage& message) {
    const std::lock_guard<std::mutex> guard{mutex_};
    const auto& way = of(message.way);
    if (way.held && !way.blocked) counts_.add(fault_class::hold);
    return way.blocked ? nullptr : way.held;
  }

  bool arrives(const passage& message) {
    const std::lock_guard<std::mutex> guard{mutex_};
    if (of(message.way).blocked) counts_.add(fault_class::block);
    return !of(message.way).blocked;
  }

  void set(direction way, const weather& value) {
    const std::lock_guard<std::mutex> guard{mutex_};
    of(way).now = value;
  }

  void freeze(direction way) {
    const std::lock_guard<std::mutex> guard{mutex_};
    if (!of(way).held) of(way).held = std::make_shared<pen>();
  }

  /// Outside the lock: what is released asks again.
  std::array<std::shared_ptr<pen>, 2> thaw() {
    const std::lock_guard<std::mutex> guard{mutex_};
    return {std::exchange(ways_[0].held, nullptr), std::exchange(ways_[1].held, nullptr)};
  }

  void block(direction way, bool blocked) {
    const std::lock_guard<std::mutex> guard{mutex_};
    of(way).blocked = blocked;
  }

  void slow_by(nanoseconds per_message) {
    const std::lock_guard<std::mutex> guard{mutex_};
    slow_by_ = per_message;
  }

  void add(rule what) {
    const std::lock_guard<std::mutex> guard{mutex_};
    rules_.add(std::move(what));
  }

  void clear_rules() {
    const std::lock_guard<std::mutex> guard{mutex_};
    rules_.clear();
  }

  void damage_only(matcher which) {
    const std::lock_guard<std::mutex> guard{mutex_};
    damages_ = std::move(which);
  }

  /// Everything passes from here on.
  std::array<std::shared_ptr<pen>, 2> end() {
    {
      const std::lock_guard<std::mutex> guard{mutex_};
      rules_ = {};
      slow_by_ = {};
      busy_ = false;
      for (auto& way : ways_) {
        way.now = {};
        way.blocked = false;
      }
    }
    return thaw();
  }

  const fault_counts& counts() const { return counts_; }

 private:
  struct path {
    weather now;
    bool blocked = false;
    std::shared_ptr<pen> held;
    time_point latest_due{};
  };

  path& of(direction way) { return ways_[static_cast<size_t>(way)]; }

  static bool delays(const weather& w) {
    return w.delay_min.count() > 0 || w.delay_tail_mean.count() > 0 || w.reorder_window.count() > 0;
  }

  bool happens(double probability, fault_class what) {
    if (probability <= 0 || random_.unit() >= probability) return false;
    counts_.add(what);
    return true;
  }

  void add_damage(const passage& message, const weather& w, fate& chosen) {
    if (happens(w.duplication, fault_class::duplication)) {
      chosen.copies = std::max<uint8_t>(chosen.copies, 2);
      chosen.delays[1] = std::max(chosen.delays[0], chosen.delays[1]);
    }
    if ((w.corruption > 0 || w.truncation > 0) && damages_(message)) {
      if (happens(w.corruption, fault_class::corruption))
        chosen.harm = damage::corrupt;
      else if (happens(w.truncation, fault_class::truncation))
        chosen.harm = damage::truncate;
    }
    if (chosen.harm != damage::none) chosen.harm_seed = random_.next();
  }

  void add_delays(path& way, fate& chosen, bool served, nanoseconds stall, time_point now) {
    nanoseconds queue{0};
    if (served) {
      const auto start = busy_ ? std::max(now, busy_until_) : now;
      busy_until_ = start + slow_by_ + stall;
      if (slow_by_.count() > 0) counts_.add(fault_class::slow);
      queue = busy_until_ - now;
      busy_ = queue.count() > 0;
    }
    for (size_t i = 0; i < std::min<size_t>(chosen.copies, fate::copies_max); ++i) {
      chosen.delays[i] += queue + drawn_delay(way.now);
      const auto due = now + chosen.delays[i];
      if (due < way.latest_due) counts_.add(fault_class::reordering);
      way.latest_due = std::max(way.latest_due, due);
    }
  }

  nanoseconds drawn_delay(const weather& w) {
    auto delay = w.delay_min;
    if (w.delay_tail_mean.count() > 0)
      delay += scaled(w.delay_tail_mean, -std::log1p(-random_.unit()));
    if (w.reorder_window.count() > 0) delay += scaled(w.reorder_window, random_.unit());
    return delay;
  }

  std::mutex mutex_;
  splitmix64 random_;
  std::array<path, 2> ways_;
  rule_book rules_;
  nanoseconds slow_by_{0};
  bool busy_ = false;
  time_point busy_until_{};
  matcher damages_;
  fault_counts counts_;
};

class conditions::follower : public link_policy {
 public:
  follower(std::shared_ptr<state> followed, const caf::actor_clock& clock)
      : state_(std::move(followed)), clock_(clock) {}

  fate decide(const passage& message) override { return state_->decide(message, clock_); }
  std::shared_ptr<pen> holds(const passage& message) override { return state_->holds(message); }
  bool arrives(const passage& message) override { return state_->arrives(message); }

 private:
  const std::shared_ptr<state> state_;
  const caf::actor_clock& clock_;
};

conditions::conditions(uint64_t seed, weather both_ways) : state_(std::make_shared<state>(seed)) {
  set(both_ways);
}

conditions::~conditions() {
  for (const auto& held : state_->end())
    if (held) held->drop();
}

void conditions::set(const weather& both_ways) {
  for (const auto way : both_directions)
    set(way, both_ways);
}

void conditions::set(direction way, const weather& value) {
  check(value);
  state_->set(way, value);
}

void conditions::freeze() {
  for (const auto way : both_directions)
    state_->freeze(way);
}

void conditions::freeze(direction way) {
  state_->freeze(way);
}

void conditions::thaw() {
  for (const auto& held : state_->thaw())
    if (held) held->open();
}

void conditions::block() {
  for (const auto way : both_directions)
    state_->block(way, true);
}

void conditions::block(direction way) {
  state_->block(way, true);
}

void conditions::unblock() {
  for (const auto way : both_directions)
    state_->block(way, false);
}

void conditions::slow(double factor, std::chrono::nanoseconds service) {
  if (!(factor >= 1)) reject(errc::bad_factor);
  if (service.count() < 0) reject(errc::bad_time);
  state_->slow_by(scaled(service, factor - 1));
}

void conditions::add(rule what) {
  state_->add(std::move(what));
}

void conditions::clear_rules() {
  state_->clear_rules();
}

void conditions::damage_only(matcher which) {
  if (!which) reject(errc::bad_selection);
  state_->damage_only(std::move(which));
}

const fault_counts& conditions::counts() const {
  return state_->counts();
}

std::shared_ptr<link_policy> conditions::policy(caf::actor_system& system) {
  return std::make_shared<follower>(state_, system.clock());
}

}  // namespace swarm::faults
