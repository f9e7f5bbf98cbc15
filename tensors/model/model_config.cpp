#include "tensors/model/model_config.hpp"

#include <cassert>
#include <limits>
#include <numeric>
#include <sstream>

namespace swarm::tensors {

namespace {

int64_t round_up(int64_t value) {
  return (value + parameter_alignment - 1) / parameter_alignment * parameter_alignment;
}

class layout_builder {
 public:
  void add(const std::string& name, std::vector<int64_t> shape) {
    parameter_slot slot;
    slot.name = name;
    slot.offset = end_;
    slot.size = std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<int64_t>());
    slot.decays = shape.size() >= 2;
    slot.shape = std::move(shape);
    end_ = round_up(end_ + slot.size);
    slots_.push_back(std::move(slot));
  }

  void add_norm(const std::string& name, const model_config& model) {
    add(name + ".weight", {model.width});
    if (model.bias) add(name + ".bias", {model.width});
  }

  void add_linear(const std::string& name, const model_config& model, int64_t out, int64_t in) {
    add(name + ".weight", {out, in});
    if (model.bias) add(name + ".bias", {out});
  }

  std::vector<parameter_slot> take() { return std::move(slots_); }

 private:
  std::vector<parameter_slot> slots_;
  int64_t end_ = 0;
};

/// best[s][e]: the least value of `combine` over the cuts of the first `e` blocks into `s` stages.
/// `stage(first, end)` is one stage's cost, negative when the stage is not allowed.
template <class Stage, class Combine>
std::vector<std::vector<int64_t>> best_cuts(int64_t layers, int64_t stages, Stage stage,
                                            Combine combine, double* best_value) {
  const double none = std::numeric_limits<double>::infinity();
  std::vector<std::vector<double>> best(stages + 1, std::vector<double>(layers + 1, none));
  std::vector<std::vector<int64_t>> cut(stages + 1, std::vector<int64_t>(layers + 1, 0));
  best[0][0] = 0.0;
  for (int64_t s = 1; s <= stages; ++s) {
    for (int64_t end = s; end <= layers - (stages - s); ++end) {
      for (int64_t first = s - 1; first < end; ++first) {
        const double cost = stage(first, end);
        if (cost < 0 || best[s - 1][first] == none) continue;
        const double value = combine(best[s - 1][first], cost);
        if (value < best[s][end]) {
          best[s][end] = value;
          cut[s][end] = first;
        }
      }
    }
  }
  *best_value = best[stages][layers];
  return cut;
}

}  // namespace

std::vector<parameter_slot> parameter_layout(const model_config& model, const stage_span& span) {
  layout_builder builder;
  const int64_t d = model.width;
  if (span.first) {
    builder.add("wte.weight", {model.vocabulary, d});
    builder.add("wpe.weight", {model.context, d});
  }
  for (int64_t block = span.first_block; block < span.end_block; ++block) {
    const std::string prefix = "h." + std::to_string(block);
    builder.add_norm(prefix + ".ln_1", model);
    builder.add_linear(prefix + ".attn.c_attn", model, 3 * d, d);
    builder.add_linear(prefix + ".attn.c_proj", model, d, d);
    builder.add_norm(prefix + ".ln_2", model);
    builder.add_linear(prefix + ".mlp.c_fc", model, 4 * d, d);
    builder.add_linear(prefix + ".mlp.c_proj", model, d, 4 * d);
  }
  if (span.last) {
    builder.add_norm("ln_f", model);
    if (!model.tied_head) builder.add("lm_head.weight", {model.vocabulary, d});
  }
  return builder.take();
}

int64_t flat_size(const std::vector<parameter_slot>& layout) {
  return layout.empty() ? 0 : round_up(layout.back().offset + layout.back().size);
}

double block_flop(const model_config& model) {
  const auto d = static_cast<double>(model.width);
  const auto context = static_cast<double>(model.context);
  return 24.0 * d * d + 4.0 * context * d;
}

double head_flop(const model_config& model) {
  const auto d = static_cast<double>(model.width);
  const auto vocabulary = static_cast<double>(model.vocabulary);
  return 2.0 * d * vocabulary + 5.0 * d + 5.0 * vocabulary;
}

std::vector<stage_span> partition(const model_config& model, int64_t stages,
                                  const std::vector<double>& block_costs, double head_cost) {
  const int64_t layers = model.layers;
  assert(stages >= 1 && stages <= layers);
  assert(block_costs.empty() || static_cast<int64_t>(block_costs.size()) == layers);
  std::vector<double> costs = block_costs;
  if (costs.empty()) {
    costs.assign(layers, block_flop(model));
    if (head_cost < 0) head_cost = head_flop(model);
  } else if (head_cost < 0) {
    const double mean = std::accumulate(costs.begin(), costs.end(), 0.0) / costs.size();
    head_cost = mean * head_flop(model) / block_flop(model);
  }
  std::vector<double> prefix(layers + 1, 0.0);
  std::partial_sum(costs.begin(), costs.end(), prefix.begin() + 1);
  const auto stage_cost = [&](int64_t first, int64_t end) {
    return prefix[end] - prefix[first] + (end == layers ? head_cost : 0.0);
  };
  double bottleneck = 0;
  best_cuts(
      layers, stages, stage_cost, [](double a, double b) { return a > b ? a : b; }, &bottleneck);
  // Among the cuts with that bottleneck, the most even one.
  const double allowed = bottleneck * (1 + 1e-9);
  double unused = 0;
  const auto cuts = best_cuts(
      layers, stages,
      [&](int64_t first, int64_t end) {
        const double cost = stage_cost(first, end);
        return cost <= allowed ? cost : -1.0;
      },
      [](double a, double b) { return a + b * b; }, &unused);
  std::vector<stage_span> spans(stages);
  int64_t end = layers;
  for (int64_t s = stages; s >= 1; --s) {
    spans[s - 1] = {cuts[s][end], end, s == 1, s == stages};
    end = cuts[s][end];
  }
  return spans;
}

std::optional<std::string> validate(const model_config& model, int64_t stages) {
  std::ostringstream sentence;
  const auto outside = [&](const char* what, int64_t value, int64_t max) {
    if (value >= 1 && value <= max) return false;
    sentence << what << " is " << value << "; choose 1 to " << max << ".";
    return true;
  };
  if (outside("The number of layers", model.layers, layers_max) ||
      outside("The number of heads", model.heads, heads_max) ||
      outside("The width", model.width, width_max) ||
      outside("The context", model.context, context_max) ||
      outside("The vocabulary", model.vocabulary, vocabulary_max)) {
    return sentence.str();
  }
  if (model.width % model.heads != 0) {
    sentence << "The width " << model.width << " is not a multiple of the " << model.heads
             << " heads; choose a width they divide.";
    return sentence.str();
  }
  if (!(model.dropout >= 0.0 && model.dropout < 1.0)) {
    sentence << "Dropout is " << model.dropout << "; choose 0 or more, and less than 1.";
    return sentence.str();
  }
  if (stages < 1 || stages > model.layers) {
    sentence << "The model has " << model.layers << " layers and cannot be cut into " << stages
             << " stages; choose 1 to " << model.layers << ".";
    return sentence.str();
  }
  if (model.tied_head && stages > 1) {
    return "A tied head needs one stage with both ends of the model; untie it or use one stage.";
  }
  return std::nullopt;
}

}  // namespace swarm::tensors
