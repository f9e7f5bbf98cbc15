#include "tools/report/user_path.hpp"

#include <glob.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace swarm::tools {
namespace {

/// Of the user, if `name` is empty; empty: there is none.
std::string home_of(const std::string& name) {
  if (name.empty()) {
    const char* home = std::getenv("HOME");
    if (home != nullptr && *home != '\0') return home;
  }
  const passwd* entry = name.empty() ? ::getpwuid(::getuid()) : ::getpwnam(name.c_str());
  return entry == nullptr || entry->pw_dir == nullptr ? "" : entry->pw_dir;
}

}  // namespace

std::string user_path(const std::string& path) {
  if (!path.empty() && path.front() == '~') {
    const auto slash = path.find('/');
    const auto name = path.substr(1, slash == std::string::npos ? slash : slash - 1);
    const auto home = home_of(name);
    if (!home.empty()) return home + (slash == std::string::npos ? "" : path.substr(slash));
  }
  const char* directory = std::getenv("BUILD_WORKING_DIRECTORY");
  if (directory == nullptr || path.empty() || path.front() == '/') return path;
  return std::string{directory} + "/" + path;
}

std::vector<std::string> user_paths(const std::string& pattern) {
  const auto path = user_path(pattern);
  std::error_code ignored;
  if (path.find_first_of("*?[") == std::string::npos || std::filesystem::exists(path, ignored))
    return {path};
  glob_t found{};
  std::vector<std::string> result;
  if (::glob(path.c_str(), GLOB_NOSORT, nullptr, &found) == 0)
    result.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  std::sort(result.begin(), result.end());
  return result;
}

}  // namespace swarm::tools
