#include "actors/wiring/paper_policy.hpp"

#include <algorithm>
#include <utility>

namespace swarm::wiring {

namespace {

constexpr double paper_seconds_per_unit = 1.0;
constexpr double paper_alpha = 0.1;

}  // namespace

paper_policy::paper_policy(uint64_t seed, const router_options& options)
    : options_(options), random_(seed) {}

const paper_policy::entry* paper_policy::find(worker_id worker) const {
  const auto i = std::find_if(table_.begin(), table_.end(),
                              [&](const entry& peer) { return peer.worker == worker; });
  return i == table_.end() ? nullptr : &*i;
}

paper_policy::entry* paper_policy::find(worker_id worker) {
  return const_cast<entry*>(std::as_const(*this).find(worker));
}

void paper_policy::enter(entry& peer) {
  std::optional<double> smallest;
  for (const auto& other : table_) {
    if (other.banned || other.worker == peer.worker) continue;
    if (!smallest || other.assigned_s < *smallest) smallest = other.assigned_s;
  }
  peer.banned = false;
  peer.assigned_s = smallest.value_or(0);
  peer.tie_break = random_.next();
}

void paper_policy::add_peer(worker_id worker, double) {
  if (entry* known = find(worker)) {
    if (known->banned) enter(*known);
    return;
  }
  entry peer;
  peer.worker = worker;
  enter(peer);
  table_.push_back(peer);
}

void paper_policy::remove_peer(worker_id worker) {
  if (entry* peer = find(worker)) {
    *peer = table_.back();
    table_.pop_back();
  }
}

std::vector<worker_id> paper_policy::peers() const {
  std::vector<worker_id> out;
  for (const auto& peer : table_)
    out.push_back(peer.worker);
  std::sort(out.begin(), out.end());
  return out;
}

std::optional<worker_id> paper_policy::pick(double now_s, double,
                                            const std::set<worker_id>& excluded, microbatch_id) {
  const entry* best = nullptr;
  for (auto& peer : table_) {
    if (peer.banned && now_s >= peer.banned_until_s) enter(peer);
    if (peer.banned || (!excluded.empty() && excluded.count(peer.worker) != 0)) continue;
    if (best == nullptr || peer.assigned_s < best->assigned_s ||
        (peer.assigned_s == best->assigned_s && peer.tie_break < best->tie_break))
      best = &peer;
  }
  if (best == nullptr) return std::nullopt;
  return best->worker;
}

void paper_policy::on_dispatch(worker_id worker, double work) {
  entry* peer = find(worker);
  if (peer == nullptr) return;
  ++peer->in_flight;
  peer->assigned_s += sane_work(work) * peer->seconds.value_or(paper_seconds_per_unit);
  peer->tie_break = random_.next();
}

void paper_policy::settle(worker_id worker) {
  entry* peer = find(worker);
  if (peer != nullptr && peer->in_flight > 0) --peer->in_flight;
}

void paper_policy::on_success(worker_id worker, double, double seconds, double work) {
  settle(worker);
  const double sample = sample_of(seconds, work);
  if (entry* peer = find(worker); peer != nullptr && sample >= 0)
    peer->seconds.observe(sample, paper_alpha);
}

void paper_policy::on_failure(worker_id worker, double now_s, double, double) {
  settle(worker);
  if (entry* peer = find(worker)) {
    peer->banned = true;
    peer->banned_until_s = now_s + options_.paper_ban_s;
  }
}

void paper_policy::on_timeout(worker_id worker, double, double, double) {
  settle(worker);
}

void paper_policy::on_cancel(worker_id worker, double) {
  settle(worker);
}

void paper_policy::cancel_all() {
  for (auto& peer : table_)
    peer.in_flight = 0;
}

std::optional<double> paper_policy::estimate(worker_id worker) const {
  const entry* peer = find(worker);
  if (peer == nullptr) return std::nullopt;
  return peer->seconds.value_or(paper_seconds_per_unit);
}

uint32_t paper_policy::in_flight(worker_id worker) const {
  const entry* peer = find(worker);
  return peer == nullptr ? 0 : peer->in_flight;
}

std::optional<double> paper_policy::next_retry_s(double now_s) const {
  std::optional<double> earliest;
  for (const auto& peer : table_) {
    if (!peer.banned || now_s >= peer.banned_until_s) return now_s;
    if (!earliest || peer.banned_until_s < *earliest) earliest = peer.banned_until_s;
  }
  return earliest;
}

std::vector<peer_status> paper_policy::status() const {
  std::vector<peer_status> out;
  for (const auto& peer : table_)
    out.push_back({peer.worker, peer.seconds.value_or(paper_seconds_per_unit), peer.in_flight,
                   peer.banned, peer.banned ? 1u : 0u, peer.banned_until_s});
  std::sort(out.begin(), out.end(),
            [](const peer_status& a, const peer_status& b) { return a.worker < b.worker; });
  return out;
}

}  // namespace swarm::wiring
