#include "actors/training/trainer.hpp"

#include <algorithm>
#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <tuple>
#include <vector>

#include "actors/actor_body.hpp"
#include "actors/call_work.hpp"
#include "actors/planted_bug.hpp"
#include "actors/training/call_clock.hpp"
#include "actors/training/call_replies.hpp"
#include "actors/training/calls.hpp"
#include "actors/training/lease_run.hpp"
#include "actors/training/microbatch_run.hpp"
#include "actors/training/retry_budget.hpp"
#include "actors/training/stray_watch.hpp"
#include "actors/wire/ticket.hpp"

namespace swarm::training {

namespace {

using tensors::host_tensor;
using retry_atom = caf::atom_constant<caf::atom("retry")>;

using full_actor = trainer_actor::extend<caf::reacts_to<retry_atom, uint32_t, uint64_t>>;

/// Waits in vain after which a run no longer minds that its stage's workers rest.
constexpr uint32_t patience = 3;
/// A share's calls go over lines that an all-reduce fills, and take several times as long as those
/// from which limits are learned.
constexpr int share_patience = 8;

double work_of(call_kind kind) {
  switch (kind) {
    case call_kind::forward:
      return forward_work;
    case call_kind::backward:
      return backward_work;
    case call_kind::loss:
      return loss_work;
  }
  return forward_work;
}

/// One stage, as this trainer sees it.
struct stage_view {
  std::unique_ptr<wiring::routing_policy> router;
  call_clock clock;
  std::map<worker_id, wire::stage_worker_actor> handles;
};

class trainer final : public actor_body<full_actor::base> {
 public:
  static constexpr const char* name = "trainer";

  trainer(pointer self, trainer_options options)
      : actor_body(self),
        options_(std::move(options)),
        saved_(options_.saved_bytes_max),
        retries_(2.0 * options_.in_flight) {
    const auto seconds = [](std::chrono::milliseconds x) {
      return std::chrono::duration<double>(x).count();
    };
    for (int32_t s = 0; s < options_.stages; ++s)
      stages_.push_back({wiring::make_policy(options_.policy, options_.routing_seed * 1'000'003 +
                                                                  static_cast<uint64_t>(s)),
                         call_clock{{seconds(options_.call_timeout),
                                     std::min(seconds(options_.call_timeout),
                                              seconds(options_.shortest_call_timeout))}},
                         {}});
  }

  behavior_type make_behavior() {
    const auto me = caf::actor_cast<caf::actor>(ctrl());
    send(options_.directory, wire::subscribe_atom::value, me);
    wire::member self;
    self.role = wire::member_role::trainer;
    self.id = options_.id;
    self.state = wire::member_state::serving;
    // One batch of leases waits here while another is under way.
    self.capacity = options_.in_flight * 2;
    self.handle = me;
    send(options_.directory, wire::announce_atom::value, self);
    return {[this](const wire::lease& m) { on_lease(m); },
            [this](const wire::begin_step& m) { on_begin_step(m); },
            [this](const wire::roster_update& m) { on_roster(m); },
            [this](retry_atom, uint32_t item, uint64_t serial) { on_retry(item, serial); }};
  }

 private:
  // -- what to do -----------------------------------------------------------------------------

  void on_begin_step(const wire::begin_step& m) {
    if (m.fault()) return;
    const auto begin = m.read();
    enter(term_id{begin->getTerm()}, step_id{begin->getStep()});
  }

  /// Forgets everything of earlier steps. False: the sender is behind.
  bool enter(term_id term, step_id step) {
    if (term < term_ || (term == term_ && step < step_)) return false;
    if (term == term_ && step == step_) return true;
    for (const auto& [item, r] : runs_)
      withdraw(r);
    runs_.clear();
    queue_.clear();
    ended_.clear();
    // What a new coordinator leases of the same step is the same.
    if (step != step_) {
      saved_.clear();
      excluded_.clear();
      strays_.clear();
    }
    term_ = term;
    step_ = step;
    return true;
  }

  /// The router waits for a report about every call that is out.
  void withdraw(const lease_run& r) {
    if (r.now() == lease_run::state::calling)
      stages_[r.stage()].router->on_cancel(r.worker(), work_of(r.call().kind));
  }

