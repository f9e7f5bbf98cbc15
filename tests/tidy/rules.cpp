#include "tests/tidy/rules.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>

namespace swarm::tidy {

namespace {

using names = std::set<std::string_view>;

// Position in a token sequence, with safe looks to both sides.
class cursor {
 public:
  cursor(const std::vector<token>& tokens, std::size_t at) : tokens_(tokens), at_(at) {}

  std::string_view at(int offset) const {
    const auto i = static_cast<long>(at_) + offset;
    return i < 0 || i >= static_cast<long>(tokens_.size())
               ? std::string_view()
               : tokens_[static_cast<std::size_t>(i)].text;
  }

  // f( or std::f( or ::f( as a call, but not x.f(, torch::f( or the declaration `int f(`.
  bool is_c_call() const {
    if (at(1) != "(") return false;
    if (at(-1) == "." || at(-1) == "->") return false;
    if (at(-1) == "::") return at(-2) == "std" || !is_name(at(-2)) || is_keyword(at(-2));
    return !is_name(at(-1)) || is_keyword(at(-1));
  }

  bool in_std() const { return at(-1) == "::" && at(-2) == "std"; }

 private:
  static bool is_name(std::string_view text) {
    return !text.empty() &&
           (std::isalpha(static_cast<unsigned char>(text[0])) != 0 || text[0] == '_');
  }

  // A name before the call would make it a declaration, but for these.
  static bool is_keyword(std::string_view text) {
    return text == "return" || text == "else" || text == "do" || text == "throw";
  }

  const std::vector<token>& tokens_;
  std::size_t at_;
};

bool is_sleep(const cursor& c) {
  static const names anywhere{"sleep_for", "sleep_until", "usleep", "nanosleep", "clock_nanosleep"};
  return anywhere.count(c.at(0)) != 0 || (c.at(0) == "sleep" && c.is_c_call());
}

bool is_wall_clock(const cursor& c) {
  static const names anywhere{"system_clock", "high_resolution_clock", "gettimeofday",
                              "clock_gettime", "timespec_get"};
  if (anywhere.count(c.at(0)) != 0) return true;
  // Its time points and durations are the actor clock's; reading it, or an alias of it, is not.
  if (c.at(0) == "steady_clock") return c.at(2) == "now" || c.at(1) == ";";
  return c.at(0) == "time" && c.is_c_call();
}

bool is_thread(const cursor& c) {
  static const names anywhere{"pthread_create", "jthread"};
  if (anywhere.count(c.at(0)) != 0) return true;
  if (c.at(0) == "async") return c.in_std();
  // std::thread::id and hardware_concurrency() start nothing.
  return c.at(0) == "thread" && c.in_std() && c.at(1) != "::";
}

bool is_random(const cursor& c) {
  static const names anywhere{"random_device", "srand", "srandom", "drand48", "arc4random"};
  return anywhere.count(c.at(0)) != 0 || (c.at(0) == "rand" && c.is_c_call());
}

bool is_snake_case(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return std::islower(static_cast<unsigned char>(c)) != 0 || c == '_' ||
           std::isdigit(static_cast<unsigned char>(c)) != 0;
  });
}

