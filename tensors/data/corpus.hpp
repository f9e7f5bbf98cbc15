#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "tensors/codec/host_tensor.hpp"
#include "tensors/data/data_error.hpp"

namespace swarm::tensors {

/// Most tokens of a whole corpus; 2 bytes each in memory.
inline constexpr int64_t corpus_tokens_max = int64_t{1} << 31;

/// Share of the tokens that validation gets when no validation file is named; nanoGPT's.
inline constexpr double validation_fraction_default = 0.1;

struct corpus_source {
  /// One file, or several separated by commas. Among shards, the name "val.bin" and names that end
  /// in "_val.bin" or hold "_val_" are validation. A shard named with "train" takes its validation
  /// from the sibling named with "val" (nanoGPT's train.bin and val.bin, llm.c's X_train.bin and
  /// X_val.bin, X_train_000001.bin and X_val_000000.bin) if there is one and none is listed.
  std::string path;
  double validation_fraction = validation_fraction_default;
  int64_t context = 1;     ///< each split must hold one window: context + 1 tokens
  int64_t vocabulary = 0;  ///< tokens must lie below it; 0: whatever the corpus holds
  int64_t tokens_max = corpus_tokens_max;
  /// What the tokens may take of it while they are read.
  double memory_bytes_max = std::numeric_limits<double>::infinity();
};

/// Tokens in two disjoint splits. Immutable; copying it copies a handle.
class corpus {
 public:
  /// Neither split may be empty for the batch functions below.
  corpus(std::vector<uint16_t> train, std::vector<uint16_t> validation, int64_t vocabulary);

  const std::vector<uint16_t>& train() const { return *train_; }
  const std::vector<uint16_t>& validation() const { return *validation_; }

  /// 256 for text, the largest token plus one for shards.
  int64_t vocabulary() const { return vocabulary_; }

  /// What the reader found worth a word though it is no error, a sentence each.
  const std::vector<std::string>& notes() const { return notes_; }
  void set_notes(std::vector<std::string> notes) { notes_ = std::move(notes); }

 private:
  std::shared_ptr<const std::vector<uint16_t>> train_;
  std::shared_ptr<const std::vector<uint16_t>> validation_;
  int64_t vocabulary_ = 0;
  std::vector<std::string> notes_;
};

/// Reads the whole corpus into memory. Without validation files the last `validation_fraction` of
/// the tokens is validation.
std::variant<corpus, data_error> load_corpus(const corpus_source& source);

/// What loading it takes, by the sizes of its files.
double memory_needed_bytes(const corpus_source& source);

/// i32 [rows, context] each; targets are the inputs one token later.
struct batch {
  host_tensor inputs;
  host_tensor targets;
};

/// Microbatch `index` of optimizer step `step`: a pure function of its arguments, the same on every
/// platform. Each row is a window of the training split that starts at a uniformly random place,
/// drawn with replacement (as nanoGPT's get_batch): place = hash(seed, step, index, row) * places
/// / 2^64, where hash chains SplitMix64's finalizer (Steele et al. 2014) over the four numbers.
/// Precondition: the split holds context + 1 tokens.
batch microbatch(const corpus& data, uint64_t seed, int64_t step, int64_t index, int64_t rows,
                 int64_t context);

/// Batch `index` of the validation windows, the same in every run. Window number w starts at
/// bit_reversal(w) * places / 2^64 (van der Corput): however many batches are used, their windows
/// are spread evenly over the split. Precondition: the split holds context + 1 tokens.
batch validation_batch(const corpus& data, int64_t index, int64_t rows, int64_t context);

/// Where the windows start, for those who keep a record of what was trained on.
int64_t microbatch_offset(int64_t tokens, uint64_t seed, int64_t step, int64_t index, int64_t row,
                          int64_t context);
int64_t validation_offset(int64_t tokens, int64_t window, int64_t context);

}  // namespace swarm::tensors
