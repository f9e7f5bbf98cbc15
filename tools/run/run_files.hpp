#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "actors/identity/join_token.hpp"
#include "actors/identity/run_description.hpp"
#include "tensors/data/corpus.hpp"
#include "tools/options/run_options.hpp"

/// The files of a run, and what they say as the options that programs work with.
///
/// - DIR/run.key: the run's secret; signs descriptions and tokens, needed for new peers only.
/// - DIR/run.ca: the run's authority.
/// - DIR/run.swarm: the signed description.
/// - DIR/peer-N.token: one per peer.
namespace swarm::tools {

/// Peers of one keygen.
inline constexpr int64_t tokens_max = 4096;

/// BLAKE2b-128 of all tokens, hexadecimal.
std::string corpus_hash(const tensors::corpus& data);

identity::run_description describe(const run_options& options, const tensors::corpus& data,
                                   const std::string& name, int64_t unix_ms);

/// What differs from place to place (data, workers, in-flight, out ...) stays as it is.
void apply(const identity::run_description& run, run_options& options);

struct new_run {
  std::string folder;
  std::string name;
  int64_t peers = 1;
  int64_t valid_s = 0;
  std::vector<std::string> addresses;  ///< into the tokens
};

/// Makes all files of a run. A sentence when one of them is there already or cannot be written;
/// then the folder's files are as they were. Preconditions: the limits of a token's name and
/// addresses (actors/identity/join_token.hpp).
std::optional<std::string> make_run(const new_run& what, const run_options& options,
                                    const tensors::corpus& data, int64_t unix_ms);

/// Adds tokens to a run, with the lowest numbers of which the folder has none. The numbers, or a
/// sentence. The run's name is the description's.
std::variant<std::vector<int64_t>, std::string> add_tokens(const new_run& what, int64_t unix_ms);

/// A token: the line itself, or a file that holds it.
std::variant<identity::join_token, std::string> load_token(const std::string& text_or_file,
                                                           int64_t unix_ms);

struct loaded_description {
  identity::run_description run;
  std::string bytes;  ///< as signed
};
/// DIR/run.swarm, signed by this key; without one, by whoever signed it.
std::variant<loaded_description, std::string> load_description(
    const std::string& file, const std::optional<identity::public_key>& run_key);

std::string token_file(const std::string& folder, int64_t number);
std::string description_file(const std::string& folder);

}  // namespace swarm::tools
