#include "actors/wiring/peer_table.hpp"

#include <algorithm>

namespace swarm::wiring {

namespace {

bool before(const peer_entry& peer, worker_id worker) {
  return peer.worker < worker;
}

}  // namespace

table_policy::table_policy(uint64_t seed, const router_options& options)
    : options_(options), random_(seed) {}

table_policy::entries::iterator table_policy::find(worker_id worker) {
  const auto i = std::lower_bound(table_.begin(), table_.end(), worker, before);
  return i != table_.end() && i->worker == worker ? i : table_.end();
}

table_policy::entries::const_iterator table_policy::find(worker_id worker) const {
  const auto i = std::lower_bound(table_.begin(), table_.end(), worker, before);
  return i != table_.end() && i->worker == worker ? i : table_.end();
}

void table_policy::add_peer(worker_id worker, double now_s) {
  const auto i = std::lower_bound(table_.begin(), table_.end(), worker, before);
  if (i != table_.end() && i->worker == worker) {
    if (i->set_aside && i->chances == 0) i->chances = 1;
    return;
  }
  peer_entry peer;
  peer.worker = worker;
  entered(peer);
  table_.insert(i, peer);
}

void table_policy::remove_peer(worker_id worker) {
  const auto i = find(worker);
  if (i != table_.end()) table_.erase(i);
}

std::vector<worker_id> table_policy::peers() const {
  std::vector<worker_id> out;
  out.reserve(table_.size());
  for (const auto& peer : table_)
    out.push_back(peer.worker);
  return out;
}

std::optional<worker_id> table_policy::pick(double now_s, double work,
                                            const std::set<worker_id>& excluded,
                                            microbatch_id microbatch) {
  const auto chosen = choose(now_s, sane_work(work), excluded, microbatch);
  if (!chosen) return std::nullopt;
  return table_[*chosen].worker;
}

void table_policy::on_dispatch(worker_id worker, double work) {
  const auto i = find(worker);
  if (i == table_.end()) return;
  if (i->set_aside && !i->probing) {
    i->probing = true;
    entered(*i);
  }
  ++i->in_flight;
  i->in_flight_work += sane_work(work);
  charged(*i, sane_work(work));
}

/// One call less in flight.
void table_policy::settle(peer_entry& peer, double work) {
  if (peer.in_flight > 0) --peer.in_flight;
  peer.in_flight_work =
      peer.in_flight == 0 ? 0 : std::max(0.0, peer.in_flight_work - sane_work(work));
}

void table_policy::observe(peer_entry& peer, double sample) {
  const double before = price(peer);
  peer.seconds.observe(sample, options_.ema_alpha);
  measured(peer, before);
}

/// After an error or a timeout the time is a lower bound.
void table_policy::heard(peer_entry& peer, double now_s, double seconds, double work,
                         bool replied) {
  const double sample = sample_of(std::min(seconds, now_s - peer.heard_at_s), work);
  peer.heard_at_s = now_s;
  if (sample < 0 || sample_of(seconds, work) < 0) return;
  if (!replied && peer.service.measured() && sample <= peer.service.value()) return;
  if (peer.outdated && replied) peer.seconds = peer.service = {};
  peer.outdated = false;
  peer.service.observe(sample, options_.ema_alpha);
}

void table_policy::on_success(worker_id worker, double now_s, double seconds, double work) {
  const auto i = find(worker);
  if (i == table_.end()) return;
  settle(*i, work);
  heard(*i, now_s, seconds, work, true);
  const double sample = sample_of(seconds, work);
  if (sample >= 0) observe(*i, sample);
  if (i->set_aside) {
    i->set_aside = i->probing = false;
    i->stale = 0;
    entered(*i);
  }
  i->failures = 0;
}

void table_policy::on_failure(worker_id worker, double now_s, double waited_s, double work) {
  failed(worker, now_s, waited_s, work);
}

void table_policy::on_timeout(worker_id worker, double now_s, double waited_s, double work) {
  failed(worker, now_s, waited_s, work);
}

void table_policy::failed(worker_id worker, double now_s, double waited_s, double work) {
  const auto i = find(worker);
  if (i == table_.end()) return;
  settle(*i, work);
  heard(*i, now_s, waited_s, work, false);
  // A lower bound: it says nothing unless it is above the estimate, and an error that came back
  // quickly must not make a peer look fast.
  const double sample = sample_of(waited_s, work);
  if (sample > i->seconds.value_or(prior())) observe(*i, sample);
  if (i->stale > 0) {
    --i->stale;
  } else if (!i->set_aside || i->probing) {
    rest(*i, now_s);
  }
}

void table_policy::rest(peer_entry& peer, double now_s) {
  peer.chances = peer.set_aside ? peer.chances - 1 : options_.probes_max;
  peer.set_aside = true;
  peer.probing = false;
  peer.stale = peer.in_flight;
  double rest_s = options_.backoff_min_s;
  for (uint32_t n = 0; n < peer.failures && rest_s < options_.backoff_max_s; ++n)
    rest_s *= 2;
  rest_s = std::min(rest_s, options_.backoff_max_s);
  peer.retry_at_s = now_s + rest_s * (1 + options_.backoff_jitter * random_.unit());
  ++peer.failures;
}

void table_policy::on_cancel(worker_id worker, double work) {
  const auto i = find(worker);
  if (i == table_.end()) return;
  settle(*i, work);
  // The probe has no answer: another may go.
  if (i->probing && i->in_flight <= i->stale) i->probing = false;
  i->stale = std::min(i->stale, i->in_flight);
}

void table_policy::cancel_all() {
  for (auto& peer : table_) {
    peer.in_flight = 0;
    peer.in_flight_work = 0;
    peer.stale = 0;
    peer.probing = false;
  }
}

std::optional<double> table_policy::estimate(worker_id worker) const {
  const auto i = find(worker);
  if (i == table_.end()) return std::nullopt;
  return i->seconds.measured() ? i->seconds.value() : prior();
}

uint32_t table_policy::in_flight(worker_id worker) const {
  const auto i = find(worker);
  return i == table_.end() ? 0 : i->in_flight;
}

std::optional<double> table_policy::next_retry_s(double now_s) const {
  std::optional<double> earliest;
  for (const auto& peer : table_) {
    if (ready(peer, now_s)) return now_s;
    if (peer.probing || peer.chances == 0) continue;
    if (!earliest || peer.retry_at_s < *earliest) earliest = peer.retry_at_s;
  }
  return earliest;
}

std::vector<peer_status> table_policy::status() const {
  const double unmeasured = prior();
  std::vector<peer_status> out;
  out.reserve(table_.size());
  for (const auto& peer : table_)
    out.push_back({peer.worker, peer.seconds.value_or(unmeasured), peer.in_flight, peer.set_aside,
                   peer.failures, peer.retry_at_s});
  return out;
}

double table_policy::prior() const {
  double sum = 0;
  size_t count = 0;
  for (const auto& peer : table_) {
    if (!peer.seconds.measured()) continue;
    sum += peer.seconds.value();
    ++count;
  }
  return count == 0 ? options_.seconds_per_unit_prior : sum / static_cast<double>(count);
}

}  // namespace swarm::wiring
