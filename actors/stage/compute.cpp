#include "actors/stage/compute.hpp"

#include <caf/typed_event_based_actor.hpp>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <tuple>
#include <utility>
#include <vector>

#include "actors/actor_body.hpp"
#include "actors/stage/activation_cache.hpp"
#include "actors/stage/errc.hpp"
#include "actors/wire/tensor.hpp"
#include "actors/wire/ticket.hpp"

namespace swarm::stage {

using tensors::host_tensor;

struct device_slots::state {
  std::mutex mutex;
  std::condition_variable freed;
  unsigned available;
};

device_slots::device_slots(unsigned count) : state_(new state{{}, {}, count}) {}

device_slots::~device_slots() = default;

void device_slots::acquire() {
  std::unique_lock<std::mutex> lock{state_->mutex};
  state_->freed.wait(lock, [this] { return state_->available > 0; });
  --state_->available;
}

bool device_slots::try_acquire() {
  const std::lock_guard<std::mutex> lock{state_->mutex};
  if (state_->available == 0) return false;
  --state_->available;
  return true;
}

void device_slots::release() {
  {
    const std::lock_guard<std::mutex> lock{state_->mutex};
    ++state_->available;
  }
  state_->freed.notify_one();
}

device_claim::device_claim(std::shared_ptr<device_slots> slots) : slots_(std::move(slots)) {}

void device_claim::acquire() {
  if (!slots_) return;
  {
    const std::lock_guard<std::mutex> lock{mutex_};
    if (forfeited_) return;
  }
  slots_->acquire();
  const std::lock_guard<std::mutex> lock{mutex_};
  // Given up while it waited.
  if (forfeited_) return slots_->release();
  held_ = true;
}

void device_claim::release() {
  const std::lock_guard<std::mutex> lock{mutex_};
  if (std::exchange(held_, false)) slots_->release();
}

void device_claim::forfeit() {
  const std::lock_guard<std::mutex> lock{mutex_};
  forfeited_ = true;
  if (std::exchange(held_, false)) slots_->release();
}

namespace {

class slot_guard {
 public:
  explicit slot_guard(device_claim* claim) : claim_(claim) {
    if (claim_ != nullptr) claim_->acquire();
  }
  ~slot_guard() {
    if (claim_ != nullptr) claim_->release();
  }
  slot_guard(const slot_guard&) = delete;
  slot_guard& operator=(const slot_guard&) = delete;

 private:
  device_claim* claim_;
};

caf::error translate(const tensors::engine_error& error, const wire::ticket& ticket) {
  const auto refuse = [&](refusal_reason reason) {
    return make_error(refusal{reason, ticket.term, ticket.step, {}});
  };
  switch (error.fault()) {
    case tensors::engine_fault::wrong_shape:
      return refuse(refusal_reason::wrong_shape);
    case tensors::engine_fault::non_finite:
      return refuse(refusal_reason::non_finite);
    case tensors::engine_fault::out_of_memory:
      return refuse(refusal_reason::out_of_memory);
    default:
      return make_error(errc::compute_failed, error.what());
  }
}

template <class Schema, class Target>
void copy_ticket(const wire::reading<Schema>& from, Target&& to) {
  wire::to_wire(wire::from_wire(from->getTicket()), to->initTicket());
}

class compute final : public actor_body<compute_actor::base> {
 public:
  static constexpr const char* name = "compute";

  compute(pointer self, compute_options options)
      : actor_body(self), options_(std::move(options)), cache_(options_.activation_cache_bytes) {}

