#include "experiments/rebalancing_simulation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <queue>
#include <utility>
#include <variant>

#include "actors/random.hpp"
#include "actors/rebalancing/move_arbiter.hpp"
#include "experiments/rebalancing_fleet.hpp"
#include "experiments/rebalancing_network.hpp"

namespace swarm::experiments {

namespace {

using namespace rebalancing;

constexpr double never = std::numeric_limits<double>::infinity();
/// While a stage is empty everybody looks again this often.
constexpr double rescue_look_seconds = 1;
/// Between two decisions of a peer.
constexpr double shortest_wait_seconds = 0.1;

enum class event_kind : uint8_t { announce, heard, fetched, decide, dead, rescue_look };

struct event {
  double time = 0;
  uint64_t order = 0;  ///< of its making: ties are broken by it
  event_kind kind = event_kind::announce;
  size_t peer = 0;
  uint64_t life = 0;  ///< of the peer; an event of another one is void
  worker_record record;

  bool operator>(const event& other) const {
    return time != other.time ? time > other.time : order > other.order;
  }
};

struct peer {
  worker_id id;
  size_t stage = 0;
  worker_state state = worker_state::joining;
  bool alive = true;
  double speed = 1;
  size_t zone = 0;
  size_t server = 0;  ///< in the network, while it serves
  uint64_t life = 0;
  std::unique_ptr<rebalance_policy> policy;
};

stage_id named(size_t stage) {
  return stage_id{static_cast<int32_t>(stage)};
}

class fleet {
 public:
  explicit fleet(const rebalancing_run& run)
      : run_(run),
        random_(run.seed),
        end_(run.hours * 3600),
        network_(run.stages, random_.next()),
        board_(std::vector<stage_record>(run.stages, {1.0, run.state_bytes})),
        // The leader has been in office for long.
        arbiter_(static_cast<int32_t>(run.stages), seconds{-1e6}),
        meter_(run.stages, end_, run.speed_max == 1),
        unknown_deaths_(run.stages, 0) {}

  rebalancing_findings live() {
    start();
    size_t change = 0;
    const auto& changes = run_.trace.changes;
    for (;;) {
      const auto own = events_.empty() ? never : events_.top().time;
      const auto traced = change < changes.size() ? changes[change].time_seconds : never;
      const auto done = network_.next_event();
      const auto next = std::min({own, traced, done});
      if (!(next < end_)) break;
      if (done <= next) {
        network_.step();
        continue;
      }
      now_ = next;
      if (traced <= next) {
        follow(changes[change++].delta);
      } else {
        handle();
      }
    }
    return conclude();
  }

 private:
  // --- the trace

  double draw_speed() {
    int64_t classes = 1;
    while ((int64_t{1} << classes) <= run_.speed_max)
      ++classes;
    return static_cast<double>(int64_t{1} << random_.below(static_cast<size_t>(classes)));
  }

  peer& create() {
    peers_.emplace_back();
    auto& p = peers_.back();
    p.id = {peer_id{peers_.size() - 1}, incarnation_id{1}};
    p.speed = draw_speed();
    p.zone = random_.below(run_.zones);
    p.policy = make_policy(run_.policy, random_.next(), run_.options);
    live_.push_back(peers_.size() - 1);
    meter_.peer_lives(rate(p), now_);
    return p;
  }

  /// The first fleet is as good as it can be, and everybody knows it.
  void start() {
    std::vector<double> rates(run_.stages, 0.0);
    for (int64_t i = 0; i < run_.trace.peers_at_start; ++i) {
      auto& p = create();
      p.stage = static_cast<size_t>(std::min_element(rates.begin(), rates.end()) - rates.begin());
      rates[p.stage] += rate(p);
      p.zone = p.stage * run_.zones / run_.stages;
      serve(p);
      hear(record_of(p));
      consult(p);
      schedule_decision(p);
      first_announcement(p);
    }
    adapt_population();
  }

  void follow(int64_t delta) {
    for (; delta > 0; --delta)
      newcomer();
    const auto zone = random_.below(run_.zones);
    const auto together = delta < -1;
    for (; delta < 0 && !live_.empty(); ++delta)
      preempt(together ? victim_in(zone) : random_.below(live_.size()));
    adapt_population();
  }

