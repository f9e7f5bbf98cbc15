#pragma once

#include <caf/all.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "actors/averaging/averager.hpp"
#include "actors/peer/directory.hpp"
#include "actors/stage/stage_worker.hpp"
#include "actors/wire/refusal.hpp"
#include "actors/wire/tensor.hpp"
#include "actors/wire/ticket.hpp"
#include "tests/actors/toy_engine.hpp"

namespace swarm::testing {

struct virtual_time : caf::actor_system_config {
  virtual_time() { set("scheduler.policy", caf::atom("testing")); }
};

/// What became of one request.
template <class Reply>
struct outcome {
  std::optional<Reply> value;
  caf::error error;
  bool failed = false;

  bool answered() const { return value || failed; }
  /// -1 when the answer is no refusal.
  int refusal() const {
    const auto reason = wire::refusal_reason(error);
    return failed && reason ? static_cast<int>(*reason) : -1;
  }
};

/// Of an outcome, in Boost tests.
#define CHECK_REFUSED(reply, why) BOOST_TEST((reply).refusal() == static_cast<int>(why))

/// One worker with its own averager and compute actor.
struct crew {
  wire::stage_worker_actor worker;
  stage::compute_actor compute;
  wire::averager_actor averager;
};

using engine_factory = std::function<std::unique_ptr<tensors::stage_engine>()>;

/// Stage workers of stage 0 on toy engines, under virtual time and one thread. The destructor ends
/// everything and returns only when nothing is left.
class worker_rig {
 public:
  explicit worker_rig(int64_t microbatches = 4)
      : microbatches_(microbatches),
        system_(config_),
        scheduler_(dynamic_cast<caf::scheduler::test_coordinator&>(system_.scheduler())),
        directory_(peer::spawn_directory(system_)) {}

  ~worker_rig() {
    for (const auto& who : everybody_)
      caf::anon_send_exit(caf::actor_cast<caf::actor>(who), caf::exit_reason::kill);
    caf::anon_send_exit(directory_, caf::exit_reason::kill);
    scheduler_.run();
  }

  worker_rig(const worker_rig&) = delete;
  worker_rig& operator=(const worker_rig&) = delete;

  caf::actor_system& system() { return system_; }
  caf::scheduler::test_coordinator& scheduler() { return scheduler_; }
  const wire::directory_actor& directory() const { return directory_; }

  engine_factory whole_model() const {
    return [n = microbatches_] { return make_toy_engine(true, true, n); };
  }
  engine_factory middle_stage() const {
    return [n = microbatches_] { return make_toy_engine(false, false, n); };
  }

  /// `adjust` may change what is usual.
  crew spawn(uint64_t peer, stage::start_mode start, engine_factory engine,
             const std::function<void(stage::stage_worker_options&)>& adjust = {}) {
    const worker_id id{peer_id{peer}, incarnation_id{1}};
    crew made;
    stage::compute_options compute;
    compute.make_engine = std::move(engine);
    compute.detached = false;
    made.compute = stage::spawn_compute(system_, compute);
    averaging::averager_options averager;
    averager.id = id;
    averager.directory = directory_;
    made.averager = averaging::spawn_averager(system_, averager);
    stage::stage_worker_options options;
    options.id = id;
    options.start = start;
    options.compute = made.compute;
    options.averager = made.averager;
    options.directory = directory_;
    if (adjust) adjust(options);
    made.worker = stage::spawn_stage_worker(system_, options);
    for (const auto& who :
         {caf::actor_cast<caf::actor>(made.worker), caf::actor_cast<caf::actor>(made.compute),
          caf::actor_cast<caf::actor>(made.averager)})
      own(who);
    return made;
  }

  /// To be ended by the destructor.
  void own(const caf::actor& who) { everybody_.push_back(caf::actor_cast<caf::actor_addr>(who)); }

