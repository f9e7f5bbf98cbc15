#include "actors/training/evaluator.hpp"

#include <algorithm>
#include <caf/sec.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <cmath>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <utility>

#include "actors/actor_body.hpp"
#include "actors/wire/tensor.hpp"

namespace swarm::training {

namespace {

using tensors::host_tensor;
using want = schemas::Infer::Want;

/// One evaluate request under way.
struct evaluation {
  caf::typed_response_promise<double> reply;
  int64_t next = 0;
  int64_t total = 0;
  std::map<int64_t, double> losses;
};

/// One generate request under way.
struct generation {
  caf::typed_response_promise<std::vector<int32_t>> reply;
  std::vector<int32_t> tokens;
  size_t prompt = 0;
  int64_t remaining = 0;
  double temperature = 0;
  std::mt19937_64 random;
};

using give_up_atom = caf::atom_constant<caf::atom("giveup")>;

using full_actor = evaluator_actor::extend<caf::reacts_to<give_up_atom, uint64_t>>;

class evaluator final : public actor_body<full_actor::base> {
 public:
  static constexpr const char* name = "evaluator";

  evaluator(pointer self, evaluator_options options)
      : actor_body(self), options_(std::move(options)) {
    workers_.resize(static_cast<size_t>(options_.stages));
  }

  /// Answers who still waits.
  ~evaluator() {
    for (const auto& [serial, call] : std::exchange(out_, {}))
      call.fail(caf::make_error(caf::sec::request_receiver_down));
    for (const auto& [serial, call] : std::exchange(waiting_, {}))
      call.fail(caf::make_error(caf::sec::request_receiver_down));
  }

  behavior_type make_behavior() {
    send(options_.directory, wire::subscribe_atom::value, caf::actor_cast<caf::actor>(ctrl()));
    return {
        [this](evaluate_atom, int64_t batches) { return on_evaluate(batches); },
        [this](generate_atom, const std::vector<int32_t>& prompt, int64_t count, double temperature,
               uint64_t seed) { return on_generate(prompt, count, temperature, seed); },
        [this](const wire::roster_update& update) { on_roster(update); },
        [this](give_up_atom, uint64_t serial) { stop_waiting(serial); }};
  }

 private:
  using result_handler = std::function<void(const wire::inferred&)>;
  using error_handler = std::function<void(caf::error)>;

  void on_roster(const wire::roster_update& update) {
    std::set<worker_id> lost{update.gone.begin(), update.gone.end()};
    for (const auto& id : update.gone)
      for (auto& stage : workers_)
        stage.erase(id);
    for (const auto& m : update.changed) {
      if (m.role != wire::member_role::stage_worker || m.stage.value() < 0 ||
          m.stage.value() >= options_.stages)
        continue;
      auto& stage = workers_[static_cast<size_t>(m.stage.value())];
      stage.erase(m.id);
      if (m.state == wire::member_state::serving) {
        stage[m.id] = caf::actor_cast<wire::stage_worker_actor>(m.handle);
      } else {
        lost.insert(m.id);
      }
    }
    for (const auto& id : lost)
      give_up_on(id);
    for (const auto& [serial, call] : std::exchange(waiting_, {}))
      call.again();
  }

  /// Brings `input` from stage `stage` to the last one, which answers what is wanted.
  void pass(size_t stage, const host_tensor& input, const host_tensor& targets, want last,
            result_handler done, error_handler fail) {
    if (workers_[stage].empty())
      return wait([=] { pass(stage, input, targets, last, done, fail); }, fail);
    const bool at_end = stage + 1 == workers_.size();
    wire::builder<schemas::Infer> message;
    message->setWant(at_end ? last : want::HIDDEN);
    message->setPatienceMs(static_cast<uint32_t>(options_.call_timeout.count()));
    wire::attach(message, message->initInput(), input);
    if (at_end) wire::attach(message, message->initTargets(), targets);
    std::vector<worker_id> candidates;
    for (const auto& [id, handle] : workers_[stage])
      candidates.push_back(id);
    // Take turns, so that both workers of a stage are busy.
    if (!candidates.empty())
      std::rotate(candidates.begin(),
                  candidates.begin() + static_cast<ptrdiff_t>(turn_++ % candidates.size()),
                  candidates.end());
    result_handler next = std::move(done);
    if (!at_end) {
      next = [=, done = std::move(next)](const wire::inferred& reply) {
        host_tensor output;
        if (!wire::extract_into(reply.read()->getOutput(), reply.bytes(), output) || output.empty())
          return fail(make_error(errc::bad_reply));
        pass(stage + 1, output, targets, last, done, fail);
      };
    }
    ask(stage, std::move(candidates), message.finish(), std::move(next), std::move(fail));
  }

  /// Nobody serves the stage: somebody may be restarting, or not have announced itself yet.
  void wait(std::function<void()> again, error_handler fail) {
    const auto serial = ++serial_;
    waiting_[serial] = {{}, std::move(again), std::move(fail)};
    delayed_send(self(), options_.call_timeout, give_up_atom::value, serial);
  }

  void stop_waiting(uint64_t serial) {
    const auto found = waiting_.find(serial);
    if (found == waiting_.end()) return;
    const auto fail = std::move(found->second.fail);
    waiting_.erase(found);
    fail(make_error(errc::stage_unreachable));
  }

