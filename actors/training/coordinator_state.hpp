#pragma once

#include <caf/sec.hpp>
#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "actors/actor_body.hpp"
#include "actors/rebalancing/move_arbiter.hpp"
#include "actors/telemetry/event.hpp"
#include "actors/training/coordinator.hpp"
#include "actors/training/copies.hpp"
#include "actors/training/crew.hpp"
#include "actors/training/disks.hpp"
#include "actors/training/divergence.hpp"
#include "actors/training/election.hpp"
#include "actors/training/loss_inquiry.hpp"
#include "actors/training/office.hpp"
#include "actors/training/reduce_watch.hpp"
#include "actors/training/replica_hashes.hpp"
#include "actors/training/rescue.hpp"
#include "actors/training/restore_watch.hpp"
#include "actors/training/step_ledger.hpp"
#include "actors/training/stuck_clock.hpp"
#include "actors/training/succession.hpp"
#include "actors/training/vote_count.hpp"
#include "actors/wire/errc.hpp"
#include "actors/wire/ticket.hpp"

/// The coordinator's class, in five files: coordinator.cpp has its life, coordinator_office.cpp how
/// it comes to lead and takes over, coordinator_step.cpp one step, coordinator_reduce.cpp the
/// all-reduces in it, coordinator_rescue.cpp what it does about an empty stage. What it is busy
/// with, and whom it waits for, `office` knows.
namespace swarm::training {

using gather_atom = caf::atom_constant<caf::atom("gather")>;
using lease_atom = caf::atom_constant<caf::atom("lease")>;
using tick_atom = caf::atom_constant<caf::atom("tick")>;
using copies_atom = caf::atom_constant<caf::atom("copies")>;
using restore_atom = caf::atom_constant<caf::atom("restore")>;
using retake_atom = caf::atom_constant<caf::atom("retake")>;

/// Until it is first asked whether copies have arrived.
inline constexpr std::chrono::milliseconds backup_first_pause{20};

using full_coordinator =
    coordinator_actor::extend<caf::reacts_to<gather_atom, uint64_t>, caf::reacts_to<lease_atom>,
                              caf::reacts_to<tick_atom>, caf::reacts_to<retake_atom, uint64_t>,
                              caf::reacts_to<restore_atom, worker_id, uint64_t>,
                              caf::reacts_to<copies_atom, int64_t, int64_t>>;

class coordinator final : public actor_body<full_coordinator::base> {
 public:
  static constexpr const char* name = "coordinator";

  coordinator(pointer self, coordinator_options options);
  /// Answers who still waits.
  ~coordinator();

  behavior_type make_behavior();

 private:
  struct waiting_caller {
    step_id target;
    caf::typed_response_promise<int64_t> reply;
  };

  void report(const char* what, std::vector<telemetry::field> fields);
  void report_worker(const char* what, worker_id id);
  /// Once, until the worker has a part in a step again.
  void report_dropped(worker_id id, stage_id stage, const std::string& why);
  weights_id weights() const { return {history_, version_}; }
  /// What leases and the beginning of a step carry.
  wire::step_round leased_in() const { return leased_in(ledger_->round()); }
  wire::step_round leased_in(round_id round) const { return {election_.term(), version_, round}; }

  // -- who is there ---------------------------------------------------------------------------

  void announce();
  void on_roster(const wire::roster_update& update);
  void on_candidate(const wire::member& m);
  void forget(worker_id id);
  void on_tick();
  caf::result<int64_t> on_advance(step_id target);
  void answer_callers();

  // -- office ---------------------------------------------------------------------------------

  void decide();
  void beat();
  void on_beat(const wire::beat& m);
  void ask_votes();
  void count_votes();
  /// A term of its own that no order of an earlier one is obeyed beside.
  void take_term();
  void stand_down();
  /// The step under way, and whoever its orders still wait for.
  void drop_step();
  /// An answer has come, or never will; goes on when it was the last one.
  void settled(worker_id id, uint64_t generation);
  void go_on_if_settled();
  void patience_over(uint64_t generation);

  /// A worker has shown a higher term, or weights that this coordinator knows nothing of.
  void overtaken(term_id term, weights_id weights);
  void overtaken(const caf::error& why);
  void take_over();
  void ask_position(worker_id id);
  void succeed();
  void begin(const succession& plan);
  void finish(const succession& plan, weights_id from, double scale);
  void adopt_commit(const succession& plan);
  void retake_later();

