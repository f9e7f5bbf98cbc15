#include "tools/planner/fleet.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "tools/options/decimal.hpp"
#include "tools/traces/csv_cells.hpp"

namespace swarm::planner {

namespace {

constexpr double gibibyte = 1024.0 * 1024 * 1024;
constexpr size_t line_characters_max = 4096;

/// A column: what it fills in, and how much one of its units is.
struct column {
  double peer_kind::*field;
  double unit;
  bool wanted;
};

const std::map<std::string, column>& columns() {
  static const std::map<std::string, column> table{
      {"gflops", {&peer_kind::flop_per_s, 1e9, true}},
      {"memory_gib", {&peer_kind::memory_bytes, gibibyte, true}},
      {"up_mbit", {&peer_kind::up_bits_per_s, 1e6, false}},
      {"down_mbit", {&peer_kind::down_bits_per_s, 1e6, false}},
      {"latency_ms", {&peer_kind::latency_s, 1e-3, false}},
      {"price_per_hour", {&peer_kind::price_per_hour, 1, false}},
      {"availability", {&peer_kind::availability, 1, false}},
      {"hours", {&peer_kind::hours_between_preemptions, 1, false}}};
  return table;
}

std::string in_line(size_t line, const std::string& what) {
  return "line " + std::to_string(line) + ": " + what;
}

std::string check_heading(const std::vector<std::string>& names) {
  std::set<std::string> seen;
  for (const auto& name : names) {
    if (name != "kind" && name != "count" && columns().count(name) == 0)
      return "there is no column '" + name + "'.";
    if (!seen.insert(name).second) return "the column '" + name + "' is there twice.";
  }
  for (const char* wanted : {"kind", "count"})
    if (seen.count(wanted) == 0) return std::string{"the column '"} + wanted + "' is missing.";
  for (const auto& [name, what] : columns())
    if (what.wanted && seen.count(name) == 0) return "the column '" + name + "' is missing.";
  return {};
}

std::string fill(peer_kind& kind, const std::string& name, const std::string& cell) {
  if (name == "kind") {
    kind.name = cell;
    return {};
  }
  if (cell.empty() && name != "count" && !columns().at(name).wanted) return {};
  const auto value = tools::read_real(cell);
  if (!value)
    return "'" + cell + "' in the column '" + name + "' is no number" + tools::number_hint(cell) +
           ".";
  if (name != "count") {
    const auto& what = columns().at(name);
    kind.*what.field = *value * what.unit;
    return {};
  }
  if (*value < 0 || *value > static_cast<double>(peers_max) || *value != std::floor(*value))
    return "the count '" + cell + "' is no whole number from 0 to " + std::to_string(peers_max) +
           ".";
  kind.count = static_cast<int64_t>(*value);
  return {};
}

/// Reads one line; a complaint without the line's number when it is wrong.
std::string read_kind(const std::vector<std::string>& names, const std::vector<std::string>& cells,
                      peer_kind& kind) {
  if (cells.size() != names.size())
    return std::to_string(cells.size()) + " cells under " + std::to_string(names.size()) +
           " columns.";
  for (size_t i = 0; i < names.size(); ++i)
    if (auto wrong = fill(kind, names[i], cells[i]); !wrong.empty()) return wrong;
  complete(kind);
  return check(kind);
}

}  // namespace

int64_t peers_of(const fleet& peers) {
  int64_t sum = 0;
  for (const auto& kind : peers)
    sum += kind.count;
  return sum;
}

void complete(peer_kind& kind) {
  const bool leaves = kind.availability < 1 && kind.availability > 0;
  if (kind.hours_between_preemptions > 0 && kind.availability == 1) {
    kind.availability =
        kind.hours_between_preemptions / (kind.hours_between_preemptions + absence_hours_default);
  } else if (kind.hours_between_preemptions == 0 && leaves) {
    kind.hours_between_preemptions =
        absence_hours_default * kind.availability / (1 - kind.availability);
  }
}

std::string check(const peer_kind& kind) {
  const auto wrong = [&](const char* what, double value, const char* allowed) {
    std::ostringstream text;
    text << "'" << kind.name << "': " << what << " is " << value << "; give " << allowed << ".";
    return text.str();
  };
  if (kind.name.empty()) return "a kind has no name.";
  if (std::any_of(kind.name.begin(), kind.name.end(), [](unsigned char c) { return c < ' '; }))
    return "a kind's name has control bytes.";
  if (!(kind.flop_per_s > 0)) return wrong("FLOP/s", kind.flop_per_s, "more than 0");
  if (!(kind.memory_bytes > 0)) return wrong("the memory", kind.memory_bytes, "more than 0");
  if (!(kind.up_bits_per_s >= 0)) return wrong("the upload", kind.up_bits_per_s, "0 or more");
  if (!(kind.down_bits_per_s >= 0)) return wrong("the download", kind.down_bits_per_s, "0 or more");
  if (!(kind.latency_s >= 0)) return wrong("the latency", kind.latency_s, "0 or more");
  if (!(kind.price_per_hour >= 0)) return wrong("the price", kind.price_per_hour, "0 or more");
  if (!(kind.availability > 0 && kind.availability <= 1))
    return wrong("the availability", kind.availability, "more than 0 and at most 1");
  if (!(kind.hours_between_preemptions >= 0))
    return wrong("the time between preemptions", kind.hours_between_preemptions, "0 or more hours");
  return {};
}

std::variant<fleet, std::string> parse_fleet(const std::string& text) {
  fleet peers;
  std::vector<std::string> names;
  std::istringstream in{text};
  char separator = ',';
  std::string text_of_line;
  for (size_t line = 1; tools::read_line(in, text_of_line, line_characters_max); ++line) {
    if (line == 1 && !tools::drop_byte_order_mark(text_of_line))
      return in_line(line, "the file is UTF-16; save it as UTF-8.");
    if (text_of_line.size() > line_characters_max)
      return in_line(line, "longer than " + std::to_string(line_characters_max) + " characters.");
    if (names.empty()) separator = tools::separator_of(text_of_line);
    const auto cells = tools::cells_of(text_of_line, separator);
    if (!cells) return in_line(line, "a quote is not closed, or something stands beside it.");
    if (cells->empty()) continue;
    if (names.empty()) {
      names = *cells;
      if (auto wrong = check_heading(names); !wrong.empty()) return in_line(line, wrong);
      continue;
    }
    peer_kind kind;
    if (auto wrong = read_kind(names, *cells, kind); !wrong.empty()) return in_line(line, wrong);
    for (const auto& other : peers)
      if (other.name == kind.name) return in_line(line, "a second kind '" + kind.name + "'.");
    peers.push_back(kind);
    if (peers.size() > kinds_max)
      return in_line(line, "more than " + std::to_string(kinds_max) + " kinds.");
  }
  if (peers_of(peers) == 0) return std::string{"there is no peer in it."};
  if (peers_of(peers) > peers_max)
    return std::to_string(peers_of(peers)) + " peers are more than " + std::to_string(peers_max) +
           ".";
  return peers;
}

}  // namespace swarm::planner
