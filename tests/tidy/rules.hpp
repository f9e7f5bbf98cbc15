#pragma once

#include <string>
#include <vector>

#include "tests/tidy/source.hpp"

// The house rules as pure functions: a source, or the whole tree, in; findings out.
namespace swarm::tidy {

inline constexpr int file_lines_max = 500;
inline constexpr int function_lines_max = 70;
inline constexpr int line_columns_max = 100;

struct finding {
  std::string path;
  int line = 0;  // 0: the file as a whole
  std::string rule;
  std::string message;
};

using findings = std::vector<finding>;

// Time, threads and randomness come through a seam.
//   "sleep", "wall-clock", "thread", "random"
void check_seams(const source& file, findings& out);

// What may include what: storeys, floors inside actors/, CAF and LibTorch.
//   "storey", "floor", "caf", "libtorch"
void check_includes(const source& file, findings& out);

// "pragma-once", "using-namespace", "own-header-first", "include-path"
void check_header_habits(const source& file, findings& out);

// "file-length", "function-length", "line-length"
void check_sizes(const source& file, findings& out);

// "marker": words that promise work for later.
void check_markers(const source& file, findings& out);

// "naming": .hpp/.cpp in snake_case.
void check_naming(const source& file, findings& out);

// "build": a .hpp or .cpp that the nearest BUILD does not name is compiled by nobody.
void check_build(const source_map& tree, findings& out);

// "cycle": rooms of tensors/ that include each other in a circle.
void check_cycles(const source_map& tree, findings& out);

// "top-level": `names` are what stands beside WORKSPACE.
void check_top_level(const std::vector<std::string>& names, findings& out);

// Every rule but "top-level".
findings check_tree(const source_map& tree);

// A file that may break one rule, and why: the files that implement a seam.
struct exemption {
  std::string path;
  std::string rule;
  std::string reason;
};

// Removes what is exempt. An exemption that removes nothing becomes a "stale-exemption", and one
// without a reason removes nothing.
findings apply_exemptions(findings all, const std::vector<exemption>& exemptions);

std::string to_string(const finding& f);

}  // namespace swarm::tidy
