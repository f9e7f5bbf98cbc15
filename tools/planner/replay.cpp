#include "tools/planner/replay.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <deque>
#include <functional>
#include <memory>
#include <utility>

#include "actors/call_work.hpp"
#include "actors/random.hpp"
#include "actors/wiring/router.hpp"
#include "tools/planner/event_loop.hpp"

namespace swarm::planner {

namespace {

/// Leases at a trainer, as it announces: one batch waits while another is under way.
constexpr int64_t leases_per_in_flight = 2;

struct host {
  host(const line& l, shared_cores& cores) : where(l), compute(cores), talk(cores) {}

  line where;
  serial_device compute;
  serial_device talk;
  double up_busy_until = 0;
  double down_busy_until = 0;
};

struct worker {
  std::unique_ptr<host> at;
  replay_worker cost;
  double held = 0;
  double calls = 0;
};

struct trainer {
  std::unique_ptr<host> own;  ///< the first one's is also the coordinator's
  std::deque<int64_t> queue;
  int64_t running = 0;
  int64_t leased = 0;
  std::vector<std::unique_ptr<wiring::routing_policy>> routers;
};

/// A microbatch under way: forward 0 .. S-2, loss at S-1, backward S-2 .. 0.
struct microbatch_run {
  int64_t index = 0;
  size_t call = 0;
  std::vector<size_t> holders;
};

worker_id id_of(size_t index) {
  return {peer_id{index + 1}, incarnation_id{1}};
}

double queue(double& busy_until, double now, double bytes, double bytes_per_s) {
  if (bytes_per_s <= 0) return now;
  busy_until = std::max(busy_until, now) + bytes / bytes_per_s;
  return busy_until;
}

class replayer {
 public:
  explicit replayer(const replay_setup& setup) : setup_(setup), cores_(loop_, setup.cores) {
    for (const auto& stage : setup.stages) {
      stages_.emplace_back();
      for (const auto& w : stage.workers)
        stages_.back().push_back({std::make_unique<host>(w.where, cores_), w});
    }
    for (size_t t = 0; t < setup.trainers.size(); ++t) {
      trainers_.emplace_back();
      auto& one = trainers_.back();
      one.own = std::make_unique<host>(setup.trainers[t], cores_);
      for (size_t s = 0; s < stages_.size(); ++s) {
        one.routers.push_back(
            wiring::make_policy(wiring::default_policy, (setup.seed + t) * 1'000'003 + s));
        for (size_t w = 0; w < stages_[s].size(); ++w)
          one.routers.back()->add_peer(id_of(w), 0);
      }
    }
    result_.held.resize(stages_.size());
  }

  replay_result go() {
    begin_step();
    while (step_ < setup_.warm_steps + setup_.steps)
      if (!loop_.step()) break;
    const double measured = loop_.now() - measured_from_;
    const auto steps = static_cast<double>(setup_.steps);
    result_.step_s = measured / steps;
    result_.compute_s /= steps;
    result_.reduce_s /= steps;
    for (size_t s = 0; s < stages_.size(); ++s) {
      result_.busy.emplace_back();
      result_.share.emplace_back();
      for (const auto& w : stages_[s]) {
        result_.busy[s].push_back(w.at->compute.worked_s() / std::max(loop_.now(), 1e-30));
        result_.share[s].push_back(w.calls / (steps * static_cast<double>(setup_.microbatches)));
      }
    }
    return std::move(result_);
  }

 private:
  bool measuring() const { return step_ >= setup_.warm_steps; }

  // -- the network ----------------------------------------------------------------------------

  void send(host& from, host& to, double bytes, event_loop::action arrived) {
    if (&from == &to) return loop_.after(0, std::move(arrived));
    const auto transmit = [this, &from, &to, bytes, arrived = std::move(arrived)] {
      const double out = queue(from.up_busy_until, loop_.now(), bytes, from.where.up_bytes_per_s);
      const double in = queue(to.down_busy_until, loop_.now(), bytes, to.where.down_bytes_per_s);
      const double latency = setup_.path_latency_s + from.where.latency_s + to.where.latency_s;
      loop_.at(std::max(out + latency, in),
               [this, &to, bytes, arrived] { talk(to, bytes, arrived); });
    };
    talk(from, bytes, transmit);
  }

  void talk(host& at, double bytes, event_loop::action then) {
    const double seconds = setup_.message_s + setup_.byte_s * bytes;
    if (seconds <= 0) return then();
    at.talk.submit(seconds, std::move(then));
  }

  // -- the step -------------------------------------------------------------------------------

  host& coordinator() { return *trainers_.front().own; }

  void begin_step() {
    if (step_ == setup_.warm_steps) measured_from_ = loop_.now();
    step_began_ = loop_.now();
    next_microbatch_ = 0;
    unsettled_ = setup_.microbatches;
    lease_out();
  }

