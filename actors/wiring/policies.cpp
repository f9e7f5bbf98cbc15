#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "actors/wiring/paper_policy.hpp"
#include "actors/wiring/peer_table.hpp"
#include "actors/wiring/router.hpp"

namespace swarm::wiring {

namespace {

/// Virtual time must move even where replies take no time, as in a simulation.
constexpr double seconds_per_unit_floor = 1e-6;

/// A peer can owe at most this many calls, so that calls its caller sent it without asking cannot
/// starve it for long afterwards.
constexpr double lead_calls_max = 32;

/// How much of a call counts towards the wait for it. With 0 the fast and the slow are equal as
/// long as they are idle; with 1 a slow peer stays idle until every queue is as long as its call.
constexpr double own_share_of_wait = 0.5;

/// The peer where our calls in flight, and half of this one, take the fewest seconds: their work
/// times the service time per unit.
///
/// Both sides of the product correct it. A peer that slows down or hangs holds on to its calls, and
/// gets no more of them before any estimate has learnt of it; other trainers' calls, which we do
/// not see, make the replies to ours rarer.
///
/// What looked slow would never be asked again where queues are short. So a peer that has nothing
/// of ours is asked once in a while, and its answer replaces what was known of it.
class shortest_wait final : public table_policy {
 public:
  using table_policy::table_policy;

 private:
  /// Smaller is better. A newcomer, a probe and a peer not heard of for long are tried at once; an
  /// unmeasured peer that is busy with its first call comes last: it gets a taste, not a flood.
  static int rank(const peer_entry& peer, bool due) {
    if (due || peer.set_aside) return 0;
    if (peer.service.measured()) return 1;
    return peer.in_flight == 0 ? 0 : 2;
  }

  std::optional<size_t> choose(double now_s, double work, const std::set<worker_id>& excluded,
                               microbatch_id) override {
    uint32_t out = 1;
    for (const auto& peer : table())
      out += peer.in_flight;
    const double patience =
        options().revisit_calls * static_cast<double>(table().size()) / out * work;
    std::optional<size_t> best;
    int best_rank = 0;
    double best_wait = 0;
    bool best_due = false;
    uint64_t ties = 0;
    for (size_t i = 0; i < table().size(); ++i) {
      const auto& peer = table()[i];
      if (!available(peer, now_s, excluded)) continue;
      const bool known = peer.service.measured();
      const double price = std::max(known ? peer.service.value() : 1.0, seconds_per_unit_floor);
      const bool due = known && peer.in_flight == 0 && now_s - peer.heard_at_s >= patience * price;
      const int r = rank(peer, due);
      const double wait = r == 0 ? 0 : price * (peer.in_flight_work + own_share_of_wait * work);
      if (best && (r > best_rank || (r == best_rank && wait > best_wait))) continue;
      const bool tie = best && r == best_rank && wait == best_wait;
      ties = tie ? ties + 1 : 1;
      if (tie && random().below(ties) != 0) continue;
      best = i;
      best_rank = r;
      best_wait = wait;
      best_due = due;
    }
    if (best) table()[*best].outdated |= best_due;
    return best;
  }
};

/// Weighted round robin in virtual time: each call charges its peer the seconds it is expected to
/// take, and the peer with the smallest sum is next. The sum is relative to the system's virtual
/// time (the smallest sum of any available peer), which newcomers and returners join at. What a
/// peer is ahead of it is re-priced when its estimate changes, so that a bad measurement is
/// forgotten as soon as the estimate forgets it.
///
/// A peer with nothing of ours in flight goes before one that has some: what is known now beats
/// an average of the past, and no peer waits for us while another has our calls queued.
class interleaved final : public table_policy {
 public:
  using table_policy::table_policy;

 private:
  /// Smaller is better. An unmeasured peer that is busy with its first call comes last: it gets a
  /// taste, not a flood.
  static int rank(const peer_entry& peer) {
    if (peer.in_flight == 0 || peer.set_aside) return 0;
    return peer.seconds.measured() ? 1 : 2;
  }

  std::optional<size_t> choose(double now_s, double, const std::set<worker_id>& excluded,
                               microbatch_id) override {
    std::optional<size_t> best;
    int best_rank = 0;
    double best_tag = 0;
    uint64_t ties = 0;
    double smallest = std::numeric_limits<double>::infinity();
    for (size_t i = 0; i < table().size(); ++i) {
      const auto& peer = table()[i];
      if (!ready(peer, now_s)) continue;
      if (!peer.set_aside) smallest = std::min(smallest, peer.tag);
      const double tag = peer.set_aside ? std::max(peer.tag, virtual_time_) : peer.tag;
      const int r = rank(peer);
      if (best && (r > best_rank || (r == best_rank && tag > best_tag))) continue;
      if (!excluded.empty() && excluded.count(peer.worker) != 0) continue;
      const bool tie = best && r == best_rank && tag == best_tag;
      ties = tie ? ties + 1 : 1;
      if (tie && random().below(ties) != 0) continue;
      best = i;
      best_rank = r;
      best_tag = tag;
    }
    if (smallest < std::numeric_limits<double>::infinity())
      virtual_time_ = std::max(virtual_time_, smallest);
    return best;
  }

