#include "tests/tidy/tree.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <stdexcept>
#include <string_view>

namespace swarm::tidy {

namespace fs = std::filesystem;

namespace {

constexpr std::uintmax_t text_bytes_max = 1U << 20U;

struct process_result {
  std::string output;
  int status = -1;
};

process_result run(const std::string& command) {
  process_result result;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return result;
  std::array<char, 4096> buffer{};
  while (const auto count = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    result.output.append(buffer.data(), count);
  }
  result.status = pclose(pipe);
  return result;
}

std::string quoted(const std::string& argument) {
  std::string result = "'";
  for (const char c : argument) {
    if (c == '\'') {
      result += "'\\''";
    } else {
      result += c;
    }
  }
  return result + "'";
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

fs::path workspace_root() {
  const char* runfiles = std::getenv("TEST_SRCDIR");
  const char* workspace = std::getenv("TEST_WORKSPACE");
  if (runfiles == nullptr || workspace == nullptr) {
    throw std::runtime_error("run this with: bazel test //tests/tidy:house_rules_test");
  }
  // The runfile is a link; behind it lies the checkout, whatever the sandbox shows.
  return fs::canonical(fs::path(runfiles) / workspace / "WORKSPACE").parent_path();
}

std::vector<std::string> top_level_names(const fs::path& root) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(root)) {
    names.push_back(entry.path().filename().string());
  }
  return names;
}

source_map read_tree(const fs::path& root) {
  source_map tree;
  for (const char* folder :
       {"actors", "tensors", "schemas", "experiments", "tests", "tools", ".ci"}) {
    if (!fs::exists(root / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      if (!entry.is_regular_file() || entry.file_size() > text_bytes_max) continue;
      const auto text = read_file(entry.path());
      if (text.find('\0') != std::string::npos) continue;  // a binary fixture
      const auto path = entry.path().lexically_relative(root).generic_string();
      tree.emplace(path, make_source(path, text));
    }
  }
  return tree;
}

std::optional<std::string> find_clang_format() {
  const auto version = std::to_string(clang_format_version);
  for (const auto& program : {"clang-format-" + version, std::string("clang-format")}) {
    const auto answer = run(program + " --version");
    if (answer.status == 0 && answer.output.find("version " + version + ".") != std::string::npos) {
      return program;
    }
  }
  return std::nullopt;
}

std::vector<std::string> find_unformatted(const std::string& program, const fs::path& root,
                                          const source_map& tree) {
  std::string files;
  for (const auto& [path, file] : tree) {
    if (file.is_cpp()) files += " " + quoted(path);
  }
  if (files.empty()) return {};
  const auto result = run("cd " + quoted(root.string()) + " && printf '%s\\n'" + files +
                          " | xargs " + program + " --dry-run -Werror --style=file");
  if (result.status == 0) return {};
  std::set<std::string> complaints;
  for (const auto line : split_lines(result.output)) {
    const auto colon = line.find(':');
    if (line.find("clang-format-violations") == std::string_view::npos) continue;
    complaints.emplace(line.substr(0, colon));
  }
  if (complaints.empty()) complaints.insert(program + " failed: " + result.output);
  return {complaints.begin(), complaints.end()};
}

}  // namespace swarm::tidy
