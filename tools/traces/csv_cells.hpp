#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace swarm::tools {

/// CSV as spreadsheets write it: a byte order mark in front, line ends of every system, commas,
/// semicolons or tabs, quotes around cells.

/// The next line without its end, LF, CR LF or CR; false: there is none. At most `characters_max`
/// of it are kept, so that it can be told from one of that length: one more.
bool read_line(std::istream& in, std::string& line, size_t characters_max);

/// Drops the byte order mark of UTF-8 from the first line. False: it begins with one of UTF-16.
bool drop_byte_order_mark(std::string& first_line);

/// What separates the heading's cells: the first of ; tab , outside of quotes; without any, a
/// comma.
char separator_of(std::string_view heading);

/// A line's cells, without blanks and quotes around them; "" in quotes is one quote. What follows a
/// # outside of quotes is a comment; no cells: there is nothing else. Nothing: a quote is not
/// closed, or something stands beside it.
std::optional<std::vector<std::string>> cells_of(std::string_view line, char separator);

}  // namespace swarm::tools