  // -- rescue ---------------------------------------------------------------------------------

  /// The stages that are not `unready` can go on. True when one of the others could not for long
  /// enough; then the rescue has begun.
  bool rescue_if_due(const std::set<stage_id>& unready);
  /// Whether others do not see the stage either; asks them if need be.
  loss_inquiry::verdict inquire(stage_id stage);
  bool begin_rescue(stage_id stage);
  /// Asks who has the copies under way, again and again with growing pauses.
  void ask_backups(step_id version, std::chrono::milliseconds pause);
  void check_copies();
  void copies_settled(const char* what, step_id version);
  void take_inventory();
  /// Goes on when all who were sent to other stages are there.
  void look_for_moved();
  std::map<worker_id, stage_id> places() const;
  void read_inventory(worker_id id, const wire::inventory& m, inventory_map& into) const;
  void carry_out_rescue();
  caf::result<wire::move_answer> on_move_request(const wire::move_request& m);
  void answer_movers();
  void tell_arbiter(const wire::member& m);
  void move(const struct rescue& plan);
  void restore(const struct rescue& plan);
  void send_restore(worker_id id, uint64_t generation);
  bool is_restoring(worker_id id, const caf::error& error);
  /// Sends an order until it is answered, within its time-out; then `done` with the answer or the
  /// error. Nothing more is sent once `wanted` is false or the worker is gone.
  template <class Reply, class Order, class Wanted, class Done>
  void ask(worker_id id, const Order& order, std::chrono::milliseconds timeout, Wanted wanted,
           Done done, uint32_t calls_left = calls_max) {
    const auto* who = crew_.find(id);
    if (who == nullptr) return;
    request(who->handle, timeout / calls_max, order)
        .then(
            [=](const Reply& reply) mutable {
              if (!reply.fault() || !may_ask_again(id, wanted, calls_left))
                return done(&reply, nullptr);
              ask<Reply>(id, order, timeout, wanted, done, calls_left - 1);
            },
            [=](caf::error& error) mutable {
              if (!was_lost(error) || !may_ask_again(id, wanted, calls_left))
                return done(nullptr, &error);
              ask<Reply>(id, order, timeout, wanted, done, calls_left - 1);
            });
  }

  template <class Wanted>
  bool may_ask_again(worker_id id, Wanted& wanted, uint32_t calls_left) const {
    return calls_left > 1 && wanted() && crew_.find(id) != nullptr;
  }

  /// On the way there or back, or damaged there.
  static bool was_lost(const caf::error& error) {
    return error == caf::sec::request_timeout || wire::is_damage(error);
  }

  // -- one step -------------------------------------------------------------------------------

  void begin_step(step_ledger::beginning how);
  /// Of a new run, whose workers are still coming.
  bool settling();
  void progress();
  void lease_out();
  void on_lease_done(const wire::lease_done& m);
  void pause(worker_id trainer);
  bool is_paused(worker_id trainer);

  /// What orders to a stage's workers carry; of a later gather it is another.
  struct stage_order {
    stage_id stage;
    wire::step_round when;
  };
  stage_order order_to(stage_id stage) const;
  bool is_current(const stage_order& order) const;
  template <class Reply>
  static bool is_from(worker_id id, const wire::step_round& when, const Reply& m) {
    if (m.fault()) return false;
    const auto body = m.read();
    return wire::from_wire(body->getWorker()) == id && step_id{body->getStep()} == when.step &&
           round_id{body->getRound()} == when.round;
  }
  void gather(stage_id stage);
  void ask_holding(worker_id id, const stage_order& to);
  /// It has come while the others of its stage are asked what they hold: it is one of them.
  void gather_too(const wire::member& m);
  void reduce_too(const wire::member& m);
  void on_holding(worker_id id, const stage_order& to, const wire::holding& m);
  void lost(worker_id id, const stage_order& to, const caf::error* why = nullptr);
  void leave_out(worker_id id, const caf::error* why);
  void reconcile(stage_id stage);
  void drop(const stage_order& closed);

  // -- the all-reduce of a stage --------------------------------------------------------------

