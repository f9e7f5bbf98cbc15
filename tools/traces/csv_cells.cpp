#include "tools/traces/csv_cells.hpp"

#include <istream>

#include "tools/options/decimal.hpp"

namespace swarm::tools {
namespace {

constexpr char quote = '"';

}  // namespace

bool read_line(std::istream& in, std::string& line, size_t characters_max) {
  line.clear();
  for (char next = '\0'; in.get(next);) {
    if (next == '\r') {
      if (in.peek() == '\n') in.get();
      return true;
    }
    if (next == '\n') return true;
    if (line.size() <= characters_max) line += next;
  }
  return !line.empty();
}

bool drop_byte_order_mark(std::string& first_line) {
  constexpr std::string_view mark = "\xef\xbb\xbf";
  if (first_line.compare(0, mark.size(), mark) == 0) first_line.erase(0, mark.size());
  const auto start = first_line.substr(0, 2);
  return start != "\xff\xfe" && start != "\xfe\xff";
}

char separator_of(std::string_view heading) {
  bool quoted = false;
  for (const char c : heading) {
    if (c == quote) quoted = !quoted;
    if (!quoted && (c == ';' || c == '\t' || c == ',')) return c;
  }
  return ',';
}

std::optional<std::vector<std::string>> cells_of(std::string_view line, char separator) {
  std::vector<std::string> cells;
  std::string cell;
  bool was_quoted = false;
  const auto end_cell = [&] {
    cells.push_back(was_quoted ? cell : std::string{trimmed(cell)});
    cell.clear();
    was_quoted = false;
  };
  size_t i = 0;
  for (; i < line.size() && line[i] != '#'; ++i) {
    const char c = line[i];
    if (c == separator) {
      end_cell();
    } else if (c == quote && !was_quoted && trimmed(cell).empty()) {
      cell.clear();
      was_quoted = true;
      for (++i;; ++i) {
        if (i >= line.size()) return std::nullopt;
        if (line[i] == quote && (i + 1 >= line.size() || line[i + 1] != quote)) break;
        if (line[i] == quote) ++i;
        cell += line[i];
      }
    } else if (was_quoted) {
      if (c != ' ' && c != '\t' && c != '\r') return std::nullopt;
    } else {
      cell += c;
    }
  }
  if (cells.empty() && !was_quoted && trimmed(cell).empty()) return cells;
  end_cell();
  return cells;
}

}  // namespace swarm::tools
