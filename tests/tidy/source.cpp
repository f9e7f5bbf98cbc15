#include "tests/tidy/source.hpp"

#include <cctype>

namespace swarm::tidy {

namespace {

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

bool is_space(char c) {
  return std::isspace(static_cast<unsigned char>(c)) != 0;
}

// Cursor over a text that is copied to `out` with parts of it blanked.
class blanker {
 public:
  explicit blanker(std::string_view text) : text_(text), out_(text) {}

  std::string run() {
    while (at_ < text_.size())
      step();
    return std::move(out_);
  }

 private:
  void step() {
    if (looking_at("//")) {
      blank_until("\n", false);
    } else if (looking_at("/*")) {
      blank(2);
      blank_until("*/", true);
    } else if (text_[at_] == '"') {
      if (raw_prefix()) {
        blank_raw_string();
      } else {
        blank_quoted('"');
      }
    } else if (text_[at_] == '\'' && !digit_separator()) {
      blank_quoted('\'');
    } else {
      ++at_;
    }
  }

  bool looking_at(std::string_view what) const { return text_.substr(at_, what.size()) == what; }

  // Start of the word that ends just before the cursor.
  std::size_t word_start() const {
    std::size_t start = at_;
    while (start > 0 && (is_word(text_[start - 1]) || text_[start - 1] == '\''))
      --start;
    return start;
  }

  bool raw_prefix() const {
    const auto word = text_.substr(word_start(), at_ - word_start());
    return word == "R" || word == "u8R" || word == "LR" || word == "uR" || word == "UR";
  }

  bool digit_separator() const {
    const auto start = word_start();
    return start < at_ && std::isdigit(static_cast<unsigned char>(text_[start])) != 0;
  }

  void blank(std::size_t count) {
    for (; count > 0 && at_ < text_.size(); --count, ++at_) {
      if (text_[at_] != '\n') out_[at_] = ' ';
    }
  }

  void blank_until(std::string_view end, bool end_too) {
    const auto found = text_.find(end, at_);
    const auto stop = found == std::string_view::npos ? text_.size() : found;
    blank(stop - at_ + (end_too ? end.size() : 0));
  }

  void blank_quoted(char quote) {
    blank(1);
    while (at_ < text_.size() && text_[at_] != quote && text_[at_] != '\n') {
      blank(text_[at_] == '\\' ? 2 : 1);
    }
    if (at_ < text_.size() && text_[at_] == quote) blank(1);
  }

  void blank_raw_string() {
    const auto open = text_.find('(', at_);
    if (open == std::string_view::npos) return blank(text_.size() - at_);
    const auto end = ")" + std::string(text_.substr(at_ + 1, open - at_ - 1)) + "\"";
    blank(open - at_);
    blank_until(end, true);
  }

  std::string_view text_;
  std::string out_;
  std::size_t at_ = 0;
};

std::vector<include_line> find_includes(std::string_view text, std::string_view code) {
  std::vector<include_line> result;
  const auto raw = split_lines(text);
  const auto blanked = split_lines(code);
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const auto hash = blanked[i].find_first_not_of(" \t");
    if (hash == std::string_view::npos || blanked[i][hash] != '#') continue;
    const auto keyword = blanked[i].find_first_not_of(" \t", hash + 1);
    if (keyword == std::string_view::npos || blanked[i].substr(keyword, 7) != "include") continue;
    const auto open = raw[i].find_first_of("<\"", keyword);
    if (open == std::string_view::npos) continue;
    const auto close = raw[i].find_first_of(">\"", open + 1);
    if (close == std::string_view::npos) continue;
    result.push_back(
        {std::string(raw[i].substr(open + 1, close - open - 1)), static_cast<int>(i) + 1});
  }
  return result;
}

}  // namespace

bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

bool ends_with(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}

bool source::is_header() const {
  return ends_with(path, ".hpp");
}

bool source::is_cpp() const {
  return is_header() || ends_with(path, ".cpp");
}

std::string blank_comments_and_literals(std::string_view text) {
  return blanker(text).run();
}

source make_source(std::string path, std::string text) {
  source result;
  result.path = std::move(path);
  result.text = std::move(text);
  if (result.is_cpp()) {
    result.code = blank_comments_and_literals(result.text);
    result.includes = find_includes(result.text, result.code);
  }
  return result;
}

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

std::vector<token> tokenize(std::string_view code) {
  std::vector<token> tokens;
  int line = 1;
  for (std::size_t i = 0; i < code.size();) {
    std::size_t length = 1;
    if (is_word(code[i])) {
      while (i + length < code.size() && is_word(code[i + length]))
        ++length;
    } else if (code.substr(i, 2) == "::" || code.substr(i, 2) == "->") {
      length = 2;
    }
    if (code[i] == '\n') ++line;
    if (!is_space(code[i])) tokens.push_back({code.substr(i, length), line});
    i += length;
  }
  return tokens;
}

}  // namespace swarm::tidy
