#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

// A source text prepared for the rules: what is code, what it includes, how long its functions are.
namespace swarm::tidy {

struct include_line {
  std::string path;
  int line = 0;
};

struct source {
  std::string path;  // from the workspace root, with '/'
  std::string text;
  std::string code;  // the same length and lines; comments and literals are blanks
  std::vector<include_line> includes;

  bool is_header() const;
  bool is_cpp() const;
};

// All files of the tree by path.
using source_map = std::map<std::string, source>;

source make_source(std::string path, std::string text);

// Comments, string and character literals become blanks; line breaks stay where they are.
std::string blank_comments_and_literals(std::string_view text);

struct token {
  std::string_view text;  // an identifier, a number, "::", "->" or one other character
  int line = 0;
};

// Views into `code`, which must outlive them.
std::vector<token> tokenize(std::string_view code);

struct function_extent {
  int first_line = 0;  // of the opening brace
  int last_line = 0;   // of the closing brace
};

// Bodies at namespace or class scope; a lambda or local class inside one belongs to it. A heuristic
// over braces: it needs code that compiles, formatted in the house's style.
std::vector<function_extent> find_functions(std::string_view code);

std::vector<std::string_view> split_lines(std::string_view text);

bool starts_with(std::string_view text, std::string_view prefix);
bool ends_with(std::string_view text, std::string_view suffix);

}  // namespace swarm::tidy
