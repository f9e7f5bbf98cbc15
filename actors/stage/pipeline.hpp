#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "actors/stage/rate_meter.hpp"
#include "actors/stage/request_queue.hpp"
#include "actors/stage/share_book.hpp"
#include "actors/stage/stage_worker.hpp"
#include "actors/stage/worker_base.hpp"
#include "actors/wire/ticket.hpp"

namespace swarm::stage {

/// The requests of a worker that come from trainers (schemas/pipeline.capnp): admits each, or
/// refuses it, sends it to the compute actor when it is its turn, unless its sender has given it up
/// or it is not admitted any more by then, and counts what may still change the gradient sum.
class pipeline {
 public:
  /// By which a Cancel finds it.
  using request_name = std::tuple<term_id, step_id, microbatch_id, round_id>;

  pipeline(worker_host& host, const stage_worker_options& options)
      : host_(host), options_(options), guard_(host.guard()) {}

  promise<wire::activation> on_forward(const wire::forward& m);
  promise<wire::input_gradient> on_backward(const wire::backward& m);
  promise<wire::loss_done> on_loss(const wire::loss& m);
  promise<wire::inferred> on_infer(const wire::infer& m);
  void on_cancel(const wire::cancel& m);

  /// Runs `answer` once nothing that was admitted before can still change the sum.
  void when_drained(std::function<void()> answer);
  /// Requests at the compute actor that may change the sum.
  size_t accumulating() const { return accumulating_; }

  /// Requests that wait for a commit are tried again.
  void retry_waiting();
  /// Another state is loaded over what was added.
  void forget_sum() {
    in_sum_.clear();
    begin_shares({});
  }

  /// The round that is frozen: shares of others are over.
  void begin_shares(const share_round& round);
  /// Those of the frozen round that this worker is to compute (share_book).
  void assign_shares(const std::map<share_key, microbatch_set>& cuts);
  /// Called with each share whose microbatches are all in its sum.
  void on_share_complete(std::function<void(share_key)> listener) {
    share_complete_ = std::move(listener);
  }

  /// An optimizer step was made.
  void step_over() { meter_.step_over(); }
  const rate_meter& meter() const { return meter_; }

 private:
  /// One that waits for the device.
  struct request {
    std::function<bool()> start;  ///< false: it was refused instead
    std::function<void(refusal)> refuse;
  };
  using queue = request_queue<request, request_name>;

  double now_s();
  double deadline_s(uint32_t patience_ms);
  std::optional<refusal> unavailable() const;
  template <class Reply, class Check, class Ask>
  void admit(const Check& check, const wire::ticket& ticket, double deadline, promise<Reply> reply,
             std::function<void()> again, Ask ask);
  template <class Reply, class Check, class Ask>
  void wait_for_turn(const Check& check, const wire::ticket& ticket, double deadline,
                     promise<Reply> reply, Ask ask);
  void serve_next();
  void settled(double work);
  template <class Reply, class Done, class... Args>
  void ask_device(promise<Reply> reply, Done done, const Args&... args);
  template <class Reply, class... Args>
  void relay(promise<Reply> reply, const Args&... args);
  template <class Reply, class Request>
  void accumulate(const Request& m, microbatch_id index, int asked, promise<Reply> reply);
  void serve_forward(const wire::forward& m, double deadline, promise<wire::activation> reply);
  template <class Request, class Reply>
  void serve_share(const Request& m, double deadline, promise<Reply> reply);
  template <class Request, class Reply>
  void add_to_share(const Request& m, const share_round& round, share_key which,
                    microbatch_id index, promise<Reply> reply);
  template <class Request, class Reply>
  void serve_accumulating(const Request& m, double deadline, promise<Reply> reply);
  template <class Request, class Reply>
  void accept_accumulating(const Request& m, promise<Reply> reply);

  worker_host& host_;
  const stage_worker_options& options_;
  step_guard& guard_;
  queue queue_;
  size_t accumulating_ = 0;
  std::set<microbatch_id> in_sum_;  ///< at the compute actor with a weight
  std::vector<std::function<void()>> waiting_;
  std::vector<std::function<void()>> drained_;
  share_book shares_;
  std::function<void(share_key)> share_complete_;
  rate_meter meter_;
};

}  // namespace swarm::stage
