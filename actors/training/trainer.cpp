#include "actors/training/trainer.hpp"

#include <algorithm>
#include <caf/sec.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <cmath>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <tuple>
#include <vector>

#include "actors/call_work.hpp"
#include "actors/planted_bug.hpp"
#include "actors/training/calls.hpp"
#include "actors/training/microbatch_run.hpp"
#include "actors/wire/refusal.hpp"
#include "actors/wire/tensor.hpp"
#include "actors/wire/ticket.hpp"

namespace swarm::training {

namespace {

using tensors::host_tensor;
using retry_atom = caf::atom_constant<caf::atom("retry")>;

using full_actor = trainer_actor::extend<caf::reacts_to<retry_atom, uint32_t, uint64_t>>;

/// Waits in vain after which a run no longer minds that its stage's workers rest.
constexpr uint32_t patience = 3;

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

/// One lease under way.
struct run {
  lease_item item;
  wire::ticket ticket;
  std::deque<stage_call> calls;
  // The call that is out; a reply with another serial is late.
  uint64_t serial = 0;
  worker_id worker;
  double sent_at = 0;
  bool out = false;
  bool send_input = false;
  // Of the front call.
  uint32_t attempts = 0;
  std::set<worker_id> avoid;
  double loss = 0;  // these for the report
  uint32_t retries = 0;
  uint32_t recomputed = 0;
  term_id seen_term{0};
  step_id seen_version{0};
};

class trainer final : public full_actor::base {
 public:
  trainer(caf::actor_config& cfg, trainer_options options)
      : full_actor::base(cfg), options_(std::move(options)), saved_(options_.saved_bytes_max) {
    for (int32_t s = 0; s < options_.stages; ++s)
      routers_.push_back(wiring::make_policy(
          options_.policy, options_.routing_seed * 1'000'003 + static_cast<uint64_t>(s)));
    handles_.resize(static_cast<size_t>(options_.stages));
  }

  const char* name() const override { return "trainer"; }

  // A terminated actor lives on until nobody holds it, so whom it holds must go now.
  void on_exit() override {
    options_ = {};
    coordinator_ = wire::coordinator_inbox{};
    handles_.clear();
    runs_.clear();
  }