  behavior_type make_behavior() {
    const slot_guard guard{options_.claim.get()};
    engine_ = options_.make_engine();
    return {
        [this](const wire::forward& m) { return on_forward(m); },
        [this](const wire::backward& m, int weight) { return on_backward(m, weight); },
        [this](const wire::loss& m, int weight) { return on_loss(m, weight); },
        [this](const wire::infer& m, int64_t version) { return on_infer(m, version); },
        [this](sum_atom) -> caf::result<host_tensor> { return engine_->gradient_sum(); },
        [this](sum_atom, uint64_t term, uint32_t round, uint32_t member, uint32_t share) {
          return run<host_tensor>([&] {
            const sum_choice choice{*engine_, sum_of({term, round, member, share})};
            return engine_->gradient_sum();
          });
        },
        [this](forget_atom, uint64_t term, uint32_t round) {
          forget_shares([&](const share_name& share) {
            return std::get<0>(share) != term || std::get<1>(share) != round;
          });
          return true;
        },
        [this](reduced_atom, const host_tensor& sum) {
          return run<double>([&] { return engine_->set_reduced(sum); });
        },
        [this](apply_atom, int64_t step, double scale) {
          return run<std::string>([&] {
            cache_.clear();
            forget_shares();
            engine_->apply(step, scale);
            return engine_->weights_hash();
          });
        },
        [this](clear_atom) {
          return run<bool>([&] {
            engine_->clear_gradient();
            return true;
          });
        },
        [this](export_atom) { return run<host_tensor>([&] { return engine_->export_state(); }); },
        [this](import_atom, const host_tensor& state) {
          return run<std::string>([&] { return import_whole(state); });
        },
        [this](elements_atom) { return run<int64_t>([&] { return engine_->elements(); }); },
        [this](export_atom, int64_t first, int64_t count) {
          return run<host_tensor>([&] { return engine_->export_range({first, count}); });
        },
        [this](import_atom, int64_t first, int64_t count, const host_tensor& state) {
          return run<bool>([&] {
            cache_.clear();
            forget_shares();
            engine_->import_range({first, count}, state);
            return true;
          });
        },
        [this](apply_atom, int64_t step, double scale, const std::vector<int64_t>& runs) {
          return run<bool>([&] { return apply_to(step, scale, runs); });
        },
        [this](hash_atom) {
          return run<std::string>([&] {
            engine_->clear_gradient();
            return engine_->weights_hash();
          });
        }};
  }

 private:
  using key = activation_key;

  std::string import_whole(const host_tensor& state) {
    cache_.clear();
    forget_shares();
    engine_->import_state(state);
    engine_->clear_gradient();
    return engine_->weights_hash();
  }

  /// First element and number of each run.
  bool apply_to(int64_t step, double scale, const std::vector<int64_t>& runs) {
    cache_.clear();
    std::vector<tensors::element_range> ranges;
    for (size_t i = 0; i + 1 < runs.size(); i += 2)
      ranges.push_back({runs[i], runs[i + 1]});
    forget_shares();
    engine_->apply_ranges(step, scale, ranges);
    return true;
  }

  /// Which of the engine's sums is meant, for as long as this lives.
  class sum_choice {
   public:
    sum_choice(tensors::stage_engine& engine, uint32_t which) : engine_(engine) {
      engine_.select_sum(which);
    }
    ~sum_choice() { engine_.select_sum(tensors::own_sum); }
    sum_choice(const sum_choice&) = delete;
    sum_choice& operator=(const sum_choice&) = delete;

   private:
    tensors::stage_engine& engine_;
  };

  /// Term and round of the attempt, the lost member, the share: a late request of an earlier
  /// attempt cannot get into a share of this one.
  using share_name = std::tuple<uint64_t, uint32_t, uint32_t, uint32_t>;

  /// The engine's number of a share's sum, which begins empty.
  uint32_t sum_of(const share_name& share) {
    const auto [at, added] = share_sums_.try_emplace(share, last_sum_ + 1);
    if (added) ++last_sum_;
    return at->second;
  }

  uint32_t sum_of(schemas::Ticket::Reader ticket) {
    if (!ticket.getForShare()) return tensors::own_sum;
    return sum_of({ticket.getTerm(), ticket.getRound(), ticket.getLostMember(), ticket.getShare()});
  }

  template <class Which>
  void forget_shares(Which&& which) {
    for (auto at = share_sums_.begin(); at != share_sums_.end();) {
      if (!which(at->first)) {
        ++at;
        continue;
      }
      engine_->forget_sum(at->second);
      at = share_sums_.erase(at);
    }
  }

  void forget_shares() {
    forget_shares([](const share_name&) { return true; });
  }

  static key key_of(const wire::ticket& t) { return {t.step, t.microbatch}; }

  static tensors::microbatch_key engine_key(const wire::ticket& t) {
    return {t.step.value(), t.microbatch.value()};
  }

  /// Takes a core, and turns what an engine throws into an error reply. The ticket is the
  /// request's.
  template <class Reply, class F>
  caf::result<Reply> run(F&& body, const wire::ticket& ticket = {}) {
    const slot_guard guard{options_.claim.get()};
    try {
      return body();
    } catch (const tensors::engine_error& error) {
      return translate(error, ticket);
    }
  }

  bool extract(schemas::Tensor::Reader source, const wire::frame_ptr& owner, host_tensor& out) {
    return wire::extract_into(source, owner, out, options_.allow_virtual);
  }

  struct sample {
    host_tensor input;
    host_tensor targets;
  };

  /// Of a Loss or an Infer.
  template <class Schema>
  bool extract(const wire::reading<Schema>& request, const wire::frame_ptr& owner, sample& out) {
    return extract(request->getInput(), owner, out.input) &&
           extract(request->getTargets(), owner, out.targets);
  }

