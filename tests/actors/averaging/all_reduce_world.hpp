#pragma once

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "actors/averaging/all_reduce.hpp"

namespace swarm::averaging {

inline worker_id worker(uint64_t peer) {
  return {peer_id{peer + 100}, incarnation_id{1}};
}

/// Each microbatch has every 24th element, so that a part of 24 elements has one of each: an
/// element that is e + 1 in the sum has its microbatch in it exactly once.
constexpr size_t microbatches = 24;

template <class T>
std::shared_ptr<const T> vector_of(const std::vector<size_t>& unit, size_t elements, int salt = 0) {
  auto values = std::make_shared<std::vector<T>>(elements, T{0});
  for (const size_t m : unit)
    for (size_t e = m; e < elements; e += microbatches) {
      if constexpr (std::is_same_v<T, float>) {
        // Every member adds something everywhere: the order of a sum shows in its bits.
        for (size_t k = 0; k < microbatches && e - m + k < elements; ++k)
          (*values)[e - m + k] +=
              1.0F / static_cast<float>(3 + m * 7 + k) * static_cast<float>(m % 5 == 0 ? 1e6 : 1);
      } else {
        (*values)[e] = static_cast<T>(e + 1);
      }
    }
  return {values, values->data()};
}

struct world_options {
  size_t members = 2;
  size_t followers = 0;
  uint32_t parts = 8;
  double loses = 0;    ///< share of messages
  double repeats = 0;  ///< share of messages that come twice
  asking_limits limits;
  std::vector<uint32_t> bandwidths;
  /// Delivery in the order of sending, all messages with the same way.
  bool in_order = false;
};

/// A group, the network between its members, and its coordinator. All choices come from the seed.
template <class T>
class all_reduce_world {
 public:
  struct message {
    size_t from = 0;
    size_t to = 0;
    bool is_want = false;
    received_want want;
    received_part<T> part;
    std::vector<T> data;
  };

  all_reduce_world(const world_options& options, uint64_t seed)
      : random(seed), options_(options), elements_(options.parts * microbatches) {
    const size_t n = options.members + options.followers;
    for (size_t i = 0; i < n; ++i)
      group_.push_back({worker(i), i < options.members,
                        i < options.bandwidths.size() ? options.bandwidths[i] : 0});
    std::shuffle(group_.begin(), group_.end(), random);
    units_.resize(n);
    for (size_t m = 0; m < microbatches; ++m) {
      size_t who = random() % n;
      while (!group_[who].contributes)
        who = (who + 1) % n;
      units_[who].push_back(m);
    }
    const auto plan = reduce_plan::make(group_, elements_, microbatches).value();
    for (size_t i = 0; i < n; ++i) {
      std::shared_ptr<T> result(new T[elements_](), std::default_delete<T[]>());
      machines.push_back(all_reduce<T>::make(plan, group_[i].id,
                                             group_[i].contributes
                                                 ? vector_of<T>(units_[i], elements_)
                                                 : std::shared_ptr<const T>{},
                                             elements_, result, options.limits)
                             .value());
    }
    dead.assign(n, false);
    received_bytes.assign(n, 0);
    known_.assign(n, 0);
    opened_.assign(n, false);
  }

  void open(size_t i) {
    if (dead[i] || opened_[i]) return;
    opened_[i] = true;
    // Some have their first order when there are losses already.
    if (revision > 0 && random() % 2 == 0) tell(i);
    if (!dead[i]) post(i, machines[i].open(now));
  }

  void open_all() {
    for (size_t i = 0; i < machines.size(); ++i)
      if (!opened_[i]) open(i);
  }

  // -- the network --------------------------------------------------------------------------

  void post(size_t from, const reduce_actions<T>& actions) {
    const auto revision = machines[from].revision();
    for (const auto& q : actions.ask) {
      message m{from, q.to, true, {}, {}, {}};
      m.want = {group_[from].id, revision, q.parts, q.sum, q.units, q.or_sum};
      put(std::move(m));
    }
    for (const auto& a : actions.send) {
      message m{from, a.to, false, {}, {}, std::vector<T>(a.data.get(), a.data.get() + a.count)};
      m.part = {group_[from].id, a.part, a.sum, a.units, nullptr, a.count};
      sent_bytes += a.count * sizeof(T);
      put(std::move(m));
    }
    const size_t most = std::max(options_.limits.in_flight_bytes_max, microbatches * sizeof(T));
    BOOST_REQUIRE(machines[from].in_flight_bytes() <= 2 * most);
  }

  void deliver_one() {
    if (!options_.in_order) std::swap(wire_[random() % wire_.size()], wire_.front());
    const message m = std::move(wire_.front());
    wire_.pop_front();
    deliver(m);
  }

  void deliver(const message& m) {
    if (dead[m.to] || !opened_[m.to]) return;
    auto& to = machines[m.to];
    reduce_actions<T> out;
    if (m.is_want) {
      out = to.on_want(m.want);
    } else {
      auto part = m.part;
      part.data = m.data.data();
      received_bytes[m.to] += m.data.size() * sizeof(T);
      out = to.on_part(part, now);
    }
    BOOST_REQUIRE_MESSAGE(!out.error, to_sentence(*out.error));
    late += out.late ? 1 : 0;
    post(m.to, out);
  }