// UTF-8 code points, as clang-format counts them.
int columns(std::string_view line) {
  return static_cast<int>(std::count_if(line.begin(), line.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

// Not the corpora and fixtures that the tests read.
bool is_prose_of_ours(const std::string& path) {
  for (const auto* end : {".hpp", ".cpp", ".capnp", ".bzl", ".sh", ".md", "/BUILD"}) {
    if (ends_with(path, end)) return true;
  }
  return starts_with(path, "tools/") || starts_with(path, ".ci/");
}

std::string file_name(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

void check_seams(const source& file, findings& out) {
  struct seam_rule {
    const char* name;
    bool (*matches)(const cursor&);
    const char* advice;
  };
  static constexpr std::array<seam_rule, 4> rules{{
      {"sleep", is_sleep, "wait with delayed_send, or advance the virtual clock"},
      {"wall-clock", is_wall_clock, "time comes from the actor's clock"},
      {"thread", is_thread, "threads belong to the actor system and the compute seam"},
      {"random", is_random, "draw from a generator seeded by the run"},
  }};
  const auto tokens = tokenize(file.code);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const cursor here(tokens, i);
    for (const auto& rule : rules) {
      if (!rule.matches(here)) continue;
      out.push_back(
          {file.path, tokens[i].line, rule.name, std::string(tokens[i].text) + ": " + rule.advice});
    }
  }
}

void check_header_habits(const source& file, findings& out) {
  if (!file.is_cpp()) return;
  const auto tokens = tokenize(file.code);
  if (file.is_header()) {
    bool once = false;
    for (std::size_t i = 0; i + 2 < tokens.size(); ++i) {
      if (tokens[i].text == "#" && tokens[i + 1].text == "pragma" && tokens[i + 2].text == "once") {
        once = true;
      }
    }
    if (!once) out.push_back({file.path, 1, "pragma-once", "a header begins with #pragma once"});
    for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
      if (tokens[i].text != "using" || tokens[i + 1].text != "namespace") continue;
      out.push_back({file.path, tokens[i].line, "using-namespace",
                     "a header must not decide this for those who include it"});
    }
  }
  for (const auto& include : file.includes) {
    if (include.path.find("../") == std::string::npos) continue;
    out.push_back({file.path, include.line, "include-path", "include from the workspace root"});
  }
}

void check_sizes(const source& file, findings& out) {
  const bool capnp = ends_with(file.path, ".capnp");
  if (!file.is_cpp() && !capnp && !ends_with(file.path, ".bzl")) return;
  const auto lines = split_lines(file.text);
  const int count = static_cast<int>(lines.size());
  if (count > file_lines_max) {
    out.push_back({file.path, 0, "file-length",
                   std::to_string(count) + " lines; split what has two subjects (at most " +
                       std::to_string(file_lines_max) + ")"});
  }
  if (!file.is_cpp() && !capnp) return;
  for (int i = 0; i < count; ++i) {
    const int width = columns(lines[static_cast<std::size_t>(i)]);
    if (width <= line_columns_max) continue;
    out.push_back({file.path, i + 1, "line-length", std::to_string(width) + " columns"});
  }
  for (const auto& function : find_functions(file.code)) {
    const int length = function.last_line - function.first_line + 1;
    if (length <= function_lines_max) continue;
    out.push_back({file.path, function.first_line, "function-length",
                   std::to_string(length) + " lines; name its parts (at most " +
                       std::to_string(function_lines_max) + ")"});
  }
}

void check_markers(const source& file, findings& out) {
  // In halves, so that this file passes its own rule.
  static const std::set<std::string> markers{std::string("TO") + "DO", std::string("FIX") + "ME",
                                             std::string("XX") + "X"};
  if (!is_prose_of_ours(file.path)) return;
  for (const auto& t : tokenize(file.text)) {
    if (markers.count(std::string(t.text)) == 0) continue;
    out.push_back({file.path, t.line, "marker", std::string(t.text) + ": do it or leave it out"});
  }
}

void check_naming(const source& file, findings& out) {
  static const names foreign{"h", "hh", "hxx", "cc", "cxx", "c++", "C", "cu", "inl"};
  const auto name = file_name(file.path);
  const auto dot = name.rfind('.');
  if (dot == std::string::npos) return;
  const auto extension = std::string_view(name).substr(dot + 1);
  if (foreign.count(extension) != 0) {
    out.push_back({file.path, 0, "naming", "C++ files end in .hpp and .cpp"});
  } else if (file.is_cpp() && !is_snake_case(std::string_view(name).substr(0, dot))) {
    out.push_back({file.path, 0, "naming", "file names are snake_case"});
  }
}

void check_top_level(const std::vector<std::string>& found, findings& out) {
  static const names agreed{"WORKSPACE", "BUILD",       "README.md", "actors", "tensors",
                            "schemas",   "experiments", "tests",     "tools"};
  for (const auto& name : found) {
    // What .gitignore names: Bazel's links and the programs' output folder.
    if (starts_with(name, ".") || starts_with(name, "bazel-") || name == "out") continue;
    if (agreed.count(name) != 0) continue;
    out.push_back({name, 0, "top-level", "does not belong beside WORKSPACE"});
  }
}

findings check_tree(const source_map& tree) {
  findings out;
  for (const auto& [path, file] : tree) {
    check_seams(file, out);
    check_includes(file, out);
    check_header_habits(file, out);
    check_sizes(file, out);
    check_markers(file, out);
    check_naming(file, out);
    if (ends_with(path, ".cpp")) {
      const auto own = path.substr(0, path.size() - 4) + ".hpp";
      const bool first = !file.includes.empty() && file.includes.front().path == own;
      if (tree.count(own) != 0 && !first) {
        out.push_back({path, 0, "own-header-first", "the first include is \"" + own + "\""});
      }
    }
  }
  check_build(tree, out);
  check_cycles(tree, out);
  return out;
}

findings apply_exemptions(findings all, const std::vector<exemption>& exemptions) {
  findings out;
  std::vector<bool> used(exemptions.size(), false);
  for (auto& f : all) {
    bool exempt = false;
    for (std::size_t i = 0; i < exemptions.size(); ++i) {
      if (exemptions[i].path != f.path || exemptions[i].rule != f.rule) continue;
      used[i] = exempt = !exemptions[i].reason.empty();
    }
    if (!exempt) out.push_back(std::move(f));
  }
  for (std::size_t i = 0; i < exemptions.size(); ++i) {
    if (used[i]) continue;
    out.push_back({exemptions[i].path, 0, "stale-exemption",
                   "no longer breaks \"" + exemptions[i].rule + "\": drop the entry"});
  }
  return out;
}

std::string to_string(const finding& f) {
  std::string text = f.path;
  if (f.line > 0) text += ":" + std::to_string(f.line);
  return text + ": [" + f.rule + "] " + f.message;
}

}  // namespace swarm::tidy
