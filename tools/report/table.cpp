#include "tools/report/table.hpp"

#include <algorithm>
#include <cassert>
#include <cctype>
#include <cstdio>

namespace swarm::tools {
namespace {

size_t width_of(const std::string& cell) {
  auto starts_character = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; };
  return static_cast<size_t>(std::count_if(cell.begin(), cell.end(), starts_character));
}

bool is_number(const std::string& cell) {
  if (cell.find("..") != std::string::npos) return false;  // a range
  if (cell.empty() || cell == "-" || cell == "nan" || cell == "inf") return true;
  const size_t digit = cell[0] == '-' || cell[0] == '+' ? 1 : 0;
  return digit < cell.size() && std::isdigit(static_cast<unsigned char>(cell[digit])) != 0;
}

}  // namespace

table::table(std::vector<std::string> headings) : headings_(std::move(headings)) {}

table& table::add(std::vector<std::string> cells) {
  assert(cells.size() == headings_.size());
  rows_.push_back(std::move(cells));
  return *this;
}

std::string table::text() const {
  std::vector<size_t> widths;
  std::vector<bool> right;
  for (size_t column = 0; column < headings_.size(); ++column) {
    size_t width = width_of(headings_[column]);
    for (const auto& row : rows_)
      width = std::max(width, width_of(row[column]));
    widths.push_back(width);
    right.push_back(!rows_.empty() && std::all_of(rows_.begin(), rows_.end(), [&](const auto& row) {
      return is_number(row[column]);
    }));
  }
  std::string result;
  auto write = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (size_t column = 0; column < cells.size(); ++column) {
      const std::string blanks(widths[column] - width_of(cells[column]), ' ');
      line += (column == 0 ? "" : "  ");
      line += right[column] ? blanks + cells[column] : cells[column] + blanks;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    result += line + "\n";
  };
  write(headings_);
  std::vector<std::string> rules;
  rules.reserve(widths.size());
  for (size_t width : widths)
    rules.emplace_back(width, '-');
  write(rules);
  for (const auto& row : rows_)
    write(row);
  return result;
}

std::string fixed(double value, int decimals) {
  char buffer[400];
  std::snprintf(buffer, sizeof buffer, "%.*f", decimals, value);
  return buffer;
}

}  // namespace swarm::tools
