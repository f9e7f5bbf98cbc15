#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace swarm::tools {

/// Numbers as people write them, the same for every option, file and table: decimal (010 is ten),
/// the whole text, blanks around it aside. Nothing for another base, for what follows the number,
/// for NaN and infinity, and for what the type cannot hold.
std::optional<int64_t> read_integer(std::string_view text);
std::optional<double> read_real(std::string_view text);

/// A decimal number and a unit: ns, us, ms, s, min or h; "1.5s" is 1500 ms.
std::optional<std::chrono::nanoseconds> read_duration(std::string_view text);

/// What the writer of a text that is no such number may not know, to go behind the sentence that
/// refuses it: ", ...", or nothing.
std::string number_hint(std::string_view text);

/// The same for a text that is no duration.
std::string duration_hint(std::string_view text);

/// Without the blanks and line ends around it.
std::string_view trimmed(std::string_view text);

}  // namespace swarm::tools