  template <class Reply, class Handle, class Request>
  std::shared_ptr<outcome<Reply>> ask(const Handle& whom, const Request& request) {
    auto out = std::make_shared<outcome<Reply>>();
    const auto client = system_.spawn([=](caf::event_based_actor* self) {
      self->request(whom, caf::infinite, request)
          .then([out](const Reply& reply) { out->value = reply; },
                [out](const caf::error& error) {
                  out->error = error;
                  out->failed = true;
                });
    });
    own(client);
    return out;
  }

  /// Asks, and lets everything that is runnable run.
  template <class Reply, class Request>
  outcome<Reply> call(const crew& whom, const Request& request) {
    auto out = ask<Reply>(whom.worker, request);
    run();
    return *out;
  }

  void run() { scheduler_.run(); }

  void pass(std::chrono::milliseconds time) {
    scheduler_.run();
    scheduler_.advance_time(time);
    scheduler_.run();
  }

  /// Runs everybody but `whom`, as if it were slow.
  template <class Handle>
  void run_without(const Handle& whom) {
    auto* held = dynamic_cast<caf::resumable*>(caf::actor_cast<caf::abstract_actor*>(whom));
    scheduler_.run_jobs_filtered([held](caf::resumable* job) { return job != held; });
  }

  template <class Handle>
  void kill(const Handle& whom) {
    caf::anon_send_exit(whom, caf::exit_reason::kill);
    run();
  }

  void kill(const crew& whom) {
    kill(whom.worker);
    kill(whom.compute);
    kill(whom.averager);
  }