  void lease_out() {
    for (bool given = true; given && next_microbatch_ < setup_.microbatches;) {
      given = false;
      for (size_t left = trainers_.size(); left > 0; --left) {
        last_leased_ = (last_leased_ + 1) % trainers_.size();
        auto& t = trainers_[last_leased_];
        if (next_microbatch_ >= setup_.microbatches) break;
        if (t.leased >= leases_per_in_flight * setup_.in_flight) continue;
        ++t.leased;
        given = true;
        send(coordinator(), *t.own, setup_.order_bytes, [this, &t, m = next_microbatch_++] {
          t.queue.push_back(m);
          start_runs(t);
        });
      }
    }
  }

  void start_runs(trainer& t) {
    while (t.running < setup_.in_flight && !t.queue.empty()) {
      ++t.running;
      auto run = std::make_shared<microbatch_run>();
      run->index = t.queue.front();
      run->holders.resize(stages_.size());
      t.queue.pop_front();
      advance(t, run);
    }
  }

  void settled(trainer& t) {
    --t.leased;
    if (--unsettled_ > 0) return lease_out();
    if (measuring()) result_.compute_s += loop_.now() - step_began_;
    gather();
  }

  /// Sends an order to all workers and goes on when the last answer is there.
  template <class Work>
  void ask_all(Work work, const event_loop::action& then) {
    auto missing = std::make_shared<size_t>(0);
    for (auto& stage : stages_)
      *missing += stage.size();
    for (size_t s = 0; s < stages_.size(); ++s) {
      for (auto& w : stages_[s]) {
        const auto answer = [this, &w, missing, then] {
          send(*w.at, coordinator(), setup_.order_bytes, [missing, then] {
            if (--*missing == 0) then();
          });
        };
        send(coordinator(), *w.at, setup_.order_bytes,
             [&w, s, work, answer] { work(s, w, answer); });
      }
    }
  }

  void gather() {
    const double since = loop_.now();
    ask_all([](size_t, worker&, const event_loop::action& answer) { answer(); },
            [this, since] { reduce(since); });
  }

  /// A stage's butterfly begins when its last member has its order.
  void reduce(double since) {
    struct group {
      size_t missing;
      std::vector<event_loop::action> answers;
    };
    auto groups = std::make_shared<std::vector<group>>();
    for (const auto& stage : stages_)
      groups->push_back({stage.size(), {}});
    ask_all(
        [this, groups](size_t s, worker&, const event_loop::action& answer) {
          auto& g = (*groups)[s];
          g.answers.push_back(answer);
          if (--g.missing > 0) return;
          const double takes = all_reduce_seconds(setup_.stages[s], setup_.path_latency_s);
          for (const auto& each : g.answers)
            loop_.after(takes, each);
        },
        [this, since] { commit(since); });
  }

  /// The next step begins at once; its calls wait at the workers for the optimizer.
  void commit(double since) {
    if (measuring()) result_.reduce_s += loop_.now() - since;
    for (auto& stage : stages_)
      for (auto& w : stage)
        send(coordinator(), *w.at, setup_.order_bytes,
             [&w] { w.at->compute.submit(w.cost.step_s, [] {}); });
    ++step_;
    if (step_ < setup_.warm_steps + setup_.steps) begin_step();
  }

  // -- a microbatch ---------------------------------------------------------------------------

  void advance(trainer& t, const std::shared_ptr<microbatch_run>& run) {
    const size_t last = stages_.size() - 1;
    if (run->call > 2 * last) return finish(t);
    const bool forward = run->call < last;
    const bool loss = run->call == last;
    const size_t s = run->call <= last ? run->call : 2 * last - run->call;
    const double work = forward ? forward_work : loss ? loss_work : backward_work;
    auto& router = *t.routers[s];
    if (forward || loss) {
      const auto picked = router.pick(loop_.now(), work, {}, microbatch_id{run->index});
      assert(picked);
      run->holders[s] = picked->peer.value() - 1;
    }
    const size_t chosen = run->holders[s];
    router.on_dispatch(id_of(chosen), work);
    auto& w = stages_[s][chosen];
    const auto& bytes = setup_.stages[s];
    const double in = forward || loss ? bytes.forward_in_bytes : bytes.backward_in_bytes;
    const double out = forward ? bytes.forward_out_bytes : bytes.backward_out_bytes;
    const double seconds =
        (forward ? w.cost.forward_s : w.cost.backward_s) * deviation(s, chosen, run->index);
    const double sent = loop_.now();
    const auto answered = [this, &t, &router, run, chosen, sent, work] {
      const double took = loop_.now() - sent;
      if (measuring()) result_.longest_call_s = std::max(result_.longest_call_s, took);
      router.on_success(id_of(chosen), loop_.now(), took, work);
      ++run->call;
      advance(t, run);
    };
    send(*t.own, *w.at, in + setup_.order_bytes,
         [this, &t, &w, s, forward, loss, seconds, out, answered] {
           w.at->compute.submit(seconds, [this, &t, &w, s, forward, loss, out, answered] {
             count(s, w, forward, loss);
             send(*w.at, *t.own, out + setup_.order_bytes, answered);
           });
         });
  }

