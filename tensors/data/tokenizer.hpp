#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace swarm::tensors {

/// One token per byte, so any file is a corpus and nothing has to be trained or downloaded.
inline constexpr int64_t byte_vocabulary = 256;

std::vector<uint16_t> encode_bytes(std::string_view text);

/// Tokens beyond `byte_vocabulary` (of a model with a larger vocabulary) become '?'.
std::string decode_bytes(const std::vector<uint16_t>& tokens);

}  // namespace swarm::tensors
