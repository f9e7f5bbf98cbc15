#include "tests/sim/scenario_files.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace swarm::campaign {

namespace {

namespace fs = std::filesystem;

constexpr const char* workspace_name = "swarm";

fs::path find_folder(const std::string& folder_name) {
  std::vector<fs::path> roots;
  if (const char* runfiles = std::getenv("TEST_SRCDIR"))
    roots.push_back(fs::path{runfiles} / workspace_name);
  std::error_code ignored;
  const auto self = fs::read_symlink("/proc/self/exe", ignored);
  roots.push_back(fs::path{self.string() + ".runfiles"} / workspace_name);
  roots.push_back(fs::current_path());
  for (const auto& root : roots)
    if (fs::is_directory(root / folder_name, ignored)) return root / folder_name;
  throw std::runtime_error("there is no " + folder_name + " in the program's runfiles or here");
}

simulation::scenario load(const fs::path& path) {
  std::ifstream file{path};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  std::string complaint;
  auto result = simulation::parse_scenario(path.stem().string(), text, complaint);
  if (!result) throw std::runtime_error(complaint);
  return *result;
}

}  // namespace

std::vector<simulation::scenario> load_scenarios(const std::string& folder) {
  std::vector<simulation::scenario> result;
  for (const auto& entry : fs::directory_iterator{find_folder(folder)})
    if (entry.path().extension() == ".json") result.push_back(load(entry.path()));
  if (result.empty()) throw std::runtime_error(folder + " is empty");
  std::sort(result.begin(), result.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return result;
}

std::optional<std::vector<simulation::scenario>> choose(
    const std::vector<simulation::scenario>& from, const std::string& name) {
  if (name == "all") return from;
  for (const auto& one : from)
    if (one.name == name) return std::vector<simulation::scenario>{one};
  return std::nullopt;
}

std::string names_of(const std::vector<simulation::scenario>& scenarios) {
  std::string result;
  for (const auto& one : scenarios)
    result += (result.empty() ? "" : ", ") + one.name;
  return result;
}

}  // namespace swarm::campaign