  /// The same for both of a microbatch's calls to a worker.
  double deviation(size_t stage, size_t who, int64_t index) const {
    if (setup_.spread <= 0) return 1;
    uint64_t mixed = setup_.seed;
    for (const auto each : {static_cast<uint64_t>(stage), static_cast<uint64_t>(who),
                            static_cast<uint64_t>(step_), static_cast<uint64_t>(index)})
      mixed = splitmix64{mixed + each}.next();
    return 1 + setup_.spread * (2 * splitmix64{mixed}.unit() - 1);
  }

  void count(size_t s, worker& w, bool forward, bool loss) {
    if (forward) {
      result_.held[s] = std::max(result_.held[s], ++w.held);
    } else if (loss) {
      result_.held[s] = 1;
    } else {
      --w.held;
    }
    if (!forward && measuring()) ++w.calls;
  }

  void finish(trainer& t) {
    --t.running;
    send(*t.own, coordinator(), setup_.order_bytes, [this, &t] { settled(t); });
    start_runs(t);
  }

  replay_setup setup_;
  event_loop loop_;
  shared_cores cores_;
  std::vector<std::vector<worker>> stages_;
  std::vector<trainer> trainers_;
  replay_result result_;
  int64_t step_ = 0;
  double measured_from_ = 0;
  double step_began_ = 0;
  int64_t next_microbatch_ = 0;
  int64_t unsettled_ = 0;
  size_t last_leased_ = 0;
};

}  // namespace

double all_reduce_seconds(const replay_stage& stage, double path_latency_s) {
  const auto& workers = stage.workers;
  const auto n = static_cast<double>(workers.size());
  if (workers.size() < 2) return 0;
  double slowest = 0;  // bytes per second; 0: no limit
  for (const auto& w : workers)
    for (const double rate : {w.where.up_bytes_per_s, w.where.down_bytes_per_s})
      if (rate > 0) slowest = slowest > 0 ? std::min(slowest, rate) : rate;
  const double units = std::max(1.0, std::ceil(stage.gradient_bytes / slice_unit_bytes));
  double trip = 0;  // the longest between a member and an owner
  for (size_t owner = 0; owner < workers.size(); ++owner) {
    const auto before = static_cast<double>(owner);
    if (std::floor(units * (before + 1) / n) <= std::floor(units * before / n)) continue;
    for (size_t other = 0; other < workers.size(); ++other)
      if (other != owner)
        trip = std::max(trip, workers[owner].where.latency_s + workers[other].where.latency_s);
  }
  const double carried = slowest > 0 ? 2 * stage.gradient_bytes * (n - 1) / n / slowest : 0.0;
  return carried + 2 * (trip + path_latency_s);
}

replay_result replay(const replay_setup& setup) {
  assert(!setup.stages.empty() && !setup.trainers.empty());
  assert(setup.microbatches > 0 && setup.in_flight > 0 && setup.steps > 0);
  return replayer{setup}.go();
}

replay_result replay_mean(const replay_setup& setup, int replays) {
  assert(replays > 0);
  auto each = setup;
  auto sum = replay(each);
  sum.step_s_min = sum.step_s_max = sum.step_s;
  const auto add = [](auto& to, const auto& from) {
    for (size_t s = 0; s < to.size(); ++s)
      for (size_t w = 0; w < to[s].size(); ++w)
        to[s][w] += from[s][w];
  };
  for (int i = 1; i < replays; ++i) {
    ++each.seed;
    const auto one = replay(each);
    sum.step_s += one.step_s;
    sum.compute_s += one.compute_s;
    sum.reduce_s += one.reduce_s;
    sum.step_s_min = std::min(sum.step_s_min, one.step_s);
    sum.step_s_max = std::max(sum.step_s_max, one.step_s);
    sum.longest_call_s = std::max(sum.longest_call_s, one.longest_call_s);
    for (size_t s = 0; s < sum.held.size(); ++s)
      sum.held[s] = std::max(sum.held[s], one.held[s]);
    add(sum.busy, one.busy);
    add(sum.share, one.share);
  }
  const double n = replays;
  for (auto* value : {&sum.step_s, &sum.compute_s, &sum.reduce_s})
    *value /= n;
  for (auto* table : {&sum.busy, &sum.share})
    for (auto& row : *table)
      for (auto& value : row)
        value /= n;
  return sum;
}

}  // namespace swarm::planner