  bool idle() const { return wire_.empty(); }
  size_t on_their_way() const { return wire_.size(); }
  size_t parts_on_their_way() const {
    return static_cast<size_t>(
        std::count_if(wire_.begin(), wire_.end(), [](const message& m) { return !m.is_want; }));
  }

  void pass_time(double seconds) {
    now += seconds;
    for (size_t i = 0; i < machines.size(); ++i)
      if (!dead[i] && opened_[i]) post(i, machines[i].tick(now));
  }

  // -- the coordinator ----------------------------------------------------------------------

  bool lost(size_t i) const {
    return std::any_of(losses.begin(), losses.end(),
                       [i](const reduce_loss& loss) { return loss.member == i; });
  }

  std::vector<size_t> survivors() const {
    std::vector<size_t> result;
    for (size_t i = 0; i < machines.size(); ++i)
      if (group_[i].contributes && !dead[i] && !lost(i)) result.push_back(i);
    return result;
  }

  /// `who` counts as lost from now on; members hear of it one by one, in `tell`.
  void lose(size_t who) {
    losses.push_back({who, {}, 1 + random() % 3});
    const auto helpers = survivors();
    const size_t pieces = units_[who].empty() ? 0 : 1 + random() % 3;
    const size_t shares = pieces * losses.back().slices;
    auto& cut = cuts_[who];
    cut.resize(shares);
    for (size_t k = 0; k < shares; ++k)
      for (size_t u = 0; u < units_[who].size(); ++u)
        if (u % pieces == k / losses.back().slices) cut[k].push_back(units_[who][u]);
    for (size_t k = 0; k < shares; ++k)
      losses.back().helpers.push_back(helpers[random() % helpers.size()]);
    for (auto& loss : losses)
      for (auto& helper : loss.helpers)
        if (dead[helper] || lost(helper)) helper = helpers[random() % helpers.size()];
    ++revision;
  }

  /// The newest order, to one member.
  void tell(size_t i) {
    if (dead[i] || !opened_[i] || known_[i] == revision) return;
    known_[i] = revision;
    const auto out = machines[i].revise(revision, losses, now);
    if (lost(i)) {
      BOOST_REQUIRE((out.error == averaging_errc::lost_here));
      // It has nothing to do any more; what it has sent is still on its way.
      dead[i] = true;
      return;
    }
    BOOST_REQUIRE(!out.error);
    post(i, out);
    for (const auto& loss : losses)
      for (uint32_t k = 0; k < loss.helpers.size(); ++k)
        if (loss.helpers[k] == i) work_.insert({i, {static_cast<uint32_t>(loss.member), k}});
  }

  void tell_all() {
    for (size_t i = 0; i < machines.size(); ++i)
      tell(i);
  }

  bool helpers_work() const { return !work_.empty(); }

  /// One helper has computed its share.
  void help() {
    auto next = work_.begin();
    std::advance(next, static_cast<long>(random() % work_.size()));
    const auto [helper, which] = *next;
    work_.erase(next);
    if (dead[helper]) return;
    const auto out = machines[helper].add_share(
        which, vector_of<T>(cuts_[which.member][which.share], elements_), elements_, now);
    BOOST_REQUIRE(!out.error);
    post(helper, out);
  }

  // -- the end ------------------------------------------------------------------------------

  bool all_done() const {
    for (size_t i = 0; i < machines.size(); ++i)
      if (!dead[i] && !lost(i) && !machines[i].done()) return false;
    return true;
  }

  /// Without further faults.
  void finish() {
    options_.loses = 0;
    open_all();
    tell_all();
    for (int i = 0; i < 400 && !all_done(); ++i) {
      while (!idle())
        deliver_one();
      while (helpers_work())
        help();
      pass_time(1 + 0.5 * i);
    }
  }

  const std::vector<reduce_member>& group() const { return group_; }
  size_t elements() const { return elements_; }

  std::mt19937_64 random;
  double now = 0;
  std::vector<all_reduce<T>> machines;
  std::vector<bool> dead;
  std::vector<reduce_loss> losses;
  uint32_t revision = 0;
  size_t sent_bytes = 0;
  std::vector<size_t> received_bytes;
  size_t late = 0;

 private:
  void put(message m) {
    const auto chance = [this](double p) {
      return std::uniform_real_distribution<double>(0, 1)(random) < p;
    };
    if (chance(options_.loses)) return;
    if (chance(options_.repeats)) wire_.push_back(m);
    wire_.push_back(std::move(m));
  }

  world_options options_;
  size_t elements_;
  std::vector<reduce_member> group_;
  std::vector<std::vector<size_t>> units_;  // by member: its microbatches
  std::map<size_t, std::vector<std::vector<size_t>>> cuts_;
  std::deque<message> wire_;
  std::vector<uint32_t> known_;
  std::vector<bool> opened_;
  std::set<std::pair<size_t, share_id>> work_;
};

}  // namespace swarm::averaging
