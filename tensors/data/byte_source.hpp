#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tensors/data/data_error.hpp"

namespace swarm::tensors {

/// Takes a piece of a file; an error ends the reading and is its outcome.
using byte_sink = std::function<std::optional<data_error>(std::string_view piece)>;

/// Hands a file's bytes over piece by piece, unpacked if it is gzipped. The first piece has
/// `file_head_bytes` (file_kind.hpp) unless the file is shorter. `notes` gets what the user should
/// know.
std::optional<data_error> read_pieces(const std::string& path, const byte_sink& sink,
                                      std::vector<std::string>& notes);

/// "'path'".
std::string quoted(const std::string& path);

}  // namespace swarm::tensors
