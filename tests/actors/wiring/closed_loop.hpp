#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <queue>
#include <vector>

#include "actors/wiring/router.hpp"

namespace swarm::wiring::testing {

constexpr worker_id worker(uint64_t peer, uint32_t incarnation = 0) {
  return {peer_id(peer), incarnation_id(incarnation)};
}

struct modelled_peer {
  double units_per_s = 1;
  double round_trip_s = 0;
};

/// Peers with one first-in-first-out server each, kept busy by trainers that replace every reply by
/// a new call. Virtual time, no randomness but the routers'.
class closed_loop {
 public:
  closed_loop(std::vector<modelled_peer> peers, policy_kind kind, size_t trainers, size_t in_flight,
              uint64_t seed)
      : peers_(std::move(peers)), free_at_(peers_.size(), 0), served_(peers_.size(), 0) {
    for (size_t t = 0; t < trainers; ++t) {
      routers_.push_back(make_policy(kind, seed + t));
      for (size_t p = 0; p < peers_.size(); ++p)
        routers_.back()->add_peer(worker(p), 0);
    }
    for (size_t t = 0; t < trainers; ++t)
      for (size_t k = 0; k < in_flight; ++k)
        send(t);
  }

  void run_until(double end_s) {
    while (!events_.empty() && events_.top().at_s <= end_s) {
      const event e = events_.top();
      events_.pop();
      now_s_ = e.at_s;
      routers_[e.trainer]->on_success(worker(e.peer), now_s_, now_s_ - e.sent_s, 1);
      ++served_[e.peer];
      ++replies_;
      send(e.trainer);
    }
  }

  void forget_counts() {
    replies_ = 0;
    std::fill(served_.begin(), served_.end(), 0);
  }
  double share(size_t peer) const {
    return static_cast<double>(served_[peer]) / static_cast<double>(replies_);
  }
  uint64_t replies() const { return replies_; }
  uint64_t served(size_t peer) const { return served_[peer]; }
  routing_policy& router(size_t trainer = 0) { return *routers_[trainer]; }
  double now_s() const { return now_s_; }

  /// From its next call on.
  void set_speed(size_t peer, double units_per_s) { peers_[peer].units_per_s = units_per_s; }

  /// A peer that only this loop's routers learn of now.
  void join(modelled_peer peer) {
    peers_.push_back(peer);
    free_at_.push_back(now_s_);
    served_.push_back(0);
    for (auto& r : routers_)
      r->add_peer(worker(peers_.size() - 1), now_s_);
  }

 private:
  struct event {
    double at_s;
    uint64_t serial;
    size_t trainer;
    size_t peer;
    double sent_s;
    bool operator<(const event& other) const {
      return at_s != other.at_s ? at_s > other.at_s : serial > other.serial;
    }
  };

  void send(size_t trainer) {
    const auto chosen = routers_[trainer]->pick(now_s_, 1, {}, microbatch_id(next_++));
    routers_[trainer]->on_dispatch(chosen.value(), 1);
    const auto p = static_cast<size_t>(chosen->peer.value());
    const double half_s = peers_[p].round_trip_s / 2;
    free_at_[p] = std::max(free_at_[p], now_s_ + half_s) + 1 / peers_[p].units_per_s;
    events_.push({free_at_[p] + half_s, serial_++, trainer, p, now_s_});
  }

  std::vector<modelled_peer> peers_;
  std::vector<double> free_at_;
  std::vector<uint64_t> served_;
  std::vector<std::unique_ptr<routing_policy>> routers_;
  std::priority_queue<event> events_;
  double now_s_ = 0;
  uint64_t serial_ = 0;
  uint64_t replies_ = 0;
  int64_t next_ = 0;
};

}  // namespace swarm::wiring::testing
