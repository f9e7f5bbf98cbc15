#pragma once

#include <optional>
#include <string>
#include <utility>

#include "actors/stage/commit_answers.hpp"
#include "actors/stage/donor.hpp"
#include "actors/stage/joiner.hpp"
#include "actors/stage/pipeline.hpp"
#include "actors/stage/reduction.hpp"
#include "actors/stage/stage_worker.hpp"
#include "actors/stage/worker_base.hpp"
#include "actors/wire/ticket.hpp"

namespace swarm::stage {

/// The coordinator's orders to a worker that serves (schemas/step.capnp): what the step_guard
/// decides is carried out at the compute actor and the averager. While it follows, the joiner
/// carries them out.
class step_orders {
 public:
  step_orders(worker_host& host, const stage_worker_options& options, pipeline& requests,
              donor& gives, joiner& joins)
      : host_(host),
        options_(options),
        guard_(host.guard()),
        pipeline_(requests),
        donor_(gives),
        joiner_(joins),
        reduction_(host, options, requests),
        answers_(options.id) {
    reduction_.on_end([this] { early_commit_again(); });
  }

  promise<wire::position> on_take_over(const wire::take_over& m);
  promise<wire::holding> on_gather(const wire::gather& m);
  promise<wire::holding> on_drop(const wire::drop& m);
  promise<wire::reduced> on_reduce(const wire::reduce& m);
  promise<wire::committed> on_commit(const wire::commit& m);

  /// The weights of the guard's version are in the engine.
  void made(std::string weights_hash) {
    answers_.made(guard_.version(), std::move(weights_hash), donor_.kept());
  }
  /// They will not be made: another state comes.
  void stop() {
    answers_.refuse(guard_.because(refusal_reason::not_serving));
    early_.reset();
  }

  /// A poll of the all-reduce has waited for as long as it said.
  void on_hold(uint64_t poll) { reduction_.on_hold(poll); }

 private:
  template <class Reply>
  bool refused(std::optional<refusal> why, step_id step, promise<Reply>& reply);
  bool is_repeat(const wire::step_round& when, attempt_id attempt, const std::string& hash);
  std::optional<refusal> why_not(const wire::commit& m);
  void carry_out(const wire::commit& m);
  void early_commit_again();
  void apply(step_id step, double scale, uint32_t counted, bool keep);

  worker_host& host_;
  const stage_worker_options& options_;
  step_guard& guard_;
  pipeline& pipeline_;
  donor& donor_;
  joiner& joiner_;
  reduction reduction_;
  commit_answers answers_;
  /// Came before its sum, to one that has begun to serve since that was ordered and gets it after
  /// the members of its stage. It is refused, and carried out when the sum is here: the stage must
  /// not count on a worker that may be alone by then.
  std::optional<wire::commit> early_;
};

}  // namespace swarm::stage
