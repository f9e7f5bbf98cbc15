#include "tools/options/config_file.hpp"

#include <cctype>
#include <optional>
#include <vector>

#include "tools/report/one_line.hpp"

namespace swarm::tools {
namespace {

constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
constexpr size_t shown_bytes_max = 60;

bool is_name_byte(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.';
}

class reader {
 public:
  explicit reader(std::string_view text) : text_(text) {}

  std::variant<given_values, syntax_error> read() {
    for (skip(); !failure_ && at_ < text_.size(); skip())
      entry();
    if (!failure_ && !groups_.empty()) fail("a group is not closed with }");
    if (failure_) return *failure_;
    return std::move(values_);
  }

 private:
  char here() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool at_line_end() const { return at_ >= text_.size() || here() == '\n' || here() == '\r'; }
  bool at_blank() const { return at_ < text_.size() && (here() == ' ' || here() == '\t'); }
  bool at_comment() const { return here() == ';' || here() == '#'; }

  void step() {
    const char c = text_[at_++];
    const bool second_half = c == '\n' && at_ >= 2 && text_[at_ - 2] == '\r';
    if (c == '\r' || (c == '\n' && !second_half)) ++line_;
    if (c == '\r' || c == '\n') line_begin_ = at_;
  }

  std::string where() const { return "line " + std::to_string(line_); }

  void fail(const std::string& what) {
    if (failure_) return;
    failure_ =
        syntax_error{where() + ", column " + std::to_string(at_ - line_begin_ + 1) + ": " + what};
  }

  void skip_comment() {
    while (!at_line_end())
      step();
  }

  /// To what is neither blank nor comment, on this line.
  void skip_in_line() {
    while (at_blank())
      step();
    if (at_comment()) skip_comment();
  }

  void skip() {
    while (at_ < text_.size()) {
      if (at_comment()) {
        skip_comment();
      } else if (at_blank() || here() == '\n' || here() == '\r' || here() == ',') {
        step();
      } else {
        return;
      }
    }
  }

  std::string name() {
    std::string result;
    while (at_ < text_.size() && is_name_byte(here())) {
      result += here();
      step();
    }
    return result;
  }

  void entry() {
    if (here() == '}') {
      if (groups_.empty()) return fail("a } that closes nothing");
      groups_.pop_back();
      return step();
    }
    if (here() == '[') return section();
    auto key = name();
    if (key.empty()) return fail("a name is expected here");
    while (at_blank())
      step();
    if (here() == '{') {
      groups_.push_back(key);
      return step();
    }
    if (here() != '=') return fail("= or { is expected behind '" + one_line(key) + "'");
    step();
    while (at_blank())
      step();
    const auto written_at = where();
    auto value = here() == '"' || here() == '\'' ? quoted() : word();
    if (failure_) return;
    skip_in_line();
    if (!at_line_end() && here() != ',' && here() != '}')
      return fail("the end of the line is expected here; put a text with blanks in quotes");
    keep(std::move(key), {std::move(value), written_at + ", "});
  }

  void section() {
    step();
    section_ = name();
    if (here() != ']' || section_.empty()) return fail("a group's name and ] are expected here");
    step();
  }

  void keep(std::string key, given_value value) {
    std::string full;
    for (const auto& group : groups_)
      full += group + ".";
    full = (section_.empty() ? "" : section_ + ".") + full + key;
    constexpr std::string_view global = "global.";
    if (full.compare(0, global.size(), global) == 0) full.erase(0, global.size());
    const auto [kept, is_new] = values_.emplace(full, std::move(value));
    if (!is_new) {
      fail("'" + one_line(full.substr(0, shown_bytes_max)) + "' is there twice, first in " +
           kept->second.where.substr(0, kept->second.where.size() - 2));
    }
  }

  std::string word() {
    constexpr auto end = std::string_view::npos;
    std::string result;
    // A # inside of a word is part of it, as in a path.
    while (!at_line_end() && !at_blank() && std::string_view{";,}"}.find(here()) == end) {
      result += here();
      step();
    }
    if (result.empty()) fail("a value is missing");
    return result;
  }

  std::string quoted() {
    const char quote = here();
    std::string result;
    for (step(); here() != quote; step()) {
      if (at_line_end()) {
        fail("a text is not closed with its quote");
        return result;
      }
      if (here() != '\\') {
        result += here();
        continue;
      }
      step();
      switch (here()) {
        case 'n':
          result += '\n';
          break;
        case 'r':
          result += '\r';
          break;
        case 't':
          result += '\t';
          break;
        case '\\':
        case '"':
        case '\'':
          result += here();
          break;
        default:
          fail("\\ stands before n, r, t, \\ or a quote only");
          return result;
      }
    }
    step();
    return result;
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t line_ = 1;
  size_t line_begin_ = 0;
  std::string section_;
  std::vector<std::string> groups_;
  given_values values_;
  std::optional<syntax_error> failure_;
};

}  // namespace

std::variant<given_values, syntax_error> parse_config(std::string_view text) {
  if (text.compare(0, byte_order_mark.size(), byte_order_mark) == 0)
    text.remove_prefix(byte_order_mark.size());
  const auto start = text.substr(0, 2);
  if (start == "\xff\xfe" || start == "\xfe\xff")
    return syntax_error{"its first bytes: they are UTF-16, and UTF-8 is read"};
  return reader{text}.read();
}

}  // namespace swarm::tools