  double seconds_since(caf::actor_clock::time_point start) {
    return std::chrono::duration<double>(clock().now() - start).count();
  }

  caf::result<wire::activation> on_forward(const wire::forward& m) {
    const auto request = m.read();
    const auto ticket = wire::from_wire(request->getTicket());
    host_tensor input;
    if (!extract(request->getInput(), m.bytes(), input)) return make_error(wire::errc::bad_tensor);
    const auto body = [&] {
      const auto start = clock().now();
      auto result = engine_->forward(engine_key(ticket), input, true);
      if (result.saved) {
        const auto bytes = result.saved->bytes();
        cache_.insert(key_of(ticket), std::move(result.saved), bytes);
      }
      wire::builder<schemas::Activation> reply;
      copy_ticket(request, reply);
      wire::attach(reply, reply->initOutput(), result.output);
      reply->setComputeSeconds(seconds_since(start));
      return reply.finish();
    };
    return run<wire::activation>(body, ticket);
  }

  caf::result<wire::input_gradient> on_backward(const wire::backward& m, int weight) {
    const auto request = m.read();
    const auto ticket = wire::from_wire(request->getTicket());
    host_tensor input;
    host_tensor output_gradient;
    if (!extract(request->getInput(), m.bytes(), input) ||
        !extract(request->getOutputGradient(), m.bytes(), output_gradient))
      return make_error(wire::errc::bad_tensor);
    auto saved = cache_.take(key_of(ticket));
    if (!saved && input.empty())
      return make_error(refusal{refusal_reason::activation_missing, ticket.term, ticket.step, {}});
    const auto body = [&] {
      const auto start = clock().now();
      const bool recomputed = !saved;
      auto graph =
          recomputed ? engine_->forward(engine_key(ticket), input, true).saved : std::move(*saved);
      const sum_choice choice{*engine_, sum_of(request->getTicket())};
      const auto gradient = engine_->backward(engine_key(ticket), *graph, output_gradient, weight);
      wire::builder<schemas::InputGradient> reply;
      copy_ticket(request, reply);
      if (!request->getSumOnly()) wire::attach(reply, reply->initGradient(), gradient);
      reply->setComputeSeconds(seconds_since(start));
      reply->setRecomputed(recomputed);
      return reply.finish();
    };
    return run<wire::input_gradient>(body, ticket);
  }

  caf::result<wire::loss_done> on_loss(const wire::loss& m, int weight) {
    const auto request = m.read();
    const auto ticket = wire::from_wire(request->getTicket());
    sample given;
    if (!extract(request, m.bytes(), given)) return make_error(wire::errc::bad_tensor);
    const auto body = [&] {
      const auto start = clock().now();
      const sum_choice choice{*engine_, sum_of(request->getTicket())};
      const auto result = engine_->loss(engine_key(ticket), given.input, given.targets, weight);
      wire::builder<schemas::LossDone> reply;
      copy_ticket(request, reply);
      reply->setLoss(result.loss);
      if (!request->getSumOnly())
        wire::attach(reply, reply->initInputGradient(), result.input_gradient);
      reply->setComputeSeconds(seconds_since(start));
      return reply.finish();
    };
    return run<wire::loss_done>(body, ticket);
  }

  caf::result<wire::inferred> on_infer(const wire::infer& m, int64_t version) {
    const auto request = m.read();
    sample given;
    if (!extract(request, m.bytes(), given)) return make_error(wire::errc::bad_tensor);
    return run<wire::inferred>([&] {
      wire::builder<schemas::Inferred> reply;
      reply->setVersion(version);
      switch (request->getWant()) {
        case schemas::Infer::Want::HIDDEN:
          wire::attach(reply, reply->initOutput(), engine_->infer(given.input));
          break;
        case schemas::Infer::Want::LOSS:
          reply->setLoss(engine_->evaluate(given.input, given.targets));
          break;
        case schemas::Infer::Want::LOGITS:
          wire::attach(reply, reply->initOutput(), engine_->logits(given.input));
          break;
      }
      return reply.finish();
    });
  }

  compute_options options_;
  std::unique_ptr<tensors::stage_engine> engine_;
  std::map<share_name, uint32_t> share_sums_;  ///< the engine's numbers
  uint32_t last_sum_ = tensors::own_sum;
  activation_cache<std::shared_ptr<tensors::activation>> cache_;
};

}  // namespace

compute_actor spawn_compute(caf::actor_system& system, compute_options options) {
  if (options.detached) return system.spawn<embodied<compute>, caf::detached>(std::move(options));
  return system.spawn<embodied<compute>>(std::move(options));
}

}  // namespace swarm::stage