  void entered(peer_entry& peer) override { peer.tag = virtual_time_; }

  void charged(peer_entry& peer, double work) override {
    const double start = std::max(peer.tag, virtual_time_);
    const double seconds = work * price(peer);
    peer.tag = std::min(start + seconds, virtual_time_ + lead_calls_max * seconds);
  }

  /// What it owes is work; its price has changed.
  void measured(peer_entry& peer, double price_before) override {
    const double lead = peer.tag - virtual_time_;
    if (lead > 0) peer.tag = virtual_time_ + lead * price(peer) / price_before;
  }

  double price(const peer_entry& peer) const override {
    const double seconds = peer.seconds.measured() ? peer.seconds.value() : prior();
    return std::max(seconds, seconds_per_unit_floor);
  }

  double virtual_time_ = 0;
};

/// Base of the rivals that choose among the indices of available peers.
class list_policy : public table_policy {
 public:
  using table_policy::table_policy;

 private:
  std::optional<size_t> choose(double now_s, double, const std::set<worker_id>& excluded,
                               microbatch_id microbatch) final {
    candidates_.clear();
    for (size_t i = 0; i < table().size(); ++i)
      if (available(table()[i], now_s, excluded)) candidates_.push_back(i);
    if (candidates_.empty()) return std::nullopt;
    return among(candidates_, microbatch);
  }
  virtual size_t among(const std::vector<size_t>& candidates, microbatch_id microbatch) = 0;

  std::vector<size_t> candidates_;
};

class uniform_random final : public list_policy {
 public:
  using list_policy::list_policy;

 private:
  size_t among(const std::vector<size_t>& candidates, microbatch_id) override {
    return candidates[random().below(candidates.size())];
  }
};

/// Mitzenmacher 2001: of two drawn at random, the one with less in flight.
class power_of_two_choices final : public list_policy {
 public:
  using list_policy::list_policy;

 private:
  size_t among(const std::vector<size_t>& candidates, microbatch_id) override {
    const size_t n = candidates.size();
    if (n == 1) return candidates[0];
    const size_t a = random().below(n);
    size_t b = random().below(n - 1);
    if (b >= a) ++b;
    const bool second =
        table()[candidates[b]].in_flight_work < table()[candidates[a]].in_flight_work;
    return candidates[second ? b : a];
  }
};

/// Least work of ours in flight, ties at random. Blind to the calls of other trainers.
class shortest_queue final : public list_policy {
 public:
  using list_policy::list_policy;

 private:
  size_t among(const std::vector<size_t>& candidates, microbatch_id) override {
    size_t best = candidates[0];
    size_t ties = 1;
    for (size_t k = 1; k < candidates.size(); ++k) {
      const size_t i = candidates[k];
      const double difference = table()[i].in_flight_work - table()[best].in_flight_work;
      if (difference > 0) continue;
      ties = difference < 0 ? 1 : ties + 1;
      if (difference < 0 || random().below(ties) == 0) best = i;
    }
    return best;
  }
};

/// Microbatch i goes to the i-th peer, counted round; if that one cannot serve, to the next.
class fixed final : public table_policy {
 public:
  using table_policy::table_policy;

 private:
  std::optional<size_t> choose(double now_s, double, const std::set<worker_id>& excluded,
                               microbatch_id microbatch) override {
    const size_t n = table().size();
    for (size_t k = 0; k < n; ++k) {
      const size_t i = (static_cast<uint64_t>(microbatch.value()) % n + k) % n;
      if (available(table()[i], now_s, excluded)) return i;
    }
    return std::nullopt;
  }
};

constexpr std::array<std::pair<policy_kind, std::string_view>, 7> names = {{
    {policy_kind::shortest_wait, "shortest_wait"},
    {policy_kind::interleaved_weighted_round_robin, "interleaved_weighted_round_robin"},
    {policy_kind::uniform_random, "uniform_random"},
    {policy_kind::power_of_two_choices, "power_of_two_choices"},
    {policy_kind::shortest_queue, "shortest_queue"},
    {policy_kind::fixed, "fixed"},
    {policy_kind::paper, "paper"},
}};

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

std::unique_ptr<routing_policy> make_policy(policy_kind kind, uint64_t seed,
                                            const router_options& options) {
  switch (kind) {
    case policy_kind::uniform_random:
      return std::make_unique<uniform_random>(seed, options);
    case policy_kind::power_of_two_choices:
      return std::make_unique<power_of_two_choices>(seed, options);
    case policy_kind::shortest_queue:
      return std::make_unique<shortest_queue>(seed, options);
    case policy_kind::fixed:
      return std::make_unique<fixed>(seed, options);
    case policy_kind::paper:
      return std::make_unique<paper_policy>(seed, options);
    case policy_kind::interleaved_weighted_round_robin:
      return std::make_unique<interleaved>(seed, options);
    case policy_kind::shortest_wait:
      break;
  }
  return std::make_unique<shortest_wait>(seed, options);
}

}  // namespace swarm::wiring
