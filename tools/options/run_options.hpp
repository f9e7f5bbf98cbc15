#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "tensors/data/corpus.hpp"
#include "tensors/model/model_config.hpp"
#include "tensors/optim/optimizer_config.hpp"
#include "tools/options/option_table.hpp"
#include "tools/report/memory_limit.hpp"

namespace swarm::tools {

/// The corpus every Debian machine can have: the Jargon File, 1.7 MB of text.
inline constexpr const char* default_corpus_path = "/usr/share/doc/jargon-text/jargon.txt.gz";
inline constexpr const char* default_corpus_package = "jargon-text";

/// Most stages times workers, i.e. compute workers of one run.
inline constexpr int64_t run_workers_max = 4096;

/// Microbatches of a validation, the same for every program, so that one model has one loss.
inline constexpr int64_t run_eval_batches = 20;

/// What of a run a program has on its machine; options that it does not use are not checked.
enum class run_scope {
  swarm,      ///< all stages and all their workers, in this process
  processes,  ///< the same, each in a process of its own
  single,     ///< the whole model in one process: no stages, no workers, nothing in flight
  described,  ///< only the description: the stages are elsewhere
};

/// What a training run is made of. The defaults are the small model that two cores train in
/// minutes; a program may change them before it declares the options.
struct run_options {
  run_scope scope = run_scope::swarm;  ///< the program's; no option

  tensors::model_config model;          ///< its vocabulary is set by `load_run_corpus`
  tensors::optimizer_config optimizer;  ///< without --decay-steps it decays until `steps`

  std::string data = default_corpus_path;  ///< see tensors::corpus_source::path
  double validation_fraction = tensors::validation_fraction_default;
  int64_t vocabulary = 0;  ///< 0: the corpus'

  int64_t seed = 1;
  int64_t steps = 200;
  int64_t rows = 4;          ///< sequences per microbatch
  int64_t microbatches = 8;  ///< per optimizer step

  int64_t stages = 3;
  int64_t workers = 2;    ///< per stage
  int64_t in_flight = 4;  ///< microbatches between their first forward and their last backward
  bool reproducible = false;
  std::string kernels;  ///< level of a reproducible run; empty: see kernels_of

  int64_t eval_every = 0;  ///< steps; 0: only after the last one
  int64_t eval_batches = run_eval_batches;

  std::string out;  ///< folder for results; empty: none are written
  bool json = false;
  bool check = false;
  bool smoke = false;
};

/// Declares what describes a run wherever it runs: model, optimizer, batches, stages, seed; and
/// `check` as the table's check. For a program that leaves the rest at its defaults.
void add_description_options(option_table& table, run_options& options);

/// The workers of each stage and the microbatches in the pipeline.
void add_worker_options(option_table& table, run_options& options);

/// Declares every option above, and `check` as the table's check. What --smoke means is the
/// program's: it adds its own preset.
void add_run_options(option_table& table, run_options& options);

/// The kernel level that every process of the run computes with; empty: each takes the fastest that
/// it has, because the run is not reproducible.
std::string kernels_of(const run_options& options);

/// Bytes of parameters, optimizer state, gradient sums and activations over all workers that the
/// scope has here, by counting; right to within a factor of two.
double estimate_memory_bytes(const run_options& options);

/// What the options get wrong together: a sentence that names the flags. `memory` is what the run
/// may use; nothing is checked against the corpus here.
std::optional<std::string> check(const run_options& options, const memory_limit& memory);

/// The same against what this process may use.
std::optional<std::string> check(const run_options& options);

/// Loads --data and sets the model's vocabulary. On failure one sentence that names the flags, for
/// standard error and `exit_usage`.
std::variant<tensors::corpus, std::string> load_run_corpus(run_options& options);

}  // namespace swarm::tools
