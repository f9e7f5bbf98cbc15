#include "tools/report/printable.hpp"

#include <cstdint>

namespace swarm::tools {
namespace {

constexpr const char* replacement = "\xef\xbf\xbd";
constexpr uint32_t delete_character = 0x7f;
constexpr uint32_t c1_begin = 0x80;
constexpr uint32_t c1_end = 0xa0;

bool continues(const std::string& text, size_t at) {
  return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80;
}

/// Length in bytes of the sequence that begins there, 0 if it is not UTF-8 (RFC 3629: no longer
/// than needed, no surrogate, at most U+10FFFF).
size_t sequence(const std::string& text, size_t at, uint32_t& character) {
  constexpr uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const auto first = static_cast<unsigned char>(text[at]);
  const size_t length = first < 0x80             ? 1
                        : (first & 0xe0) == 0xc0 ? 2
                        : (first & 0xf0) == 0xe0 ? 3
                        : (first & 0xf8) == 0xf0 ? 4
                                                 : 0;
  if (length == 0) return 0;
  character = length == 1 ? first : first & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if (!continues(text, at + i)) return 0;
    character = character << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3f);
  }
  const bool surrogate = character >= 0xd800 && character < 0xe000;
  return character < smallest[length] || surrogate || character > 0x10ffff ? 0 : length;
}

bool is_control(uint32_t character) {
  return (character < ' ' && character != '\n' && character != '\t') ||
         character == delete_character || (character >= c1_begin && character < c1_end);
}

}  // namespace

std::string printable(const std::string& text) {
  constexpr const char* digits = "0123456789abcdef";
  std::string result;
  for (size_t at = 0; at < text.size();) {
    uint32_t character = 0;
    const auto length = sequence(text, at, character);
    if (length == 0) {
      result += replacement;
    } else if (is_control(character)) {
      result += {'\\', 'x', digits[character >> 4], digits[character & 15]};
    } else {
      result.append(text, at, length);
    }
    at += length == 0 ? 1 : length;
  }
  return result;
}

}  // namespace swarm::tools
