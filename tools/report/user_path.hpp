#pragma once

#include <string>
#include <vector>

namespace swarm::tools {

/// What the user means by `path`. A leading ~ or ~NAME is a home directory, as in a shell, which
/// leaves it alone behind a '='; one that is nobody's stays. `bazel run` starts a program in its
/// runfiles and leaves the user's own directory in BUILD_WORKING_DIRECTORY, so a relative path is
/// taken from there. Otherwise it is `path` itself.
std::string user_path(const std::string& path);

/// The files that a pattern with *, ? and [...] names, in the order of their bytes, so that they
/// are the same list everywhere. A path without such signs, and one that is there as it is written,
/// is itself. Empty: nothing matches.
std::vector<std::string> user_paths(const std::string& pattern);

}  // namespace swarm::tools
