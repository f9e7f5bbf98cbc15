#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace swarm::tensors {

/// A GPT-2-style decoder: learned positions, pre-LayerNorm blocks, GELU, a final LayerNorm and a
/// linear head (Radford et al. 2019).
struct model_config {
  int64_t layers = 6;
  int64_t heads = 4;
  int64_t width = 128;
  int64_t context = 64;
  int64_t vocabulary = 256;
  bool bias = true;        ///< biases in Linear and LayerNorm
  bool tied_head = false;  ///< head shares the token embedding; needs one stage with both ends
  double dropout = 0.0;    ///< drawn from the microbatch's own generator
};

/// Blocks [first_block, end_block) of the model. The first stage also embeds, the last also holds
/// the final LayerNorm, the head and the loss.
struct stage_span {
  int64_t first_block = 0;
  int64_t end_block = 0;
  bool first = true;
  bool last = true;
};

/// Where one parameter lives in a stage's flat vector. Offsets and sizes in elements; offsets are
/// multiples of `parameter_alignment`, the gaps hold zeros.
struct parameter_slot {
  std::string name;  ///< GPT-2's names, e.g. "h.3.attn.c_attn.weight"
  std::vector<int64_t> shape;
  int64_t offset = 0;
  int64_t size = 0;
  bool decays = false;  ///< matrices decay, vectors do not
};

/// Elements; 64 bytes of f32, so that any slice that starts on it can be shipped by reference.
inline constexpr int64_t parameter_alignment = 16;

/// The order is the model's: embeddings, blocks, final norm, head. Independent of the partition:
/// a parameter has the same name, shape and initial value whatever stage holds it.
std::vector<parameter_slot> parameter_layout(const model_config& model, const stage_span& span);

/// Elements of the flat vector that `layout` describes, padded at the end.
int64_t flat_size(const std::vector<parameter_slot>& layout);

/// Forward FLOP per token of one block, of the embedding and of the head with its norm and loss.
double block_flop(const model_config& model);
double head_flop(const model_config& model);

/// Largest values `validate` lets through: beyond them offsets or buffers stop being sensible.
inline constexpr int64_t layers_max = 1024;
inline constexpr int64_t heads_max = 1024;
inline constexpr int64_t width_max = 65536;
inline constexpr int64_t context_max = 1 << 20;
inline constexpr int64_t vocabulary_max = 1 << 24;

/// What is wrong with this model or with cutting it into `stages`, and what to do, as a sentence;
/// nothing when both are fine.
std::optional<std::string> validate(const model_config& model, int64_t stages = 1);

/// Cuts the model into contiguous stages so that the costliest stage is as cheap as possible.
/// `block_costs` (one per layer) may be measured seconds; empty means counted FLOP. The last stage
/// also pays `head_cost`; negative means the head's share by FLOP. Embedding is free. Among equally
/// good cuts the most even one is taken. Precondition: 1 <= stages <= layers.
std::vector<stage_span> partition(const model_config& model, int64_t stages,
                                  const std::vector<double>& block_costs = {},
                                  double head_cost = -1.0);

}  // namespace swarm::tensors
