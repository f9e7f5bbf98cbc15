#include "tools/report/result_file.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "tools/report/one_line.hpp"
#include "tools/report/output_file.hpp"
#include "tools/report/user_path.hpp"

namespace swarm::tools {
namespace {

namespace fs = std::filesystem;

constexpr int json_indent = 2;
constexpr size_t git_hash_digits = 40;

std::string first_line(const fs::path& file) {
  std::ifstream stream{file};
  std::string line;
  std::getline(stream, line);
  return line;
}

std::string packed_ref(const fs::path& git, const std::string& name) {
  std::ifstream stream{git / "packed-refs"};
  for (std::string line; std::getline(stream, line);) {
    if (line.size() == git_hash_digits + 1 + name.size() &&
        line.compare(git_hash_digits + 1, name.size(), name) == 0) {
      return line.substr(0, git_hash_digits);
    }
  }
  return "";
}

std::string head_of(const fs::path& git) {
  auto head = first_line(git / "HEAD");
  if (head.rfind("ref: ", 0) != 0) return head;
  const auto name = head.substr(5);
  auto hash = first_line(git / name);
  return hash.empty() ? packed_ref(git, name) : hash;
}

std::string cannot_write(const fs::path& path, const std::string& why) {
  return "Cannot write '" + one_line(path.string()) + "': " + why + ".";
}

/// `folder` and those of its parents that do not exist, deepest first.
std::vector<fs::path> missing_folders(const fs::path& folder) {
  std::vector<fs::path> result;
  std::error_code error;
  for (auto path = folder; !path.empty() && !fs::exists(path, error); path = path.parent_path())
    result.push_back(path);
  return result;
}

}  // namespace

hardware this_hardware() {
  hardware result;
  std::ifstream cpuinfo{"/proc/cpuinfo"};
  for (std::string line; result.cpu_model.empty() && std::getline(cpuinfo, line);) {
    const auto colon = line.find(": ");
    if (line.rfind("model name", 0) == 0 && colon != std::string::npos) {
      result.cpu_model = line.substr(colon + 2);
    }
  }
  if (result.cpu_model.empty()) result.cpu_model = "unknown";
  result.cores = ::sysconf(_SC_NPROCESSORS_ONLN);
  result.memory_bytes = int64_t{::sysconf(_SC_PHYS_PAGES)} * ::sysconf(_SC_PAGESIZE);
  return result;
}

std::string git_hash(const std::string& directory) {
  std::error_code error;
  auto current = fs::absolute(directory, error);
  while (!error && !current.empty()) {
    if (fs::is_directory(current / ".git", error)) return head_of(current / ".git");
    if (current == current.parent_path()) break;
    current = current.parent_path();
    error.clear();
  }
  return "";
}

nlohmann::json result_document(const std::string& program, const nlohmann::json& configuration,
                               const versions& libraries, const nlohmann::json& results) {
  const auto machine = this_hardware();
  const char* workspace = std::getenv("BUILD_WORKSPACE_DIRECTORY");
  return {{"program", program},
          {"configuration", configuration},
          {"versions",
           {{"caf", libraries.caf}, {"libtorch", libraries.libtorch}, {"capnp", libraries.capnp}}},
          {"hardware",
           {{"cpu_model", machine.cpu_model},
            {"cores", machine.cores},
            {"memory_bytes", machine.memory_bytes}}},
          {"git_hash", git_hash(workspace == nullptr ? "." : workspace)},
          {"results", results}};
}

std::optional<std::string> prepare_folder(const std::string& directory) {
  const fs::path folder{user_path(directory)};
  const auto missing = missing_folders(folder);
  auto error = make_folder(folder.string(), audience::everybody);
  auto why = error.message();
  if (!error) {
    // Permissions do not tell: a read-only or virtual file system refuses those who have them.
    const auto probe = folder / (".probe.tmp" + std::to_string(::getpid()));
    const int descriptor = create_file(probe.string(), audience::everybody);
    if (descriptor >= 0) {
      ::close(descriptor);
      ::unlink(probe.c_str());
      return std::nullopt;
    }
    why = std::strerror(errno);
  }
  // Removes empty folders only.
  for (const auto& created : missing)
    fs::remove(created, error);
  return cannot_write(directory, why);
}

std::optional<std::string> write_file(const std::string& directory, const std::string& name,
                                      const std::string& content) {
  const fs::path folder{user_path(directory)};
  auto failure = [&](const std::string& why) { return cannot_write(folder / name, why); };
  if (const auto why = make_folder(folder.string(), audience::everybody))
    return failure(why.message());
  if (const auto why = replace_file((folder / name).string(), content, audience::everybody))
    return failure(why.message());
  return std::nullopt;
}

std::optional<std::string> write_result(const std::string& directory, const std::string& name,
                                        const nlohmann::json& document) {
  using handler = nlohmann::json::error_handler_t;
  return write_file(directory, name,
                    document.dump(json_indent, ' ', false, handler::replace) + "\n");
}

std::string json_line(const nlohmann::json& document) {
  using handler = nlohmann::json::error_handler_t;
  return document.dump(-1, ' ', false, handler::replace) + "\n";
}

}  // namespace swarm::tools
