#pragma once

#include <string>

namespace swarm::tools {

/// What the user means by `path`: `bazel run` starts a program in its runfiles and leaves the
/// user's own directory in BUILD_WORKING_DIRECTORY, so a relative path is taken from there. Outside
/// `bazel run`, and for absolute or empty paths, it is `path` itself.
std::string user_path(const std::string& path);

}  // namespace swarm::tools