  void on_lease(const wire::lease& m) {
    if (m.fault()) return;
    const auto lease = m.read();
    const auto when = wire::step_round_of(*lease);
    if (!enter(when.term, when.step)) {
      if (when.term < term_) return_all(*lease, when);
      return;
    }
    history_ = history_id{lease->getHistory()};
    coordinator_ = caf::actor_cast<wire::coordinator_inbox>(current_sender());
    excluded_.clear();
    for (const auto& x : lease->getExcluded())
      excluded_.insert(wire::from_wire(x));
    for (const auto& x : lease->getItems()) {
      lease_item item{x.getItem(), microbatch_id{x.getMicrobatch()}, x.getStages(), x.getWeight(),
                      wire::from_wire(x.getTarget())};
      if (x.getForShare()) item.share = share_in(x, options_.stages);
      const auto ended = ended_.find(item.item);
      if (ended != ended_.end()) {
        // The report was lost. To do it again would add it at whatever worker is picked now.
        send(coordinator_, lease_done_of(ended->second));
      } else if (!known(item.item)) {
        queue_.push_back({item, when.round});
      }
    }
    start_runs();
  }

  /// The sender has been replaced, or its term was chosen by somebody who knew of no higher one.
  void return_all(schemas::Lease::Reader lease, const wire::step_round& when) {
    if (!current_sender()) return;
    const auto sender = caf::actor_cast<wire::coordinator_inbox>(current_sender());
    for (const auto& x : lease.getItems())
      send(sender, lease_done_of({when, x.getItem(), microbatch_id{x.getMicrobatch()},
                                  lease_outcome::returned, 0, 0, 0, term_, weights_id{}}));
  }

  /// A lease that the coordinator has waited for too long comes again.
  bool known(uint32_t item) const {
    return runs_.count(item) != 0 ||
           std::any_of(queue_.begin(), queue_.end(),
                       [item](const auto& entry) { return entry.first.item == item; });
  }

  bool in_flight(microbatch_id id) const {
    return std::any_of(runs_.begin(), runs_.end(),
                       [&](const auto& entry) { return entry.second.item().microbatch == id; });
  }

  void start_runs() {
    while (runs_.size() < options_.in_flight && !queue_.empty()) {
      const auto [item, round] = queue_.front();
      queue_.pop_front();
      auto& saved = saved_.at(item.microbatch);
      if (saved.inputs.empty()) {
        saved.inputs.resize(static_cast<size_t>(options_.stages));
        saved.output_gradients.resize(static_cast<size_t>(options_.stages));
        saved.graph_holders.resize(static_cast<size_t>(options_.stages));
        std::tie(saved.inputs[0], saved.targets) =
            options_.source(step_.value(), item.microbatch.value());
      }
      const auto most = planted(planted_bug::retry_without_backoff)
                            ? std::numeric_limits<uint32_t>::max()
                            : attempts_max;
      runs_.emplace(item.item,
                    lease_run{item, round, plan_calls(item, options_.stages, saved), most});
      go_on(item.item);
    }
  }

  // -- one call -------------------------------------------------------------------------------

  /// Does what the run's state asks for.
  void go_on(uint32_t item) {
    const auto found = runs_.find(item);
    if (found == runs_.end()) return;
    auto& r = found->second;
    while (r.now() == lease_run::state::choosing) {
      const auto worker = choose(r);
      if (worker) {
        send_call(r, *worker);
      } else if (r.call().only && r.call().weight < 0) {
        r.skip();  // the target is gone: there is nothing to give up
      } else {
        r.nobody();
      }
    }
    if (r.now() == lease_run::state::resting) return rest(r);
    if (r.now() == lease_run::state::over) finish(item);
  }

  std::optional<worker_id> choose(const lease_run& r) {
    const auto& call = r.call();
    auto& stage = stages_[r.stage()];
    if (call.only) return stage.handles.count(*call.only) == 0 ? std::nullopt : call.only;
    auto without = r.avoid();
    without.insert(excluded_.begin(), excluded_.end());
    without.insert(strays_.strays().begin(), strays_.strays().end());
    if (call.kind == call_kind::backward) {
      const auto holder = saved_.at(r.item().microbatch).graph_holders[r.stage()];
      if (stage.handles.count(holder) != 0 && without.count(holder) == 0) return holder;
    }
    const auto pick = [&](const std::set<worker_id>& these) {
      return stage.router->pick(now_s(), work_of(call.kind), these, r.item().microbatch);
    };
    auto chosen = pick(without);
    if (!chosen && without.size() > r.avoid().size()) chosen = pick(r.avoid());
    // The whole stage rests after failures; there is nobody else, so ask them in turn all the same.
    if (!chosen && r.attempts() >= patience && r.avoid().empty() && !stage.handles.empty())
      chosen = std::next(stage.handles.begin(),
                         static_cast<std::ptrdiff_t>(r.attempts() % stage.handles.size()))
                   ->first;
    return chosen;
  }

