#include "tools/traces/csv.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iomanip>
#include <istream>
#include <optional>
#include <ostream>
#include <string_view>

namespace swarm::tools {

namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r";
  const auto begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

std::optional<double> read_time(std::string_view text) {
  double value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size() || !std::isfinite(value))
    return std::nullopt;
  return value;
}

std::optional<int64_t> read_count(std::string_view text) {
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  int64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

class reader {
 public:
  /// A sentence when the line is wrong.
  std::optional<std::string> line(std::string_view text) {
    if (!heading_) return heading(text);
    const auto comma = text.find(',');
    if (comma == std::string_view::npos) return "two columns are expected, a comma between them.";
    const auto time = read_time(trimmed(text.substr(0, comma)));
    if (!time) return "the time is not a number of seconds.";
    const auto count = read_count(trimmed(text.substr(comma + 1)));
    if (!count) return "the count is not an integer.";
    if (rows_ > 0 && *time < last_time_) return "the time is before the line above.";
    if (std::abs(static_cast<double>(*count)) > static_cast<double>(trace_peers_max))
      return "there are more than " + std::to_string(trace_peers_max) + " peers.";
    return row(*time, *count);
  }

  bool has_rows() const { return rows_ > 0; }
  const preemption_trace& trace() const { return trace_; }

 private:
  std::optional<std::string> heading(std::string_view text) {
    const auto comma = text.find(',');
    const auto first = trimmed(text.substr(0, comma));
    const auto second =
        comma == std::string_view::npos ? std::string_view{} : trimmed(text.substr(comma + 1));
    if (first != "time_s" || (second != "delta" && second != "live"))
      return "the heading must be time_s,delta or time_s,live.";
    live_counts_ = second == "live";
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
  for (int64_t number = 1; std::getline(in, text); ++number) {
    const auto where = name + ", line " + std::to_string(number) + ": ";
    if (number > trace_lines_max)
      return where + "a trace has at most " + std::to_string(trace_lines_max) + " lines.";
    if (text.size() > static_cast<size_t>(trace_line_characters_max))
      return where + "longer than " + std::to_string(trace_line_characters_max) + " characters.";
    const auto content = trimmed(text);
    if (content.empty() || content.front() == '#') continue;
    if (const auto failure = rows.line(content)) return where + *failure;
  }
  if (in.bad()) return name + ": cannot be read to its end.";
  if (!rows.has_rows())
    return name +
           ": holds no trace; its first line must be time_s,delta or "
           "time_s,live, and lines with numbers must follow.";
  return rows.trace();
}

std::variant<preemption_trace, std::string> read_trace_file(const std::string& path) {
  std::ifstream in{path};
  if (!in) return path + ": cannot be opened; check that it is a file you may read.";
  return read_trace(in, path);
}

void write_trace(std::ostream& out, const preemption_trace& trace) {
  out << std::setprecision(17) << "time_s,delta\n0," << trace.peers_at_start << '\n';
  for (const auto& c : trace.changes)
    out << c.time_seconds << ',' << c.delta << '\n';
}

}  // namespace swarm::tools
