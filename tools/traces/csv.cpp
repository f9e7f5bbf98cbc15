#include "tools/traces/csv.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iomanip>
#include <istream>
#include <optional>
#include <ostream>
#include <string_view>
#include <vector>

#include "tools/options/decimal.hpp"
#include "tools/traces/csv_cells.hpp"

namespace swarm::tools {

namespace {

class reader {
 public:
  /// A sentence when the line is wrong.
  std::optional<std::string> line(std::string_view text) {
    if (!separator_) separator_ = separator_of(text);
    const auto cells = cells_of(text, *separator_);
    if (!cells) return "a quote is not closed, or something stands beside it.";
    if (cells->empty()) {
      if (!heading_) separator_.reset();
      return std::nullopt;
    }
    if (!heading_) return heading(*cells);
    if (cells->size() != 2)
      return std::string{"two columns are expected, a "} + name_of(*separator_) + " between them.";
    const auto time = read_real((*cells)[0]);
    if (!time) return "the time is not a number of seconds" + number_hint((*cells)[0]) + ".";
    const auto count = read_integer((*cells)[1]);
    if (!count) return "the count is not an integer" + number_hint((*cells)[1]) + ".";
    if (rows_ > 0 && *time < last_time_) return "the time is before the line above.";
    if (std::abs(static_cast<double>(*count)) > static_cast<double>(trace_peers_max))
      return "there are more than " + std::to_string(trace_peers_max) + " peers.";
    return row(*time, *count);
  }

  bool has_rows() const { return rows_ > 0; }
  const preemption_trace& trace() const { return trace_; }

 private:
  static const char* name_of(char separator) {
    return separator == ',' ? "comma" : separator == ';' ? "semicolon" : "tab";
  }

  std::optional<std::string> heading(const std::vector<std::string>& cells) {
    if (cells.size() != 2 || cells[0] != "time_s" || (cells[1] != "delta" && cells[1] != "live"))
      return "the heading must be time_s,delta or time_s,live.";
    live_counts_ = cells[1] == "live";
    heading_ = true;
    return std::nullopt;
  }

  std::optional<std::string> row(double time, int64_t count) {
    const auto delta = live_counts_ ? count - live_ : count;
    const auto live = live_ + delta;
    if (live < 0) return "fewer than no peers would be left.";
    if (live > trace_peers_max)
      return "there are more than " + std::to_string(trace_peers_max) + " peers.";
    if (live_counts_ && rows_ == 0) zero_ = time;
    last_time_ = time;
    trace_.end_seconds = std::max(0.0, time - zero_);
    const auto at_start = live_counts_ ? rows_ == 0 : time <= 0;
    if (at_start) {
      trace_.peers_at_start += delta;
    } else if (delta != 0) {
      trace_.changes.push_back({trace_.end_seconds, delta});
    }
    live_ = live;
    ++rows_;
    return std::nullopt;
  }

  bool heading_ = false;
  std::optional<char> separator_;
  bool live_counts_ = false;
  int64_t rows_ = 0;
  int64_t live_ = 0;
  double zero_ = 0;
  double last_time_ = 0;
  preemption_trace trace_;
};

}  // namespace

std::variant<preemption_trace, std::string> read_trace(std::istream& in, const std::string& name) {
  reader rows;
  std::string text;
  for (int64_t number = 1; read_line(in, text, trace_line_characters_max); ++number) {
    const auto where = name + ", line " + std::to_string(number) + ": ";
    if (number == 1 && !drop_byte_order_mark(text))
      return where + "the file is UTF-16; save it as UTF-8.";
    if (number > trace_lines_max)
      return where + "a trace has at most " + std::to_string(trace_lines_max) + " lines.";
    if (text.size() > static_cast<size_t>(trace_line_characters_max))
      return where + "longer than " + std::to_string(trace_line_characters_max) + " characters.";
    if (const auto failure = rows.line(text)) return where + *failure;
  }
  if (in.bad()) return name + ": cannot be read to its end.";
  if (!rows.has_rows())
    return name +
           ": holds no trace; its first line must be time_s,delta or "
           "time_s,live, and lines with numbers must follow.";
  return rows.trace();
}

std::variant<preemption_trace, std::string> read_trace_file(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  if (!in) return path + ": cannot be opened; check that it is a file you may read.";
  return read_trace(in, path);
}

void write_trace(std::ostream& out, const preemption_trace& trace) {
  out << std::setprecision(17) << "time_s,delta\n0," << trace.peers_at_start << '\n';
  for (const auto& c : trace.changes)
    out << c.time_seconds << ',' << c.delta << '\n';
}

}  // namespace swarm::tools
