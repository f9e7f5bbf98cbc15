#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <variant>

#include "tools/traces/trace.hpp"

namespace swarm::tools {

/// Longest trace that is read.
inline constexpr int64_t trace_lines_max = 1'000'000;
/// Longest line of one, in characters.
inline constexpr int64_t trace_line_characters_max = 200;

/// Reads a trace. Its first line says what the second column is:
///
///     time_s,delta        changes; those at time 0 or before make the fleet at the start
///     time_s,live         live counts; the first one is the fleet at the start, its time zero
///
/// Times are seconds, real numbers that do not fall; counts are integers. As spreadsheets
/// write CSV (csv_cells.hpp): a byte order mark, any line ends, semicolons or tabs for commas and
/// quotes are read; what follows a # is a comment. Live counts hide machines that are replaced
/// between two lines. The error is a sentence that begins with `name` and the number of the line.
std::variant<preemption_trace, std::string> read_trace(std::istream& in, const std::string& name);

/// The same from a file.
std::variant<preemption_trace, std::string> read_trace_file(const std::string& path);

/// As `time_s,delta`.
void write_trace(std::ostream& out, const preemption_trace& trace);

}  // namespace swarm::tools