  behavior_type make_behavior() override {
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
  double now() { return std::chrono::duration<double>(clock().now().time_since_epoch()).count(); }

  // -- what to do -----------------------------------------------------------------------------

  void on_begin_step(const wire::begin_step& m) {
    if (m.fault()) return;
    const auto begin = m.read();
    enter(term_id{begin->getTerm()}, step_id{begin->getStep()});
  }

  /// Forgets everything of earlier steps. False: the sender is behind.
  bool enter(term_id term, step_id step) {
    if (term < term_ || (term == term_ && step < step_)) return false;
    if (term != term_ || step != step_) {
      for (const auto& [item, r] : runs_)
        cancel(r);
      runs_.clear();
      queue_.clear();
    }
    // What a new coordinator leases of the same step is the same.
    if (step != step_) saved_.clear();
    if (step != step_) excluded_.clear();
    term_ = term;
    step_ = step;
    return true;
  }

  /// The router waits for a report about every call that is out.
  void cancel(const run& r) {
    if (r.out) routers_[stage_of(r)]->on_cancel(r.worker, work_of(r.calls.front().kind));
  }

  void on_lease(const wire::lease& m) {
    if (m.fault()) return;
    const auto lease = m.read();
    const auto when = wire::epoch_of(*lease);
    if (!enter(when.term, when.step)) {
      if (when.term < term_) return_all(*lease, when);
      return;
    }
    coordinator_ = caf::actor_cast<wire::coordinator_inbox>(current_sender());
    excluded_.clear();
    for (const auto& x : lease->getExcluded())
      excluded_.insert(wire::from_wire(x));
    for (const auto& x : lease->getItems()) {
      lease_item item{x.getItem(), microbatch_id{x.getMicrobatch()}, x.getStages(), x.getWeight(),
                      wire::from_wire(x.getTarget())};
      if (!known(item.item)) queue_.push_back({item, when.round});
    }
    start_runs();
  }

  /// The sender has been replaced, or its term was chosen by somebody who knew of no higher one.
  void return_all(schemas::Lease::Reader lease, const wire::epoch& when) {
    if (!current_sender()) return;
    const auto sender = caf::actor_cast<wire::coordinator_inbox>(current_sender());
    for (const auto& x : lease.getItems())
      send(sender, lease_done_of({when, x.getItem(), microbatch_id{x.getMicrobatch()},
                                  lease_outcome::returned, 0, 0, 0, term_, step_id{0}}));
  }

  /// A lease that the coordinator has waited for too long comes again.
  bool known(uint32_t item) const {
    return runs_.count(item) != 0 ||
           std::any_of(queue_.begin(), queue_.end(),
                       [item](const auto& entry) { return entry.first.item == item; });
  }

  bool in_flight(microbatch_id id) const {
    return std::any_of(runs_.begin(), runs_.end(),
                       [&](const auto& entry) { return entry.second.item.microbatch == id; });
  }

  void start_runs() {
    while (runs_.size() < options_.in_flight && !queue_.empty()) {
      const auto [item, round] = queue_.front();
      queue_.pop_front();
      run& r = runs_[item.item];
      r.item = item;
      r.ticket = {term_, step_, item.microbatch, round};
      auto& saved = saved_.at(item.microbatch);
      if (saved.inputs.empty()) {
        saved.inputs.resize(static_cast<size_t>(options_.stages));
        saved.output_gradients.resize(static_cast<size_t>(options_.stages));
        saved.graph_holders.resize(static_cast<size_t>(options_.stages));
        std::tie(saved.inputs[0], saved.targets) =
            options_.source(step_.value(), item.microbatch.value());
      }
      r.calls = plan_calls(item, options_.stages, saved);
      advance(item.item);
    }
  }

  // -- one call -------------------------------------------------------------------------------

  /// Makes the next call of a run, or finishes it.
  void advance(uint32_t item) {
    const auto found = runs_.find(item);
    if (found == runs_.end()) return;
    run& r = found->second;
    if (r.calls.empty()) return finish(item, lease_outcome::done);
    const stage_call& call = r.calls.front();
    const auto worker = choose(r, call);
    if (call.only && !worker) {  // the target is gone: there is nothing to give up
      r.calls.pop_front();
      return advance(item);
    }
    if (!worker) return retry_later(item);
    const auto stage = static_cast<size_t>(call.stage.value());
    r.serial = ++serial_;
    r.worker = *worker;
    r.sent_at = now();
    r.out = true;
    routers_[stage]->on_dispatch(*worker, work_of(call.kind));
    send_call(r, call, handles_[stage].at(*worker));
  }

  std::optional<worker_id> choose(const run& r, const stage_call& call) {
    const auto stage = static_cast<size_t>(call.stage.value());
    const auto& handles = handles_[stage];
    if (call.only) {
      if (handles.count(*call.only) == 0) return std::nullopt;
      return call.only;
    }
    if (call.kind == call_kind::backward) {
      const auto holder = saved_.at(r.item.microbatch).graph_holders[stage];
      if (handles.count(holder) != 0 && r.avoid.count(holder) == 0 && excluded_.count(holder) == 0)
        return holder;
    }
    const auto pick = [&](const std::set<worker_id>& without) {
      return routers_[stage]->pick(now(), work_of(call.kind), without, r.item.microbatch);
    };
    auto without = r.avoid;
    without.insert(excluded_.begin(), excluded_.end());
    auto chosen = pick(without);
    if (!chosen && !excluded_.empty()) chosen = pick(r.avoid);
    // The whole stage rests after failures; there is nobody else, so ask them in turn all the same.
    if (!chosen && r.attempts >= patience && r.avoid.empty() && !handles.empty())
      chosen = std::next(handles.begin(), static_cast<std::ptrdiff_t>(r.attempts % handles.size()))
                   ->first;
    return chosen;
  }

  void send_call(run& r, const stage_call& call, const wire::stage_worker_actor& handle) {
    const auto stage = static_cast<size_t>(call.stage.value());
    auto& saved = saved_.at(r.item.microbatch);
    switch (call.kind) {
      case call_kind::forward:
        return ask<wire::activation>(r, handle, forward_of(r.ticket, saved.inputs[stage]));
      case call_kind::loss:
        return ask<wire::loss_done>(
            r, handle, loss_of(r.ticket, call.weight, saved.inputs[stage], saved.targets));
      case call_kind::backward: {
        const bool has_graph = !r.send_input && r.worker == saved.graph_holders[stage];
        return ask<wire::input_gradient>(
            r, handle,
            backward_of(r.ticket, call.weight, has_graph ? host_tensor{} : saved.inputs[stage],
                        saved.output_gradients[stage]));
      }
    }
  }

  template <class Reply, class Request>
  void ask(const run& r, const wire::stage_worker_actor& handle, Request message) {
    const auto item = r.item.item;
    const auto serial = r.serial;
    request(handle, options_.call_timeout, std::move(message))
        .then(
            [this, item, serial](const Reply& reply) {
              if (run* r = answered(item, serial)) {
                if (reply.fault() || !fits(*r, reply) || !take(*r, reply))
                  return failed(item, nullptr);
                succeeded(item);
              }
            },
            [this, item, serial](caf::error& error) {
              if (answered(item, serial) != nullptr) failed(item, &error);
            });
  }

  /// The run whose call this answers, or null when the answer is late.
  run* answered(uint32_t item, uint64_t serial) {
    const auto found = runs_.find(item);
    if (found == runs_.end() || found->second.serial != serial || !found->second.out)
      return nullptr;
    found->second.out = false;
    return &found->second;
  }

  static size_t stage_of(const run& r) {
    return static_cast<size_t>(r.calls.front().stage.value());
  }

  template <class Reply>
  static bool fits(const run& r, const Reply& reply) {
    const auto ticket = wire::from_wire(reply.read()->getTicket());
    return ticket.step == r.ticket.step && ticket.microbatch == r.ticket.microbatch;
  }

  /// A boundary tensor is kept for every later call, so nothing but a tensor may take its place.
  bool keep(schemas::Tensor::Reader source, const wire::frame_ptr& owner, host_tensor& out) const {
    host_tensor value;
    if (!wire::extract_into(source, owner, value, options_.allow_virtual) || value.empty())
      return false;
    out = std::move(value);
    return true;
  }

  bool take(run& r, const wire::activation& reply) {
    auto& saved = saved_.at(r.item.microbatch);
    saved.graph_holders[stage_of(r)] = r.worker;
    return keep(reply.read()->getOutput(), reply.bytes(), saved.inputs[stage_of(r) + 1]);
  }

  bool take(run& r, const wire::loss_done& reply) {
    r.loss = reply.read()->getLoss();
    if (!std::isfinite(r.loss)) return false;
    return stage_of(r) == 0 || keep(reply.read()->getInputGradient(), reply.bytes(),
                                    saved_.at(r.item.microbatch).output_gradients[stage_of(r) - 1]);
  }

  bool take(run& r, const wire::input_gradient& reply) {
    if (reply.read()->getRecomputed()) ++r.recomputed;
    return stage_of(r) == 0 || keep(reply.read()->getGradient(), reply.bytes(),
                                    saved_.at(r.item.microbatch).output_gradients[stage_of(r) - 1]);
  }

  void succeeded(uint32_t item) {
    run& r = runs_.at(item);
    const stage_call call = r.calls.front();
    routers_[stage_of(r)]->on_success(r.worker, now(), now() - r.sent_at, work_of(call.kind));
    r.calls.pop_front();
    r.attempts = 0;
    r.avoid.clear();
    r.send_input = false;
    // Its stage need not wait for the others.
    if (call.weight > 0 && !r.calls.empty())
      send(coordinator_, progress_of({r.ticket.term, r.ticket.step, r.ticket.round}, item,
                                     r.item.microbatch, uint64_t{1} << call.stage.value()));
    advance(item);
  }

  void failed(uint32_t item, const caf::error* error) {
    run& r = runs_.at(item);
    const auto reason = error != nullptr ? wire::refusal_reason(*error) : std::nullopt;
    if (reason) {
      note(r, *error);
      switch (*reason) {
        case schemas::Refusal::Reason::LOWER_TERM:
        case schemas::Refusal::Reason::AHEAD:
        case schemas::Refusal::Reason::FROZEN:
        case schemas::Refusal::Reason::WRONG_ROUND:
          // This round is over; whatever is still missing will be leased again.
          routers_[stage_of(r)]->on_cancel(r.worker, work_of(r.calls.front().kind));
          return finish(item, lease_outcome::returned);
        case schemas::Refusal::Reason::NON_FINITE:
          routers_[stage_of(r)]->on_cancel(r.worker, work_of(r.calls.front().kind));
          return give_back(item, lease_outcome::non_finite);
        case schemas::Refusal::Reason::ACTIVATION_MISSING:
          if (!r.send_input) {
            routers_[stage_of(r)]->on_cancel(r.worker, work_of(r.calls.front().kind));
            r.send_input = true;
            return advance(item);
          }
          break;
        default:
          break;
      }
    }
    const double waited = now() - r.sent_at;
    const double work = work_of(r.calls.front().kind);
    if (error != nullptr && *error == caf::sec::request_timeout) {
      routers_[stage_of(r)]->on_timeout(r.worker, now(), waited, work);
    } else {
      routers_[stage_of(r)]->on_failure(r.worker, now(), waited, work);
    }
    again(item);
  }

  void again(uint32_t item) {
    run& r = runs_.at(item);
    ++r.retries;
    r.avoid.insert(r.worker);
    // There is nobody else to ask.
    if (r.calls.front().only) return retry_later(item);
    if (++r.attempts >= attempts_max) return give_back(item);
    advance(item);
  }

  /// Nobody of the stage can be asked now: everybody was tried, or nobody is there.
  void retry_later(uint32_t item) {
    run& r = runs_.at(item);
    r.avoid.clear();
    if (++r.attempts >= attempts_max && !planted(planted_bug::retry_without_backoff))
      return give_back(item);
    // Each was given up, but there are no others.
    auto& router = *routers_[stage_of(r)];
    if (!router.next_retry_s(now()))
      for (worker_id id : router.peers())
        router.add_peer(id, now());
    const auto wait = options_.retry_min * (1 << std::min<uint32_t>(r.attempts, 10));
    r.serial = ++serial_;
    if (planted(planted_bug::retry_without_backoff))
      return send(this, retry_atom::value, item, r.serial);
    delayed_send(this, std::min<std::chrono::milliseconds>(wait, options_.retry_max),
                 retry_atom::value, item, r.serial);
  }

  void on_retry(uint32_t item, uint64_t serial) {
    const auto found = runs_.find(item);
    if (found != runs_.end() && found->second.serial == serial && !found->second.out) advance(item);
  }

  /// For the coordinator, which may have been replaced or overtaken.
  static void note(run& r, const caf::error& error) {
    const auto refusal = wire::refusal_of(error);
    if (!refusal || refusal->fault()) return;
    const auto body = refusal->read();
    r.seen_term = std::max(r.seen_term, term_id{body->getTerm()});
    r.seen_version = std::max(r.seen_version, step_id{body->getVersion()});
  }

  /// What is saved of it may be why it fails: the next attempt begins with the tokens.
  void give_back(uint32_t item, lease_outcome outcome = lease_outcome::returned) {
    const auto microbatch = runs_.at(item).item.microbatch;
    finish(item, outcome);
    if (!in_flight(microbatch)) saved_.forget(microbatch);
  }

  void finish(uint32_t item, lease_outcome outcome) {
    const run r = runs_.at(item);
    runs_.erase(item);
    send(coordinator_, lease_done_of({{r.ticket.term, r.ticket.step, r.ticket.round},
                                      item,
                                      r.item.microbatch,
                                      outcome,
                                      r.loss,
                                      r.retries,
                                      r.recomputed,
                                      r.seen_term,
                                      r.seen_version}));
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
      const auto stage = static_cast<size_t>(m.stage.value());
      routers_[stage]->add_peer(m.id, now());
      handles_[stage][m.id] = caf::actor_cast<wire::stage_worker_actor>(m.handle);
    }
  }

  /// Calls that are out to it will not be answered.
  void forget(worker_id id) {
    for (size_t s = 0; s < handles_.size(); ++s) {
      if (handles_[s].erase(id) != 0) routers_[s]->remove_peer(id);
    }
    std::vector<uint32_t> orphans;
    for (const auto& [item, r] : runs_)
      if (r.out && r.worker == id) orphans.push_back(item);
    for (uint32_t item : orphans) {
      const auto found = runs_.find(item);
      if (found == runs_.end()) continue;
      found->second.out = false;
      again(item);
    }
  }

  trainer_options options_;
  term_id term_{0};
  step_id step_{-1};
  wire::coordinator_inbox coordinator_;
  std::vector<std::unique_ptr<wiring::routing_policy>> routers_;
  std::vector<std::map<worker_id, wire::stage_worker_actor>> handles_;
  std::deque<std::pair<lease_item, round_id>> queue_;
  std::map<uint32_t, run> runs_;
  std::set<worker_id> excluded_;  ///< what they are given does not count
  saved_inputs saved_;
  uint64_t serial_ = 0;
};

}  // namespace

trainer_actor spawn_trainer(caf::actor_system& system, trainer_options options) {
  return system.spawn<trainer>(std::move(options));
}

}  // namespace swarm::training
