#include "tensors/data/tokenizer.hpp"

namespace swarm::tensors {

std::vector<uint16_t> encode_bytes(std::string_view text) {
  std::vector<uint16_t> tokens;
  tokens.reserve(text.size());
  for (char c : text)
    tokens.push_back(static_cast<unsigned char>(c));
  return tokens;
}

std::string decode_bytes(const std::vector<uint16_t>& tokens) {
  std::string text;
  text.reserve(tokens.size());
  for (uint16_t token : tokens) {
    text += token < byte_vocabulary ? static_cast<char>(token) : '?';
  }
  return text;
}

}  // namespace swarm::tensors
