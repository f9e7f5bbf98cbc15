#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tests/tidy/source.hpp"

// The checkout that this test was built from, read through the file system.
namespace swarm::tidy {

// clang-format of another major version breaks lines elsewhere.
inline constexpr int clang_format_version = 14;

// Throws std::runtime_error outside `bazel test`.
std::filesystem::path workspace_root();

std::vector<std::string> top_level_names(const std::filesystem::path& root);

// All text files of the agreed folders and of .ci.
source_map read_tree(const std::filesystem::path& root);

// Its program name, or nothing when the version we format with is not installed.
std::optional<std::string> find_clang_format();

// The C++ files that `program` would change, or why it could not tell.
std::vector<std::string> find_unformatted(const std::string& program,
                                          const std::filesystem::path& root,
                                          const source_map& tree);

}  // namespace swarm::tidy