  /// A place in live_.
  size_t victim_in(size_t zone) {
    std::vector<size_t> places;
    for (size_t i = 0; i < live_.size(); ++i)
      if (peers_[live_[i]].zone == zone) places.push_back(i);
    return places.empty() ? random_.below(live_.size()) : places[random_.below(places.size())];
  }

  void newcomer() {
    auto& p = create();
    ++findings_.newcomers;
    p.stage = static_cast<size_t>(stage_for(p).value());
    fetch(p);
    consult(p);
    schedule_decision(p);
    schedule_announcement(p);
  }

  stage_id stage_for(const peer& p) {
    const auto& view = board_.view(now_);
    switch (run_.policy) {
      case policy_kind::none:
        // In a view of nobody all stages are equal, and the id decides.
        return choose_stage({view.stages, {}}, peer_id{random_.next()}, p.speed);
      case policy_kind::queue:
        return most_loaded_stage(view, run_.options.plan.estimate);
      case policy_kind::throughput:
        break;
    }
    return choose_stage(view, p.id.peer, p.speed, {}, run_.options.plan.estimate);
  }

  void preempt(size_t place) {
    auto& p = peers_[live_[place]];
    std::swap(live_[place], live_.back());
    live_.pop_back();
    stop_serving(p);
    ++unknown_deaths_[p.stage];
    p.alive = false;
    ++p.life;
    meter_.peer_dies(rate(p), now_);
    push(now_ + run_.detection_seconds, event_kind::dead, p);
  }

  void adapt_population() {
    network_.set_population(
        std::llround(run_.in_flight_per_peer * static_cast<double>(meter_.live())), now_);
  }

  // --- a peer

  double rate(const peer& p) const { return p.speed / run_.service_seconds; }

  void serve(peer& p) {
    p.state = worker_state::serving;
    p.server = network_.join(p.stage, 1 / rate(p), now_);
    meter_.serves(p.stage, rate(p), now_);
  }

  void stop_serving(peer& p) {
    if (p.state != worker_state::serving) return;
    p.state = worker_state::joining;
    network_.leave(p.server, now_);
    meter_.stops_serving(p.stage, rate(p), now_);
  }

  void fetch(peer& p) {
    findings_.moved_bytes += run_.state_bytes;
    push(now_ + run_.state_bytes / run_.bytes_per_second, event_kind::fetched, p);
    tell(p);
  }

  worker_record record_of(const peer& p) {
    worker_record r;
    r.id = p.id;
    r.stage = named(p.stage);
    r.state = p.state;
    r.relative_speed = p.speed;
    r.bytes_per_second = run_.bytes_per_second;
    if (p.state == worker_state::serving) {
      r.microbatches_per_second = network_.measured_rate(p.server);
      r.queue_length = network_.take_mean_queue(p.server, now_);
    }
    return r;
  }

  /// Something has changed: it announces itself out of turn.
  void tell(const peer& p) {
    push(now_ + run_.announcement_travels_seconds, event_kind::heard, p, record_of(p));
  }

  void hear(const worker_record& r) {
    board_.publish(r, now_);
    arbiter_.seen(r.id, r.stage, r.state, seconds{now_});
  }

  /// The first fleet does not announce itself in step, but under the paper's rule.
  void first_announcement(const peer& p) {
    if (run_.policy == policy_kind::queue) return schedule_announcement(p);
    push(run_.announce_seconds * random_.unit(), event_kind::announce, p);
  }

  void schedule_announcement(const peer& p) {
    auto next = now_ + run_.announce_seconds;
    if (run_.policy == policy_kind::queue) {
      // The paper's peers measure, publish, and then decide.
      next = p.policy->next_decision().count() - run_.announcement_travels_seconds;
      // A decision may wait for the end of a step.
      while (next <= now_)
        next += run_.options.period.count();
    }
    push(next, event_kind::announce, p);
  }

  void schedule_decision(const peer& p) {
    auto next = std::max(now_ + shortest_wait_seconds, p.policy->next_decision().count());
    if (run_.step_seconds > 0) next = std::ceil(next / run_.step_seconds) * run_.step_seconds;
    if (next < end_) push(next, event_kind::decide, p);
  }

