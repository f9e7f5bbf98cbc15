#pragma once

#include <cstdint>
#include <string>

namespace swarm::tensors {

/// What can be wrong with a corpus.
enum class data_errc : uint8_t {
  unreadable = 1,
  empty,
  too_short,
  too_large,
  truncated_gzip,
  corrupt_gzip,
  odd_size,
  wrong_header,
  unsupported_version,
  token_out_of_range,
  bad_fraction,
  foreign_format,  ///< neither text nor token shards; `remedy` is the message's own
  out_of_memory,   ///< `bytes_needed` says for what
};

/// A sentence that says what is wrong, and one that says what to do.
const char* sentence(data_errc code);
const char* remedy(data_errc code);

/// `message` is one line: the file, what is wrong with the numbers, and what to do.
struct data_error {
  data_errc code;
  std::string message;
  double bytes_needed = 0;  ///< of memory, with `out_of_memory`
};

/// `where` names the file or the split, `detail` the numbers; either may be empty.
data_error make_data_error(data_errc code, const std::string& where, const std::string& detail);

}  // namespace swarm::tensors