  std::chrono::milliseconds limit_of(const lease_run& r, worker_id worker) const {
    const double limit_s = stages_[r.stage()].clock.limit_s(worker, work_of(r.call().kind));
    return std::chrono::milliseconds{static_cast<int64_t>(std::min(limit_s, 1e6) * 1'000)};
  }

  wire::ticket ticket_of(const lease_run& r, std::chrono::milliseconds limit = {}) const {
    wire::ticket ticket{
        term_,   step_, r.item().microbatch, r.round(), static_cast<uint32_t>(limit.count()),
        history_};
    if (const auto& share = r.item().share; share && r.call().weight > 0)
      ticket.share.emplace(share->member, share->share);
    return ticket;
  }

  void send_call(lease_run& r, worker_id worker) {
    auto& stage = stages_[r.stage()];
    const auto& call = r.call();
    const auto limit = (r.item().share ? share_patience : 1) * limit_of(r, worker);
    const auto ticket = ticket_of(r, limit);
    const auto& handle = stage.handles.at(worker);
    const auto& saved = saved_.at(r.item().microbatch);
    const auto& input = saved.inputs[r.stage()];
    const bool sum_only = saved.has_input_gradient(call.stage);
    stage.router->on_dispatch(worker, work_of(call.kind));
    r.sent(worker, ++serial_, now_s());
    switch (call.kind) {
      case call_kind::forward:
        return ask<wire::activation>(r, limit, handle, forward_of(ticket, input));
      case call_kind::loss:
        return ask<wire::loss_done>(r, limit, handle,
                                    loss_of(ticket, call.weight, sum_only, input, saved.targets));
      case call_kind::backward: {
        const bool has_graph = !r.sends_input() && worker == saved.graph_holders[r.stage()];
        return ask<wire::input_gradient>(
            r, limit, handle,
            backward_of(ticket, call.weight, sum_only, has_graph ? host_tensor{} : input,
                        saved.output_gradients[r.stage()]));
      }
    }
  }

  template <class Reply, class Request>
  void ask(const lease_run& r, std::chrono::milliseconds limit,
           const wire::stage_worker_actor& handle, Request message) {
    const auto item = r.item().item;
    request(handle, limit, std::move(message))
        .then(
            [this, item, serial = serial_](const Reply& reply) {
              auto* r = waiting(item, serial);
              if (r == nullptr) return;
              if (reply.fault() || !fits(reply, step_, r->item().microbatch) ||
                  !take(reply, *r, saved_.at(r->item().microbatch), options_.allow_virtual))
                return failed(*r, call_failure::refused);
              succeeded(*r);
            },
            [this, item, serial = serial_](caf::error& error) {
              if (auto* r = waiting(item, serial))
                failed(*r, failure_of(error, *r, step_, strays_));
            });
  }

  /// The run whose call this answers, or null when the answer is late.
  lease_run* waiting(uint32_t item, uint64_t serial) {
    const auto found = runs_.find(item);
    return found == runs_.end() || !found->second.waits_for(serial) ? nullptr : &found->second;
  }

  void succeeded(lease_run& r) {
    const auto call = r.call();
    auto& stage = stages_[r.stage()];
    const double took_s = now_s() - r.sent_s();
    stage.router->on_success(r.worker(), now_s(), took_s, work_of(call.kind));
    stage.clock.answered(r.worker(), took_s, work_of(call.kind));
    retries_.succeeded();
    // Its stage need not wait for the others.
    r.last_stage = call.weight > 0 ? uint64_t{1} << call.stage.value() : 0;
    if (call.weight > 0 && !r.is_last_call())
      send(coordinator_,
           progress_of(when(r), r.item().item, r.item().microbatch, r.last_stage, r.worker()));
    renew_leases();
    const auto item = r.item().item;
    r.answered();
    go_on(item);
  }

  /// Something has moved, so none of this trainer's leases is lost, those that wait included.
  void renew_leases() {
    if (now_s() < renewed_s_ + std::chrono::duration<double>(options_.renew_period).count()) return;
    renewed_s_ = now_s();
    for (const auto& [item, r] : runs_)
      send(coordinator_, progress_of(when(r), item, r.item().microbatch, 0));
    for (const auto& [item, round] : queue_)
      send(coordinator_, progress_of({term_, step_, round}, item.item, item.microbatch, 0));
  }

  wire::step_round when(const lease_run& r) const { return {term_, step_, r.round()}; }

  void failed(lease_run& r, call_failure why) {
    auto& stage = stages_[r.stage()];
    const double waited_s = now_s() - r.sent_s();
    const double work = work_of(r.call().kind);
    bool at_once = true;
    switch (why) {
      case call_failure::round_over:
      case call_failure::not_finite:
      case call_failure::no_graph:
        stage.router->on_cancel(r.worker(), work);
        break;
      case call_failure::gone:  // so is what the router knows of it
        break;
      case call_failure::timed_out:
        stage.router->on_timeout(r.worker(), now_s(), waited_s, work);
        stage.clock.timed_out(r.sent_s(), now_s());
        take_back(r);
        at_once = retries_.take();
        break;
      case call_failure::misfit:
      case call_failure::refused:
        stage.router->on_failure(r.worker(), now_s(), waited_s, work);
        break;
    }
    const auto item = r.item().item;
    r.failed(why, at_once);
    go_on(item);
  }

  /// What still waits there need not be done.
  void take_back(const lease_run& r) {
    const auto& handles = stages_[r.stage()].handles;
    const auto found = handles.find(r.worker());
    // In nobody's name: who does not know the message must not answer it with an error.
    if (found != handles.end()) caf::anon_send(found->second, cancel_of(ticket_of(r)));
  }

  /// Nobody of the stage can be asked now, or no call may be made again for the time being.
  void rest(lease_run& r) {
    // Each was given up, but there are no others.
    auto& router = *stages_[r.stage()].router;
    if (!router.next_retry_s(now_s()))
      for (worker_id id : router.peers())
        router.add_peer(id, now_s());
    r.rests(++serial_);
    if (planted(planted_bug::retry_without_backoff))
      return send(self(), retry_atom::value, r.item().item, serial_);
    auto wait = std::min<std::chrono::milliseconds>(
        options_.retry_min * (1 << std::min<uint32_t>(r.attempts(), 10)), options_.retry_max);
    // After a failure of its own: it waits for the budget as long as for an answer.
    if (!r.avoid().empty()) wait = std::max(wait, limit_of(r, r.worker()));
    delayed_send(self(), wait, retry_atom::value, r.item().item, serial_);
  }

  void on_retry(uint32_t item, uint64_t serial) {
    const auto found = runs_.find(item);
    if (found != runs_.end() && found->second.woken(serial)) go_on(item);
  }

  void finish(uint32_t item) {
    const auto r = runs_.at(item);
    runs_.erase(item);
    const auto microbatch = r.item().microbatch;
    const lease_report report{when(r),        item,         microbatch,   r.outcome(),
                              r.loss,         r.retries(),  r.recomputed, r.seen_term,
                              r.seen_weights, r.last_stage, r.worker()};
    // What was not done is tried anew when it comes again.
    if (r.outcome() == lease_outcome::done) ended_[item] = report;
    send(coordinator_, lease_done_of(report));
    // What is saved of it may be why it fails: the next attempt begins with the tokens.
    if (r.forget_saved() && !in_flight(microbatch)) saved_.forget(microbatch);
    saved_.trim([this](microbatch_id id) { return in_flight(id); });
    start_runs();
  }

  // -- who is there ---------------------------------------------------------------------------

  void on_roster(const wire::roster_update& update) {
    for (const auto& id : update.gone)
      forget(id);
    for (const auto& m : update.changed) {
      if (m.role != wire::member_role::stage_worker || m.stage.value() < 0 ||
          m.stage.value() >= options_.stages)
        continue;
      if (m.state != wire::member_state::serving) {
        forget(m.id);
        continue;
      }
      auto& stage = stages_[static_cast<size_t>(m.stage.value())];
      stage.router->add_peer(m.id, now_s());
      stage.handles[m.id] = caf::actor_cast<wire::stage_worker_actor>(m.handle);
    }
  }

  /// Calls that are out to it will not be answered.
  void forget(worker_id id) {
    for (auto& stage : stages_) {
      if (stage.handles.erase(id) == 0) continue;
      stage.router->remove_peer(id);
      stage.clock.forget(id);
    }
    std::vector<uint32_t> orphans;
    for (const auto& [item, r] : runs_)
      if (r.waits_for(id)) orphans.push_back(item);
    for (uint32_t item : orphans) {
      const auto found = runs_.find(item);
      if (found != runs_.end() && found->second.waits_for(id))
        failed(found->second, call_failure::gone);
    }
  }

  trainer_options options_;
  term_id term_{0};
  step_id step_{-1};
  history_id history_{0};  ///< of the weights that the step runs on
  wire::coordinator_inbox coordinator_;
  std::vector<stage_view> stages_;
  std::deque<std::pair<lease_item, round_id>> queue_;
  std::map<uint32_t, lease_run> runs_;
  std::map<uint32_t, lease_report> ended_;  ///< done in this step and term, should a report be lost
  std::set<worker_id> excluded_;            ///< what they are given does not count
  stray_watch strays_;
  saved_inputs saved_;
  retry_budget retries_;
  double renewed_s_ = 0;
  uint64_t serial_ = 0;
};

}  // namespace

trainer_actor spawn_trainer(caf::actor_system& system, trainer_options options) {
  return system.spawn<embodied<trainer>>(std::move(options));
}

}  // namespace swarm::training