  void consult(peer& p) {
    const auto wish = p.policy->decide(board_.view(now_), p.id, seconds{now_});
    if (!wish) return;
    // The paper knows no arbiter.
    if (run_.policy == policy_kind::throughput &&
        !std::holds_alternative<move_grant>(arbiter_.ask(*wish, seconds{now_}, p.state))) {
      ++findings_.refusals;
      p.policy->refused(seconds{now_});
      return;
    }
    go(p, static_cast<size_t>(wish->to.value()));
  }

  void go(peer& p, size_t to) {
    const auto served = p.state == worker_state::serving;
    stop_serving(p);
    if (served && meter_.serving(p.stage) == 0)
      ++(unknown_deaths_[p.stage] == 0 ? findings_.emptied_by_moves
                                       : findings_.emptied_by_late_news);
    ++findings_.moves;
    if (now_ > 3600) ++findings_.moves_after_first_hour;
    ++p.life;
    p.id.incarnation = p.id.incarnation.next();
    p.stage = to;
    fetch(p);
    schedule_announcement(p);
  }

  // --- events

  void push(double time, event_kind kind, const peer& p, worker_record record = {}) {
    events_.push({time, ++order_, kind, static_cast<size_t>(p.id.peer.value()), p.life, record});
  }

  void handle() {
    const auto e = events_.top();
    events_.pop();
    auto& p = peers_[e.peer];
    // These outlive a move.
    if (e.kind == event_kind::dead) return forget(p);
    if (e.kind == event_kind::rescue_look) {
      looks_ = false;
      return look_for_rescue();
    }
    if (e.kind == event_kind::decide) {
      if (!p.alive) return;
      consult(p);
      return schedule_decision(p);
    }
    if (e.life != p.life) return;
    if (e.kind == event_kind::announce) {
      hear(record_of(p));
      schedule_announcement(p);
    } else if (e.kind == event_kind::heard) {
      hear(e.record);
      look_for_rescue();
    } else {
      serve(p);
      tell(p);
    }
  }

  void forget(const peer& p) {
    --unknown_deaths_[p.stage];
    const auto last_known = board_.remove(p.id.peer);
    if (last_known) arbiter_.gone(*last_known);
    look_for_rescue();
  }

  /// Everybody would look; only the one whom the plan names would answer.
  void look_for_rescue() {
    if (run_.policy != policy_kind::throughput || !board_.has_empty_stage()) return;
    const auto rescue = plan_rescue(board_.view(now_), run_.options.plan);
    if (!rescue) return;
    auto& p = peers_[static_cast<size_t>(rescue->who.peer.value())];
    if (p.alive) consult(p);
    if (std::exchange(looks_, true)) return;
    push(now_ + rescue_look_seconds, event_kind::rescue_look, p);
  }

  rebalancing_findings conclude() {
    meter_.finish();
    findings_.overall = meter_.overall();
    findings_.first_hour = meter_.first_hour();
    findings_.last_hour = meter_.last_hour();
    findings_.last_hour_counts = meter_.last_hour_counts();
    if (meter_.best_microbatches() > 0)
      findings_.delivered = static_cast<double>(network_.completed()) / meter_.best_microbatches();
    findings_.peer_hours = meter_.peer_seconds() / 3600;
    findings_.empty_seconds_longest = meter_.empty_seconds_longest();
    findings_.live_at_end = meter_.live();
    return findings_;
  }

  const rebalancing_run& run_;
  splitmix64 random_;
  double end_;
  double now_ = 0;
  closed_network network_;
  bulletin board_;
  move_arbiter arbiter_;
  share_meter meter_;
  std::vector<peer> peers_;
  std::vector<size_t> live_;
  std::vector<size_t> unknown_deaths_;  ///< by stage
  std::priority_queue<event, std::vector<event>, std::greater<>> events_;
  uint64_t order_ = 0;
  bool looks_ = false;  ///< a rescue_look is due
  rebalancing_findings findings_;
};

}  // namespace

rebalancing_findings simulate(const rebalancing_run& run) {
  return fleet{run}.live();
}

}  // namespace swarm::experiments
