#include "tools/report/user_path.hpp"

#include <cstdlib>

namespace swarm::tools {

std::string user_path(const std::string& path) {
  const char* directory = std::getenv("BUILD_WORKING_DIRECTORY");
  if (directory == nullptr || path.empty() || path.front() == '/') return path;
  return std::string{directory} + "/" + path;
}

}  // namespace swarm::tools