  /// Asks the last candidate, and the others in turn when it fails or dies.
  void ask(size_t stage, std::vector<worker_id> candidates, wire::infer message,
           result_handler done, error_handler fail) {
    while (!candidates.empty() && workers_[stage].count(candidates.back()) == 0)
      candidates.pop_back();
    if (candidates.empty()) return fail(make_error(errc::stage_unreachable));
    const auto id = candidates.back();
    candidates.pop_back();
    const auto serial = ++serial_;
    out_[serial] = {id, [=] { ask(stage, candidates, message, done, fail); }, fail};
    request(workers_[stage].at(id), options_.call_timeout, message)
        .then(
            [=](const wire::inferred& reply) {
              if (reply.fault()) return retry(serial);
              if (out_.erase(serial) != 0) done(reply);
            },
            [=](caf::error&) { retry(serial); });
  }

  void retry(uint64_t serial) {
    const auto found = out_.find(serial);
    if (found == out_.end()) return;
    const auto again = std::move(found->second.again);
    out_.erase(found);
    again();
  }

  /// Calls that are out to it will not be answered.
  void give_up_on(worker_id id) {
    std::vector<uint64_t> orphans;
    for (const auto& [serial, call] : out_)
      if (call.worker == id) orphans.push_back(serial);
    for (uint64_t serial : orphans)
      retry(serial);
  }

  // -- validation loss ------------------------------------------------------------------------

  caf::result<double> on_evaluate(int64_t batches) {
    if (batches <= 0) return 0.0;
    auto job = std::make_shared<evaluation>();
    job->reply = make_response_promise<caf::typed_response_promise<double>>();
    job->total = batches;
    for (uint32_t i = 0; i < options_.in_flight; ++i)
      evaluate_next(job);
    return job->reply;
  }

  void evaluate_next(const std::shared_ptr<evaluation>& job) {
    if (job->next >= job->total || !job->reply.pending()) return;
    const int64_t index = job->next++;
    const auto [tokens, targets] = options_.batches(index);
    pass(
        0, tokens, targets, want::LOSS,
        [=](const wire::inferred& reply) {
          job->losses[index] = reply.read()->getLoss();
          if (static_cast<int64_t>(job->losses.size()) < job->total) return evaluate_next(job);
          double sum = 0;
          for (const auto& [batch, loss] : job->losses)
            sum += loss;
          job->reply.deliver(sum / static_cast<double>(job->total));
        },
        [job](caf::error error) {
          if (job->reply.pending()) job->reply.deliver(std::move(error));
        });
  }

  // -- sampling -------------------------------------------------------------------------------

  caf::result<std::vector<int32_t>> on_generate(const std::vector<int32_t>& prompt, int64_t count,
                                                double temperature, uint64_t seed) {
    auto job = std::make_shared<generation>();
    job->reply = make_response_promise<caf::typed_response_promise<std::vector<int32_t>>>();
    job->tokens = prompt.empty() ? std::vector<int32_t>{'\n'} : prompt;
    job->prompt = job->tokens.size();
    job->remaining = count;
    job->temperature = temperature;
    job->random.seed(seed);
    generate_next(job);
    return job->reply;
  }

  void generate_next(const std::shared_ptr<generation>& job) {
    if (job->remaining <= 0) {
      job->reply.deliver(std::vector<int32_t>(
          job->tokens.begin() + static_cast<ptrdiff_t>(job->prompt), job->tokens.end()));
      return;
    }
    --job->remaining;
    const auto window = std::min<size_t>(job->tokens.size(), static_cast<size_t>(options_.context));
    std::vector<int32_t> tail(job->tokens.end() - static_cast<ptrdiff_t>(window),
                              job->tokens.end());
    const auto length = static_cast<int64_t>(window);
    pass(
        0, host_tensor::adopt(std::move(tail), {1, length}), host_tensor{}, want::LOGITS,
        [=](const wire::inferred& reply) {
          host_tensor logits;
          if (!wire::extract_into(reply.read()->getOutput(), reply.bytes(), logits) ||
              logits.elements() <= 0 || logits.type() != tensors::dtype::f32)
            return static_cast<void>(job->reply.deliver(make_error(errc::bad_reply)));
          job->tokens.push_back(sample(logits, job->temperature, job->random));
          generate_next(job);
        },
        [job](caf::error error) { job->reply.deliver(std::move(error)); });
  }

  static int32_t sample(const host_tensor& logits, double temperature, std::mt19937_64& random) {
    const float* first = logits.as<float>();
    const auto count = static_cast<size_t>(logits.elements());
    const float* likeliest = std::max_element(first, first + count);
    if (temperature <= 0) return static_cast<int32_t>(likeliest - first);
    const float best = *likeliest;
    std::vector<double> cumulative(count);
    double total = 0;
    for (size_t i = 0; i < count; ++i)
      cumulative[i] = total += std::exp((double{first[i]} - double{best}) / temperature);
    const double point =
        static_cast<double>(random() >> 11) * 0x1p-53 * total;  // 53 bits: [0, total)
    const auto found = std::upper_bound(cumulative.begin(), cumulative.end(), point);
    return static_cast<int32_t>(
        std::min<ptrdiff_t>(found - cumulative.begin(), static_cast<ptrdiff_t>(count) - 1));
  }

  evaluator_options options_;
  std::vector<std::map<worker_id, wire::stage_worker_actor>> workers_;
  struct call {
    worker_id worker;
    std::function<void()> again;
    error_handler fail;
  };
  std::map<uint64_t, call> out_;
  std::map<uint64_t, call> waiting_;  ///< for somebody to serve a stage
  uint64_t serial_ = 0;
  size_t turn_ = 0;
};

}  // namespace

evaluator_actor spawn_evaluator(caf::actor_system& system, evaluator_options options) {
  return system.spawn<embodied<evaluator>>(std::move(options));
}

}  // namespace swarm::training
