#pragma once

#include <string>
#include <vector>

namespace swarm::tools {

/// A console table: columns are as wide as their widest cell; a column whose cells below the
/// heading all start like a number is aligned to the right. Widths count UTF-8 characters.
class table {
 public:
  explicit table(std::vector<std::string> headings);

  /// Precondition: as many cells as headings.
  table& add(std::vector<std::string> cells);

  /// Ends in a newline; no trailing blanks.
  std::string text() const;

  size_t rows() const { return rows_.size(); }

 private:
  std::vector<std::string> headings_;
  std::vector<std::vector<std::string>> rows_;
};

/// `value` with `decimals` digits after the point; "nan" and "inf" as they are.
std::string fixed(double value, int decimals);

}  // namespace swarm::tools