  struct reducing {
    stage_order to;
    std::vector<worker_id> followers;  ///< further ones come behind them
    std::set<worker_id> serving;       ///< of `followers`: have the order as serving ones
    uint32_t joins = 0;                ///< revisions for their sake
    size_t lost = 0;                   ///< has been said of so many members
    uint32_t revision = 0;             ///< of `order`
    wire::reduce order;
    std::map<worker_id, wire::reduce> helper_orders;  ///< the same, with what they compute
    std::map<worker_id, uint64_t> polls;              ///< the last one sent to each member
    std::map<worker_id, uint32_t> unheard;            ///< polls in a row without an answer
  };
  void reduce(stage_id stage);
  /// Tells the members of losses that they have not heard of.
  void revise(stage_id stage);
  void order_reduce(stage_id stage);
  void order_follower(worker_id id, const reducing& all);
  void poll_reduce(stage_id stage, worker_id id);
  void on_reduced(stage_id stage, worker_id id, uint64_t serial, const wire::reduced& m);
  void on_reduce_error(stage_id stage, worker_id id, uint64_t serial, const caf::error& error);
  /// It has no part in this all-reduce any more; `failed`: for a reason that is no death.
  void leave_reduce(worker_id id, const stage_order& to, bool failed, const caf::error* why);
  void reduce_failed(worker_id id, const stage_order& to);
  void watch_reduces();
  std::chrono::milliseconds reduce_hold() const;
  void commit();
  void send_commit(worker_id id);
  bool has_refused_commit(worker_id id, step_id stands) const;
  void on_committed(worker_id id, step_id version, const wire::committed& m);
  void diverged(worker_id id);
  void compare_hashes();
  /// The sums of the step under way are those of a run that still trains; if not, it ends here.
  bool still_trains(double norm_squared);
  void end_diverged();
  void report_step(double norm_squared);
  void report_disks();

  coordinator_options options_;
  election election_;
  crew crew_;
  divergence divergence_;
  step_id version_;
  history_id history_{0};  ///< (history, version) names the weights that the run stands at
  step_id target_;
  double last_came_ = 0;  ///< of the workers
  bool ran_ = false;      ///< it has known the run under way, and not only what is left of it
  std::unique_ptr<step_ledger> ledger_;
  std::vector<waiting_caller> callers_;
  office office_;
  vote_count votes_;
  bool knew_workers_ = false;
  std::map<worker_id, wire::coordinator_inbox> candidates_;
  std::map<worker_id, position> positions_;  ///< of the take-over under way
  step_id announced_version_{-1};
  term_id announced_term_{0};
  term_id followed_term_{0};  ///< of the leader whose version this candidate goes by
  // Of a rescue.
  stuck_clock stuck_;
  std::optional<loss_inquiry> inquiry_;
  std::optional<stage_id> lost_stage_;
  std::string told_;                                   ///< of what is missing
  std::map<worker_id, wire::restore> restore_orders_;  ///< of the rescue under way
  restore_watch restoring_;
  std::optional<weights_id> went_back_to_;  ///< of which every stage had a copy
  std::set<worker_id> unrestored_before_;   ///< they were given up at the last Restore
  std::map<peer_id, stage_id> moving_;
  inventory_map inventories_;
  copies copies_;
  disks disks_;
  inventory_map backups_;  ///< what replicators have said of the copies under way
  // Of those who want to serve another stage; answered between two steps.
  struct waiting_mover {
    rebalancing::move wish;
    caf::typed_response_promise<wire::move_answer> reply;
  };
  std::optional<rebalancing::move_arbiter> arbiter_;
  rebalancing::seconds leads_since_{0};
  std::vector<waiting_mover> movers_;
  // Of the step under way.
  worker_id last_leased_;
  double started_ = 0;
  int64_t retries_ = 0;
  int64_t recomputed_ = 0;
  std::map<stage_id, uint32_t> failed_reduces_;  ///< other than by a death
  /// An all-reduce under way.
  std::map<stage_id, reducing> reducing_;
  std::map<stage_id, reduce_watch> watches_;
  uint64_t polls_ = 0;
  std::map<stage_id, uint64_t> gather_later_;  ///< which delayed gather is waited for
  uint64_t gathers_later_ = 0;
  std::map<worker_id, double> paused_until_;  ///< trainers that gave one back, whatever the step
  std::set<worker_id> excluded_;              ///< what they hold does not count in this step
  std::set<worker_id> dropped_;               ///< it has been said of them
  // Of the last step.
  std::set<worker_id> uncommitted_;
  /// Who has refused the last commit, and where it stood.
  std::map<worker_id, step_id> refused_commit_;
  std::set<worker_id> owed_;  ///< silent so far: told again from time to time
  std::map<stage_id, wire::commit> last_orders_;
  replica_hashes hashes_;
};

}  // namespace swarm::training
