#include "tools/options/run_options.hpp"

#include <algorithm>
#include <cstdio>
#include <new>
#include <sstream>

#include "tensors/engine/cpu_kernels.hpp"
#include "tools/planner/messages.hpp"
#include "tools/report/one_line.hpp"
#include "tools/report/user_path.hpp"

namespace swarm::tools {
namespace {

constexpr int64_t layers_max = 1024;
constexpr int64_t heads_max = 1024;
constexpr int64_t width_max = 65536;
constexpr int64_t context_max = 65536;
constexpr int64_t vocabulary_max = 65536;  // tokens are 2 bytes
constexpr int64_t rows_max = 65536;
constexpr int64_t microbatches_max = 65536;
constexpr int64_t steps_max = 1000000000;
constexpr double rate_max = 10.0;

void add_model_options(option_table& table, run_options& options) {
  auto& model = options.model;
  table.add(model.layers, "layers", "Transformer blocks of the model.", "blocks", 1, layers_max)
      .add(model.heads, "heads", "Attention heads of a block; must divide --width.", "heads", 1,
           heads_max)
      .add(model.width, "width", "Size of the hidden state.", "floats", 1, width_max)
      .add(model.context, "context", "Length of a sequence.", "tokens", 1, context_max)
      .add(options.vocabulary, "vocabulary", "Tokens the model knows; 0 takes the corpus' own.",
           "tokens", 0, vocabulary_max)
      .add(model.dropout, "dropout", "Share of activations dropped in training.", "", 0.0, 0.99)
      .add(model.bias, "bias", "Biases in Linear and LayerNorm.")
      .add(model.tied_head, "tied-head", "The head shares the token embedding; needs --stages=1.");
}

void add_optimizer_options(option_table& table, tensors::optimizer_config& optimizer) {
  table
      .add(optimizer.learning_rate, "lr", "AdamW's learning rate after the warm-up.", "", 0.0,
           rate_max)
      .add(optimizer.learning_rate_min, "lr-min", "Learning rate after the cosine decay.", "", 0.0,
           rate_max)
      .add(optimizer.warmup_steps, "warmup", "Steps of linear warm-up.", "steps", 0, steps_max)
      .add(optimizer.decay_steps, "decay-steps",
           "Step at which --lr-min is reached; when not given, --steps, or --warmup if that is "
           "more.",
           "steps", 0, steps_max)
      .add(optimizer.beta1, "beta1", "AdamW's decay of the first moment.", "", 0.0, 0.999999)
      .add(optimizer.beta2, "beta2", "AdamW's decay of the second moment.", "", 0.0, 0.999999)
      .add(optimizer.epsilon, "epsilon", "AdamW's term against division by zero.", "", 1e-12, 1.0)
      .add(optimizer.weight_decay, "weight-decay", "AdamW's decay of matrices.", "", 0.0, rate_max)
      .add(optimizer.clip_norm, "clip", "Largest norm of the whole gradient; 0: no clipping.", "",
           0.0, 1e6);
}

void add_batch_options(option_table& table, run_options& options) {
  table
      .add(options.data, "data",
           "Corpus: text, gzipped text or .bin token shards, separated by commas; * and ? name "
           "several, sorted.",
           "path")
      .add(options.validation_fraction, "val-fraction",
           "Share of the corpus kept for validation when no validation file is named.", "", 0.001,
           0.9)
      .add(options.seed, "seed", "Seed of weights, batches and dropout.", "", 0, INT64_MAX)
      .add(options.steps, "steps", "Optimizer steps to train.", "steps", 1, steps_max)
      .add(options.rows, "rows", "Sequences of a microbatch.", "sequences", 1, rows_max)
      .add(options.microbatches, "microbatches", "Microbatches of a step; the global batch.",
           "microbatches", 1, microbatches_max);
}

void add_evaluation_options(option_table& table, run_options& options) {
  table
      .add(options.eval_every, "eval-every",
           "Steps between validations; 0 validates after the last step only.", "steps", 0,
           steps_max)
      .add(options.eval_batches, "eval-batches", "Microbatches of a validation.", "microbatches", 1,
           microbatches_max);
}

void add_stage_options(option_table& table, run_options& options) {
  table.add(options.stages, "stages", "Pipeline stages; at most --layers.", "stages", 1, layers_max)
      .add(options.reproducible, "reproducible",
           "The same bits under any schedule, with any number of processes and threads, on any "
           "machine that has the run's --kernels.")
      .add(options.kernels, "kernels",
           "Instructions that all processes of a reproducible run compute with: baseline, avx2 or "
           "avx512 on x86-64, armv8 on ARM; when not given, " +
               tensors::default_kernels() + ".");
}

void add_output_options(option_table& table, run_options& options) {
  table.add(options.out, "out", "Folder for results; an empty one writes no files.", "path")
      .add(options.json, "json", "Prints the result as one JSON object in the last line.")
      .add(options.check, "check", "Ends with 1 when a claim about the result does not hold.")
      .add(options.smoke, "smoke", "Runs the small size that the test suite runs.");
}

std::string flag(const char* name, int64_t value) {
  return std::string{"--"} + name + "=" + std::to_string(value);
}

double parameters(const run_options& options) {
  const auto& model = options.model;
  const auto width = static_cast<double>(model.width);
  const auto vocabulary =
      static_cast<double>(options.vocabulary == 0 ? model.vocabulary : options.vocabulary);
  const double block = 12 * width * width + 13 * width;
  const double embeddings = (vocabulary + static_cast<double>(model.context)) * width;
  const double head = model.tied_head ? 0 : vocabulary * width;
  return static_cast<double>(model.layers) * block + embeddings + head;
}

/// Floats a microbatch leaves behind for its backward.
double activation_floats(const run_options& options) {
  const auto& model = options.model;
  const auto tokens = static_cast<double>(options.rows) * static_cast<double>(model.context);
  const auto vocabulary =
      static_cast<double>(options.vocabulary == 0 ? model.vocabulary : options.vocabulary);
  // Per block and token: 16 hidden states and the scores before and after the softmax.
  const double per_block =
      16.0 * static_cast<double>(model.width) +
      2.0 * static_cast<double>(model.heads) * static_cast<double>(model.context);
  return tokens * (static_cast<double>(model.layers) * per_block + 2.0 * vocabulary);
}

double activation_bytes(const run_options& options) {
  const bool single = options.scope == run_scope::single;
  return activation_floats(options) * 4.0 * static_cast<double>(single ? 1 : options.in_flight);
}

/// Precondition: check_stages has nothing to say.
std::optional<std::string> check_messages(const run_options& options) {
  if (options.scope == run_scope::single) return std::nullopt;
  planner::message_sizes sizes{options.model,        options.stages,
                               options.rows,         options.in_flight,
                               options.reproducible, options.scope != run_scope::swarm};
  if (options.vocabulary != 0) sizes.model.vocabulary = options.vocabulary;
  // Nothing further is in flight than there is in a step.
  sizes.in_flight = std::min(sizes.in_flight, options.microbatches);
  return planner::check_messages(sizes);
}

/// The limits are known, but not what else of the process takes of them meanwhile.
std::variant<tensors::corpus, tensors::data_error> load_within_memory(
    const tensors::corpus_source& source) {
  try {
    return tensors::load_corpus(source);
  } catch (const std::bad_alloc&) {
    auto error = tensors::make_data_error(tensors::data_errc::out_of_memory, source.path, "");
    error.bytes_needed = tensors::memory_needed_bytes(source);
    return error;
  }
}

std::optional<std::string> check_stages(const run_options& options) {
  const auto& model = options.model;
  if (options.scope == run_scope::single) return std::nullopt;
  if (options.stages > model.layers) {
    return flag("stages", options.stages) + " is more than " + flag("layers", model.layers) +
           ": each stage needs a block of its own.";
  }
  if (model.tied_head && options.stages > 1) {
    return "--tied-head needs --stages=1, not " + flag("stages", options.stages) +
           ": the embedding and the head lie in different stages.";
  }
  if (options.scope != run_scope::described && options.stages * options.workers > run_workers_max) {
    return flag("stages", options.stages) + " times " + flag("workers", options.workers) +
           " is more than " + std::to_string(run_workers_max) + " workers.";
  }
  return std::nullopt;
}

/// What --kernels gets wrong.
std::optional<std::string> check_kernels(const run_options& options) {
  if (options.kernels.empty()) return std::nullopt;
  const auto given = "--kernels=" + one_line(options.kernels);
  std::string all;
  bool known = false;
  for (const auto& name : tensors::known_kernels()) {
    all += (all.empty() ? "" : ", ") + name;
    known = known || name == options.kernels;
  }
  if (!known) return given + " is none of " + all + ".";
  if (!options.reproducible) {
    return given + " needs --reproducible: without it every process takes the fastest that it has.";
  }
  return std::nullopt;
}

}  // namespace

void add_worker_options(option_table& table, run_options& options) {
  table.add(options.workers, "workers", "Workers of each stage.", "workers", 1, run_workers_max)
      .add(options.in_flight, "in-flight", "Microbatches in the pipeline at a time.",
           "microbatches", 1, microbatches_max);
}

void add_description_options(option_table& table, run_options& options) {
  add_model_options(table, options);
  add_optimizer_options(table, options.optimizer);
  add_batch_options(table, options);
  add_stage_options(table, options);
  // Not before the end of the warm-up, which would be an error.
  table.add_derived_default("decay-steps", "--steps", [&options] {
    return std::max(options.steps, options.optimizer.warmup_steps);
  });
  table.add_check([&options] { return check(options); });
}

void add_run_options(option_table& table, run_options& options) {
  add_description_options(table, options);
  add_worker_options(table, options);
  add_evaluation_options(table, options);
  add_output_options(table, options);
}

double estimate_memory_bytes(const run_options& options) {
  if (options.scope == run_scope::described) return 0;
  const bool single = options.scope == run_scope::single;
  // Weights, two moments, the gradient and its sum; the sum has 8 bytes in reproducible mode.
  const double bytes_per_parameter = options.reproducible ? 24 : 20;
  const auto copies = static_cast<double>(single ? 1 : options.workers);
  return parameters(options) * bytes_per_parameter * copies + activation_bytes(options);
}

std::string kernels_of(const run_options& options) {
  if (!options.reproducible) return "";
  return options.kernels.empty() ? tensors::default_kernels() : options.kernels;
}

std::optional<std::string> check(const run_options& options, const memory_limit& memory) {
  if (auto why = check_kernels(options)) return why;
  const auto& model = options.model;
  const auto& optimizer = options.optimizer;
  if (options.data.empty()) return "--data names no file; give a text or a .bin token shard.";
  if (model.width % model.heads != 0) {
    return flag("width", model.width) + " is not a multiple of " + flag("heads", model.heads) + ".";
  }
  if (auto sentence = check_stages(options)) return sentence;
  if (auto sentence = check_messages(options)) return sentence;
  if (optimizer.learning_rate_min > optimizer.learning_rate) {
    return "--lr-min=" + to_config_text(optimizer.learning_rate_min) +
           " is more than --lr=" + to_config_text(optimizer.learning_rate) + ".";
  }
  if (optimizer.decay_steps < optimizer.warmup_steps) {
    return flag("decay-steps", optimizer.decay_steps) + " lies before the end of " +
           flag("warmup", optimizer.warmup_steps) + ".";
  }
  const double needed = estimate_memory_bytes(options);
  if (needed > memory.bytes) {
    const bool single = options.scope == run_scope::single;
    const bool state_dominates = needed > 2 * activation_bytes(options);
    std::string lower = state_dominates ? "--width, --layers or --vocabulary"
                                        : "--rows, --context, --layers or --width";
    if (!single) lower = (state_dominates ? "--workers, " : "--in-flight, ") + lower;
    return "The run needs about " + bytes_text(needed) + " of memory and " + to_text(memory) +
           "; lower " + lower + ".";
  }
  return std::nullopt;
}

std::optional<std::string> check(const run_options& options) {
  return check(options,
               options.scope == run_scope::processes ? shared_memory_limit() : this_memory_limit());
}

std::variant<tensors::corpus, std::string> load_run_corpus(run_options& options) {
  tensors::corpus_source source;
  std::istringstream parts{options.data};
  for (std::string part; std::getline(parts, part, ',');) {
    const auto paths = user_paths(part);
    if (paths.empty()) return "--data: no file matches '" + one_line(part) + "'.";
    for (const auto& path : paths)
      source.path += (source.path.empty() ? "" : ",") + path;
  }
  source.validation_fraction = options.validation_fraction;
  source.context = options.model.context;
  source.vocabulary = options.vocabulary;
  const auto memory = this_memory_limit();
  source.memory_bytes_max = memory.bytes;
  auto loaded = load_within_memory(source);
  if (const auto* error = std::get_if<tensors::data_error>(&loaded)) {
    std::string flags = "--data";
    if (error->code == tensors::data_errc::too_short) {
      flags = flag("context", options.model.context) + ", --data";
    } else if (error->code == tensors::data_errc::token_out_of_range) {
      flags = flag("vocabulary", options.vocabulary) + ", --data";
    } else if (error->code == tensors::data_errc::out_of_memory) {
      return "--data: '" + one_line(options.data) + "' needs " + bytes_text(error->bytes_needed) +
             " of memory and " + to_text(memory) + "; name fewer or smaller files.";
    }
    std::string sentence = flags + ": " + one_line(error->message);
    if (error->code == tensors::data_errc::unreadable && options.data == default_corpus_path) {
      sentence.back() = ',';
      sentence += std::string{" or run: apt-get install "} + default_corpus_package + ".";
    }
    return sentence;
  }
  auto& data = std::get<tensors::corpus>(loaded);
  for (const auto& note : data.notes())
    std::fprintf(stderr, "--data: %s\n", one_line(note).c_str());
  options.model.vocabulary = options.vocabulary == 0 ? data.vocabulary() : options.vocabulary;
  if (auto sentence = check(options)) return *sentence;
  return data;
}

}  // namespace swarm::tools
