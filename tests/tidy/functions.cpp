#include <algorithm>
#include <array>

#include "tests/tidy/source.hpp"

namespace swarm::tidy {

namespace {

enum class block {
  scope,        // namespace or class: functions may stand in it
  function,     // reported
  initializer,  // the statement goes on after its closing brace
};

using statement = std::vector<std::string_view>;

template <std::size_t N>
bool one_of(std::string_view word, const std::array<std::string_view, N>& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// Index after `template <...>`, so that `template <class T>` does not read as a class.
std::size_t skip_template(const statement& head) {
  std::size_t i = 0;
  while (i + 1 < head.size() && head[i] == "template" && head[i + 1] == "<") {
    int depth = 0;
    for (++i; i < head.size(); ++i) {
      if (head[i] == "<") ++depth;
      if (head[i] == ">" && --depth == 0) break;
    }
    ++i;
  }
  return i;
}

// What opens here, judged by the tokens since the last statement ended.
class classifier {
 public:
  explicit classifier(const statement& head) : head_(head) {
    int depth = 0;
    for (std::size_t i = 0; i < head.size(); ++i) {
      if (head[i] == "(") ++depth;
      if (head[i] == ")" && --depth == 0) after_parentheses_ = i + 1;
      if (head[i] == ":" && depth == 0 && after_parentheses_ > 0) constructor_ = true;
    }
    open_parentheses_ = depth;
  }

  block kind() const {
    static constexpr std::array<std::string_view, 4> types{"class", "struct", "union", "enum"};
    if (head_.empty()) return block::initializer;
    if (open_parentheses_ > 0) return block::initializer;
    const auto first = skip_template(head_);
    if (first >= head_.size()) return block::initializer;
    for (std::size_t i = first; i < head_.size() && i < first + 2; ++i) {
      if (head_[i] == "namespace" || head_[i] == "extern") return block::scope;
    }
    if (one_of(head_[first], types)) return block::scope;
    if (after_parentheses_ == 0) return block::initializer;
    if (constructor_) {
      return head_.back() == ")" || head_.back() == "}" ? block::function : block::initializer;
    }
    return trailer_of_function() ? block::function : block::initializer;
  }

 private:
  bool trailer_of_function() const {
    static constexpr std::array<std::string_view, 9> trailers{
        "const", "noexcept", "override", "final", "mutable", "try", "volatile", "&", "->"};
    return after_parentheses_ == head_.size() || one_of(head_[after_parentheses_], trailers);
  }

  const statement& head_;
  std::size_t after_parentheses_ = 0;
  int open_parentheses_ = 0;
  bool constructor_ = false;
};

// Macros unbalance braces; a directive is never part of a function's head.
std::string blank_directives(std::string_view code) {
  std::string out(code);
  bool directive = false;
  std::size_t offset = 0;
  for (const auto line : split_lines(code)) {
    const auto first = line.find_first_not_of(" \t");
    if (!directive) directive = first != std::string_view::npos && line[first] == '#';
    const bool continues = directive && !line.empty() && line.back() == '\\';
    if (directive) std::fill_n(out.begin() + static_cast<long>(offset), line.size(), ' ');
    directive = continues;
    offset += line.size() + 1;
  }
  return out;
}

struct open_block {
  block kind;
  int line;
  statement head;  // of an initializer: continued after the closing brace
};

bool is_access_label(const statement& head) {
  static constexpr std::array<std::string_view, 3> labels{"public", "private", "protected"};
  return head.size() == 1 && one_of(head[0], labels);
}

}  // namespace

std::vector<function_extent> find_functions(std::string_view code) {
  const std::string plain = blank_directives(code);
  std::vector<function_extent> found;
  std::vector<open_block> open;
  statement head;
  int depth_in_function = 0;
  for (const auto& t : tokenize(plain)) {
    if (depth_in_function > 0) {
      if (t.text == "{") ++depth_in_function;
      if (t.text == "}" && --depth_in_function == 0) {
        found.push_back({open.back().line, t.line});
        open.pop_back();
      }
      continue;
    }
    if (t.text == "{") {
      const auto kind = classifier(head).kind();
      open.push_back({kind, t.line, kind == block::initializer ? head : statement{}});
      if (kind == block::function) depth_in_function = 1;
      head.clear();
    } else if (t.text == "}") {
      head.clear();
      if (open.empty()) continue;
      if (open.back().kind == block::initializer) {
        head = open.back().head;
        head.push_back("}");
      }
      open.pop_back();
    } else if (t.text == ";" && (open.empty() || open.back().kind == block::scope)) {
      head.clear();
    } else if (t.text == ":" && is_access_label(head)) {
      head.clear();
    } else {
      head.push_back(t.text);
    }
  }
  return found;
}

}  // namespace swarm::tidy