 private:
  int64_t microbatches_;
  virtual_time config_;
  caf::actor_system system_;
  caf::scheduler::test_coordinator& scheduler_;
  wire::directory_actor directory_;
  std::vector<caf::actor_addr> everybody_;
};

// -- messages -------------------------------------------------------------------------------------

/// Where a request belongs: (step, round, term).
struct when {
  int64_t step = 0;
  uint32_t round = 1;
  uint64_t term = 1;
};

inline wire::ticket ticket_of(const when& w, int64_t index) {
  return {term_id{w.term}, step_id{w.step}, microbatch_id{index}, round_id{w.round}};
}

inline wire::forward forward_of(const when& w, int64_t index, const tensors::host_tensor& input) {
  wire::builder<schemas::Forward> message;
  wire::to_wire(ticket_of(w, index), message->initTicket());
  wire::attach(message, message->initInput(), input);
  return message.finish();
}

inline wire::backward backward_of(const when& w, int64_t index, const tensors::host_tensor& input,
                                  const tensors::host_tensor& gradient, int weight = 1,
                                  bool sum_only = false) {
  wire::builder<schemas::Backward> message;
  wire::to_wire(ticket_of(w, index), message->initTicket());
  wire::attach(message, message->initInput(), input);
  wire::attach(message, message->initOutputGradient(), gradient);
  message->setWeight(static_cast<int8_t>(weight));
  message->setSumOnly(sum_only);
  return message.finish();
}

inline wire::loss loss_of(const when& w, int64_t index, int weight = 1) {
  const auto [input, targets] = toy_microbatch(w.step, index);
  wire::builder<schemas::Loss> message;
  wire::to_wire(ticket_of(w, index), message->initTicket());
  wire::attach(message, message->initInput(), input);
  wire::attach(message, message->initTargets(), targets);
  message->setWeight(static_cast<int8_t>(weight));
  return message.finish();
}

/// Gather, Drop, or Commit with scale 1.
template <class Schema>
wire::message<Schema> order_of(const when& w) {
  wire::builder<Schema> message;
  wire::set_step_round(*message, {term_id{w.term}, step_id{w.step}, round_id{w.round}});
  if constexpr (std::is_same_v<Schema, schemas::Commit>) {
    message->setReducedTerm(w.term);
    message->setScale(1);
  }
  return message.finish();
}

inline wire::gather gather_of(const when& w) {
  return order_of<schemas::Gather>(w);
}
inline wire::drop drop_of(const when& w) {
  return order_of<schemas::Drop>(w);
}
inline wire::commit commit_of(const when& w) {
  return order_of<schemas::Commit>(w);
}

/// In the name of `term`, of the sum that was reduced at `w`.
inline wire::commit commit_of(uint64_t term, const when& w, double scale = 1, uint32_t counted = 0,
                              bool keep = false) {
  wire::builder<schemas::Commit> message;
  wire::set_step_round(*message, {term_id{term}, step_id{w.step}, round_id{w.round}});
  message->setReducedTerm(w.term);
  message->setScale(scale);
  message->setCounted(counted);
  message->setKeep(keep);
  return message.finish();
}

inline wire::take_over take_over_of(uint64_t term) {
  wire::builder<schemas::TakeOver> message;
  message->setTerm(term);
  return message.finish();
}

/// `holders`: peers whose replicators have a copy.
inline wire::restore restore_of(uint64_t term, int64_t version,
                                const std::vector<uint64_t>& holders = {}) {
  wire::builder<schemas::Restore> message;
  message->setTerm(term);
  message->setVersion(version);
  auto list = message->initHolders(static_cast<unsigned>(holders.size()));
  for (unsigned i = 0; i < list.size(); ++i)
    wire::to_wire(worker_id{peer_id{holders[i]}, incarnation_id{1}}, list[i]);
  return message.finish();
}

inline wire::reduce reduce_of(const when& w, const std::vector<uint64_t>& peers,
                              const std::vector<uint64_t>& followers = {}, uint32_t counted = 0,
                              uint32_t revision = 0) {
  wire::builder<schemas::Reduce> message;
  wire::set_step_round(*message, {term_id{w.term}, step_id{w.step}, round_id{w.round}});
  message->setCounted(counted);
  message->setRevision(revision);
  auto members = message->initMembers(static_cast<unsigned>(peers.size() + followers.size()));
  for (unsigned i = 0; i < members.size(); ++i) {
    const bool contributes = i < peers.size();
    const auto peer = contributes ? peers[i] : followers[i - peers.size()];
    wire::to_wire(worker_id{peer_id{peer}, incarnation_id{1}}, members[i].initWorker());
    members[i].setContributes(contributes);
  }
  return message.finish();
}

/// The whole of a toy stage.
inline wire::state_request newest_state() {
  wire::builder<schemas::StateRequest> message;
  message->setVersion(-1);
  message->setElements(1'000);
  return message.finish();
}

/// The microbatches in a Holding, in order.
inline std::vector<int64_t> held(const outcome<wire::holding>& reply) {
  std::vector<int64_t> result;
  if (!reply.value) return {-1};
  const auto body = reply.value->read();
  const auto bits = body->getHeld();
  for (size_t i = 0; i < bits.size() * 8; ++i)
    if (bits[i / 8] >> (i % 8) & 1) result.push_back(static_cast<int64_t>(i));
  return result;
}

/// Version and weights of a donor's answer to the above.
inline std::pair<int64_t, std::vector<float>> snapshot(const outcome<wire::state_chunk>& reply) {
  if (!reply.value) return {-1, {}};
  const auto body = reply.value->read();
  const auto* numbers = reinterpret_cast<const float*>(body->getBytes().begin());
  return {body->getVersion(), {numbers, numbers + body->getBytes().size() / 12}};
}

/// After steps of unclipped gradients, without any actor.
inline std::vector<float> reference_weights(int64_t microbatches, int64_t steps) {
  const auto engine = make_toy_engine(true, true, microbatches);
  for (int64_t step = 0; step < steps; ++step) {
    for (int64_t m = 0; m < microbatches; ++m) {
      const auto [input, targets] = toy_microbatch(step, m);
      engine->loss({step, m}, input, targets, 1);
    }
    engine->set_reduced(engine->gradient_sum());
    engine->apply(step, 1);
  }
  const auto state = engine->export_state();
  return {state.as<float>(), state.as<float>() + state.elements() / 3};
}

}  // namespace swarm::testing
