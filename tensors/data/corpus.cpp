#include "tensors/data/corpus.hpp"

#include <algorithm>
#include <cassert>
#include <filesystem>
#include <sstream>

#include "tensors/data/token_file.hpp"
#include "tensors/data/tokenizer.hpp"

namespace swarm::tensors {
namespace {

using tokens = std::vector<uint16_t>;

std::vector<std::string> split_paths(const std::string& path) {
  std::vector<std::string> result;
  std::istringstream stream{path};
  for (std::string part; std::getline(stream, part, ',');) {
    if (!part.empty()) result.push_back(part);
  }
  return result;
}

std::string base_name(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

bool is_shard(const std::string& name) {
  return name.find(".bin") != std::string::npos;
}

bool is_validation_shard(const std::string& path) {
  const auto name = base_name(path);
  return is_shard(name) &&
         (name.rfind("val.bin", 0) == 0 || name.find("_val_") != std::string::npos ||
          name.find("_val.bin") != std::string::npos);
}

/// The validation shard that belongs to a training shard; empty when there is none.
std::string validation_sibling(const std::string& path) {
  const auto name = base_name(path);
  const auto at = name.rfind("train");
  if (!is_shard(name) || at == std::string::npos) return "";
  const auto folder = path.substr(0, path.size() - name.size());
  const auto front = folder + name.substr(0, at) + "val";
  const auto back = name.substr(at + std::string{"train"}.size());
  for (const auto& candidate : {front + back, front + "_000000.bin"}) {
    std::error_code error;
    if (std::filesystem::is_regular_file(candidate, error)) return candidate;
  }
  return "";
}

struct sources {
  std::vector<std::string> train;
  std::vector<std::string> validation;
};

sources sort_sources(const std::string& path) {
  sources result;
  for (const auto& part : split_paths(path)) {
    (is_validation_shard(part) ? result.validation : result.train).push_back(part);
  }
  // Validation shards alone are a corpus like any other.
  if (result.train.empty()) std::swap(result.train, result.validation);
  if (result.validation.empty() && !result.train.empty()) {
    const auto sibling = validation_sibling(result.train.front());
    if (!sibling.empty()) result.validation.push_back(sibling);
  }
  return result;
}

double expected_bytes(const std::vector<std::string>& paths) {
  double sum = 0;
  for (const auto& path : paths)
    sum += static_cast<double>(expected_tokens(path)) * sizeof(tokens::value_type);
  return sum;
}

/// Reads the files one after the other; `held` is what is in memory already.
std::variant<token_file, data_error> read_all(const std::vector<std::string>& paths, int64_t held,
                                              const corpus_source& source) {
  token_file result;
  const double memory =
      source.memory_bytes_max - static_cast<double>(held) * sizeof(tokens::value_type);
  const auto expected = static_cast<int64_t>(expected_bytes(paths) / sizeof(tokens::value_type));
  // At once: a vector that grows needs its size twice. A size may be a lie.
  if (expected <= source.tokens_max) result.tokens.reserve(static_cast<size_t>(expected));
  for (const auto& path : paths) {
    const auto left = source.tokens_max - held - static_cast<int64_t>(result.tokens.size());
    if (auto error = read_token_file(path, {left, memory}, result)) return std::move(*error);
  }
  return result;
}

int64_t largest(const tokens& values) {
  return values.empty() ? -1 : *std::max_element(values.begin(), values.end());
}

uint64_t mix(uint64_t state) {
  state += 0x9e3779b97f4a7c15u;
  state = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9u;
  state = (state ^ (state >> 27)) * 0x94d049bb133111ebu;
  return state ^ (state >> 31);
}

/// floor(fraction * count / 2^64).
int64_t scale(uint64_t fraction, uint64_t count) {
  return static_cast<int64_t>((static_cast<unsigned __int128>(fraction) * count) >> 64);
}

uint64_t reverse_bits(uint64_t value) {
  uint64_t result = 0;
  for (int i = 0; i < 64; ++i)
    result |= ((value >> i) & 1) << (63 - i);
  return result;
}

/// Starts of a window and its target in a split of that many tokens.
uint64_t places(int64_t split_tokens, int64_t context) {
  assert(context >= 1 && split_tokens > context);
  return static_cast<uint64_t>(split_tokens - context);
}

template <class OffsetOfRow>
batch gather(const tokens& split, int64_t rows, int64_t context, OffsetOfRow offset_of_row) {
  assert(rows >= 1);
  void* input_bytes = nullptr;
  void* target_bytes = nullptr;
  batch result{host_tensor::allocate(dtype::i32, {rows, context}, &input_bytes),
               host_tensor::allocate(dtype::i32, {rows, context}, &target_bytes)};
  auto* inputs = static_cast<int32_t*>(input_bytes);
  auto* targets = static_cast<int32_t*>(target_bytes);
  for (int64_t row = 0; row < rows; ++row) {
    const auto* window = split.data() + offset_of_row(row);
    std::copy_n(window, context, inputs + row * context);
    std::copy_n(window + 1, context, targets + row * context);
  }
  return result;
}

data_error short_split(const char* name, size_t held, int64_t context) {
  return make_data_error(data_errc::too_short, std::string{"the "} + name + " split",
                         std::to_string(held) + " tokens, and a context of " +
                             std::to_string(context) + " needs " + std::to_string(context + 1));
}

}  // namespace

corpus::corpus(std::vector<uint16_t> train, std::vector<uint16_t> validation, int64_t vocabulary)
    : train_(std::make_shared<const tokens>(std::move(train))),
      validation_(std::make_shared<const tokens>(std::move(validation))),
      vocabulary_(vocabulary) {}

double memory_needed_bytes(const corpus_source& source) {
  const auto files = sort_sources(source.path);
  double needed = expected_bytes(files.train) + expected_bytes(files.validation);
  // The validation split is cut off into storage of its own.
  if (files.validation.empty()) needed *= 1 + source.validation_fraction;
  return needed;
}

std::variant<corpus, data_error> load_corpus(const corpus_source& source) {
  if (!(source.validation_fraction > 0 && source.validation_fraction < 1)) {
    return make_data_error(data_errc::bad_fraction, "", std::to_string(source.validation_fraction));
  }
  const auto files = sort_sources(source.path);
  if (files.train.empty()) {
    return make_data_error(data_errc::unreadable, "'" + source.path + "'", "no file is named");
  }
  if (const auto needed = memory_needed_bytes(source); needed > source.memory_bytes_max) {
    auto error = make_data_error(data_errc::out_of_memory, "'" + source.path + "'", "");
    error.bytes_needed = needed;
    return error;
  }
  auto train_read = read_all(files.train, 0, source);
  if (auto* error = std::get_if<data_error>(&train_read)) return *error;
  auto& train_file = std::get<token_file>(train_read);
  auto train = std::move(train_file.tokens);
  auto validation_read = read_all(files.validation, static_cast<int64_t>(train.size()), source);
  if (auto* error = std::get_if<data_error>(&validation_read)) return *error;
  auto& validation_file = std::get<token_file>(validation_read);
  auto validation = std::move(validation_file.tokens);
  const bool only_text = train_file.is_text && validation_file.is_text;
  auto notes = std::move(train_file.notes);
  notes.insert(notes.end(), validation_file.notes.begin(), validation_file.notes.end());
  if (train.empty()) return make_data_error(data_errc::empty, "'" + source.path + "'", "");
  if (files.validation.empty()) {
    const auto cut = train.begin() + static_cast<int64_t>(static_cast<double>(train.size()) *
                                                          (1.0 - source.validation_fraction));
    validation.assign(cut, train.end());
    train.erase(cut, train.end());
  }
  if (static_cast<int64_t>(train.size()) <= source.context) {
    return short_split("training", train.size(), source.context);
  }
  if (static_cast<int64_t>(validation.size()) <= source.context) {
    return short_split("validation", validation.size(), source.context);
  }
  const int64_t largest_token = std::max(largest(train), largest(validation));
  const int64_t vocabulary = only_text ? byte_vocabulary : largest_token + 1;
  if (source.vocabulary != 0 && largest_token >= source.vocabulary) {
    return make_data_error(data_errc::token_out_of_range, "'" + source.path + "'",
                           "token " + std::to_string(largest_token) + ", vocabulary " +
                               std::to_string(source.vocabulary));
  }
  corpus result{std::move(train), std::move(validation), vocabulary};
  result.set_notes(std::move(notes));
  return result;
}

int64_t microbatch_offset(int64_t split_tokens, uint64_t seed, int64_t step, int64_t index,
                          int64_t row, int64_t context) {
  uint64_t state = mix(seed);
  for (int64_t counter : {step, index, row})
    state = mix(state ^ static_cast<uint64_t>(counter));
  return scale(state, places(split_tokens, context));
}

int64_t validation_offset(int64_t split_tokens, int64_t window, int64_t context) {
  return scale(reverse_bits(static_cast<uint64_t>(window)), places(split_tokens, context));
}

batch microbatch(const corpus& data, uint64_t seed, int64_t step, int64_t index, int64_t rows,
                 int64_t context) {
  const auto size = static_cast<int64_t>(data.train().size());
  return gather(data.train(), rows, context, [&](int64_t row) {
    return microbatch_offset(size, seed, step, index, row, context);
  });
}

batch validation_batch(const corpus& data, int64_t index, int64_t rows, int64_t context) {
  const auto size = static_cast<int64_t>(data.validation().size());
  return gather(data.validation(), rows, context,
                [&](int64_t row) { return validation_offset(size, index * rows + row, context); });
}

}  // namespace swarm::tensors
