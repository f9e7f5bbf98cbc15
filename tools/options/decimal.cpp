#include "tools/options/decimal.hpp"

#include <charconv>
#include <cmath>

namespace swarm::tools {
namespace {

constexpr int fraction_digits_max = 9;
__extension__ using wide = __int128;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// std::from_chars takes no plus sign.
std::string_view without_plus(std::string_view text) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-' && text[1] != '+') text.remove_prefix(1);
  return text;
}

/// 0x10, 0b11, 0o17, with or without a sign.
bool has_base(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  return text.size() > 1 && text[0] == '0' &&
         std::string_view{"xXbBoO"}.find(text[1]) != std::string_view::npos;
}

std::optional<int64_t> unit_ns(std::string_view name) {
  constexpr int64_t second = 1'000'000'000;
  if (name == "ns") return 1;
  if (name == "us") return 1'000;
  if (name == "ms") return 1'000'000;
  if (name == "s") return second;
  if (name == "min") return 60 * second;
  if (name == "h") return 3'600 * second;
  return std::nullopt;
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::optional<int64_t> read_integer(std::string_view text) {
  text = without_plus(trimmed(text));
  int64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> read_real(std::string_view text) {
  text = without_plus(trimmed(text));
  double value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size() || !std::isfinite(value))
    return std::nullopt;
  return value;
}

std::optional<std::chrono::nanoseconds> read_duration(std::string_view text) {
  text = without_plus(trimmed(text));
  const bool negative = !text.empty() && text[0] == '-';
  if (negative) text.remove_prefix(1);
  wide number = 0;
  wide scale = 1;
  bool in_fraction = false;
  size_t digits = 0;
  int fraction_digits = 0;
  size_t i = 0;
  for (; i < text.size() && (is_digit(text[i]) || (text[i] == '.' && !in_fraction)); ++i) {
    if (text[i] == '.') {
      in_fraction = true;
      continue;
    }
    ++digits;
    if (in_fraction && ++fraction_digits > fraction_digits_max) return std::nullopt;
    number = number * 10 + (text[i] - '0');
    if (in_fraction) scale *= 10;
    // Far above what 64 bits of nanoseconds hold, and far below what `wide` does.
    if (number / scale > INT64_MAX) return std::nullopt;
  }
  const auto unit = unit_ns(trimmed(text.substr(i)));
  if (digits == 0 || !unit) return std::nullopt;
  const wide scaled = number * *unit;
  if (scaled % scale != 0 || scaled / scale > INT64_MAX) return std::nullopt;
  const auto value = static_cast<int64_t>(scaled / scale);
  return std::chrono::nanoseconds{negative ? -value : value};
}

std::string number_hint(std::string_view text) {
  text = trimmed(text);
  if (has_base(text)) return "; numbers are decimal";
  if (text.find(',') != std::string_view::npos && is_digit(text.back()))
    return "; numbers have a point for decimals and nothing between thousands";
  return "";
}

std::string duration_hint(std::string_view text) {
  if (has_base(trimmed(text))) return "; numbers are decimal";
  if (read_real(text)) return "; give a unit: ns, us, ms, s, min or h";
  return "";
}

}  // namespace swarm::tools
