#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "tensors/codec/host_tensor.hpp"
#include "tensors/model/model_config.hpp"
#include "tensors/optim/optimizer_config.hpp"

namespace swarm::tensors {

/// How gradients are summed. `reproducible` adds 64-bit fixed-point numbers, so that the sum does
/// not depend on order or grouping.
enum class numeric_mode : uint8_t { floating = 0, reproducible = 1 };

struct engine_config {
  model_config model;
  stage_span span;
  optimizer_config optimizer;
  numeric_mode mode = numeric_mode::floating;
  uint64_t seed = 0;                  ///< of the initial weights and of dropout
  int64_t microbatches_per_step = 1;  ///< each gradient is divided by it
};

/// Microbatch `index` of optimizer step `step`.
struct microbatch_key {
  int64_t step = 0;
  int64_t index = 0;
};

enum class engine_fault : uint8_t { wrong_shape, non_finite, out_of_memory, bad_state, internal };

/// A run of a stage's flat elements: the same of the parameters and of both moments.
struct element_range {
  int64_t first = 0;
  int64_t count = 0;

  friend bool operator==(const element_range& a, const element_range& b) {
    return a.first == b.first && a.count == b.count;
  }
};

/// The only exception an engine throws. The caller's state is untouched when it is thrown.
class engine_error : public std::runtime_error {
 public:
  engine_error(engine_fault fault, const std::string& what)
      : std::runtime_error(what), fault_(fault) {}
  engine_fault fault() const { return fault_; }

 private:
  engine_fault fault_;
};

/// A replica's own gradient sum; see select_sum.
constexpr uint32_t own_sum = 0;

/// What a forward keeps for its backward; opaque outside the engine that made it.
class activation {
 public:
  virtual ~activation() = default;
  /// Memory it holds, for the cache's budget.
  virtual size_t bytes() const = 0;
};

struct forward_result {
  host_tensor output;                 ///< f32 [rows, context, width]
  std::shared_ptr<activation> saved;  ///< null unless asked for
};

struct loss_result {
  double loss = 0;             ///< mean over the microbatch's tokens, nats
  host_tensor input_gradient;  ///< f32, shape of the input; empty at a first stage
};

/// One stage's numbers: its parameters, optimizer state and gradient sum. Not thread-safe; one
/// compute actor owns it. The first stage's input is tokens (i32 [rows, tokens]), every other
/// stage's is the previous output; tokens may be fewer than the model's context.
///
/// `weight` says what enters the gradient sum: +1 adds, -1 takes away what +1 added (exact in
/// reproducible mode), 0 leaves it alone and only yields the input gradient.
class stage_engine {
 public:
  virtual ~stage_engine() = default;

  virtual const engine_config& config() const = 0;

  /// Any stage but the last.
  virtual forward_result forward(microbatch_key key, const host_tensor& input, bool keep) = 0;

  /// With the activation of this microbatch's forward, as often as asked until the parameters
  /// change (then bad_state). Returns the input gradient, empty at a first stage.
  virtual host_tensor backward(microbatch_key key, const activation& saved,
                               const host_tensor& output_gradient, int weight) = 0;

  /// Forward, loss and backward in one go; last stage only. Targets: i32 [rows, tokens].
  virtual loss_result loss(microbatch_key key, const host_tensor& input, const host_tensor& targets,
                           int weight) = 0;

  /// Loss without gradients or dropout; last stage only.
  virtual double evaluate(const host_tensor& input, const host_tensor& targets) = 0;

  /// Logits of the last position, f32 [rows, vocabulary]; last stage only.
  virtual host_tensor logits(const host_tensor& input) = 0;

  /// Forward without dropout or saved activation, for evaluation and sampling; any stage but the
  /// last.
  virtual host_tensor infer(const host_tensor& input) = 0;

  /// The sum so far, aliased, not copied: f32 or (reproducible) i64, [flat_size]. Constant: a later
  /// change copies first while somebody holds this.
  virtual host_tensor gradient_sum() const = 0;

  /// Forgets the gradient sum.
  virtual void clear_gradient() = 0;

  /// Which sum backward and loss add to and gradient_sum shows, until the next call: `own_sum`, or
  /// another, which begins empty: a share of a lost replica's microbatches, computed again here.
  /// What is said above of the gradient sum is said of the own one. Throws out_of_memory where
  /// there is room for one only, which an engine says that does not know this.
  virtual void select_sum(uint32_t which) {
    if (which != own_sum)
      throw engine_error(engine_fault::out_of_memory,
                         "This engine keeps one gradient sum; ask another worker to help.");
  }
  /// Gives another sum's memory back. Not the selected one.
  virtual void forget_sum(uint32_t /*which*/) {}

  /// Hands in the sum over the whole stage, same type and shape as `gradient_sum`; kept until
  /// `apply`. Returns the squared norm of the gradient it stands for.
  virtual double set_reduced(const host_tensor& reduced) = 0;

  /// Optimizer step number `step` with the reduced gradient times `scale`; then the sum is clear.
  virtual void apply(int64_t step, double scale) = 0;

  /// Parameters and both moments, f32 [3, flat_size]: a copy.
  virtual host_tensor export_state() const = 0;

  /// The reverse. Throws bad_state when the size differs or a value is not finite.
  virtual void import_state(const host_tensor& state) = 0;

  // By ranges, so that a state can come and go without a second whole copy of it, and every range
  // at a version of its own. The defaults do with whole copies what an engine of small states
  // needs.

  /// Of the flat vector: parameters, and of each moment as many.
  virtual int64_t elements() const { return export_state().shape()[1]; }

  /// These elements of parameters and both moments, f32 [3, count]: a copy. Throws bad_state for a
  /// range that is empty or not within the stage.
  virtual host_tensor export_range(element_range range) const;

  /// The reverse; the other elements stay. Throws bad_state when range or shape do not fit or a
  /// value is not finite. While ranges are of different versions only ranges, `set_reduced` and
  /// `clear_gradient` mean anything.
  virtual void import_range(element_range range, const host_tensor& state);

  /// As `apply`, for these elements only: bit for bit what `apply` makes of them. The ranges are in
  /// order and apart.
  virtual void apply_ranges(int64_t step, double scale, const std::vector<element_range>& ranges);

  /// XXH3-128 of the parameters, hex: replicas compare it at every commit. People are shown
  /// `tensors::weights_hash` of the whole model instead.
  virtual std::string weights_hash() const = 0;
};

/// The LibTorch engine, with freshly initialised parameters that depend only on the seed and the
/// model. Uses one intra-op thread of the calling thread's; throws engine_error.
std::unique_ptr<stage_engine> make_torch_engine(const engine_config& config);

}  // namespace swarm::tensors
