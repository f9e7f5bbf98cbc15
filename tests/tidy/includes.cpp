#include <array>
#include <functional>
#include <map>
#include <set>

#include "tests/tidy/rules.hpp"

namespace swarm::tidy {

namespace {

std::string first_part(std::string_view path) {
  return std::string(path.substr(0, path.find('/')));
}

// "actors/wire" of "actors/wire/frame.hpp"; "actors" of "actors/ids.hpp".
std::string room_of(std::string_view path) {
  const auto storey = path.find('/');
  if (storey == std::string_view::npos) return "";
  const auto room = path.find('/', storey + 1);
  return std::string(path.substr(0, room == std::string_view::npos ? storey : room));
}

// An arrow points down, or stays on the storey.
int storey_of(std::string_view path) {
  static const std::map<std::string, int> storeys{{"schemas", 0},     {"tensors", 1}, {"actors", 2},
                                                  {"experiments", 3}, {"tools", 3},   {"tests", 4}};
  const auto found = storeys.find(first_part(path));
  return found == storeys.end() ? -1 : found->second;
}

constexpr int no_floor = -1;
constexpr int role_floor = 3;

// Rooms of one floor do not include each other.
int floor_of(const std::string& room) {
  static const std::map<std::string, int> floors{
      {"actors", 0},
      {"actors/supervision", 1},
      {"actors/telemetry", 1},
      {"actors/wiring", 1},
      {"actors/identity", 1},
      {"actors/wire", 2},
      {"actors/stage", role_floor},
      {"actors/training", role_floor},
      {"actors/averaging", role_floor},
      {"actors/rebalancing", role_floor},
      {"actors/dht", role_floor},
      {"actors/transport", role_floor},
      {"actors/faults", role_floor},
      {"actors/peer", 4},
      {"actors/simulation", 5},
  };
  const auto found = floors.find(room);
  return found == floors.end() ? no_floor : found->second;
}

bool is_libtorch(std::string_view include) {
  static constexpr std::array<std::string_view, 4> roots{"torch/", "ATen/", "c10/", "caffe2/"};
  for (const auto root : roots) {
    if (starts_with(include, root)) return true;
  }
  return false;
}

bool may_use_libtorch(std::string_view path) {
  return starts_with(path, "tensors/") || starts_with(path, "tests/tensors/");
}

bool may_use_caf(std::string_view path) {
  return !starts_with(path, "tensors/") && !starts_with(path, "schemas/") &&
         !starts_with(path, "tests/tensors/");
}

void check_storey(const source& file, const include_line& include, findings& out) {
  const int from = storey_of(file.path);
  const int to = storey_of(include.path);
  if (from < 0 || to < 0 || to <= from) return;
  out.push_back({file.path, include.line, "storey",
                 first_part(file.path) + "/ stands below " + include.path});
}

void check_floor(const source& file, const include_line& include, findings& out) {
  if (first_part(file.path) != "actors" || first_part(include.path) != "actors") return;
  const auto from = room_of(file.path);
  const auto to = room_of(include.path);
  if (from == to || floor_of(from) == no_floor || floor_of(to) == no_floor) return;
  // The arbiter is a state machine of its own that the coordinator owns.
  if (from == "actors/training" && include.path == "actors/rebalancing/move_arbiter.hpp") return;
  if (floor_of(to) >= floor_of(from)) {
    out.push_back({file.path, include.line, "floor", from + " does not stand above " + to});
  } else if (to == "actors/wiring" && floor_of(from) == role_floor && from != "actors/training") {
    out.push_back({file.path, include.line, "floor", "of the roles, only training uses wiring"});
  }
}

using room_graph = std::map<std::string, std::set<std::string>>;

room_graph rooms_of_tensors(const source_map& tree) {
  room_graph graph;
  for (const auto& [path, file] : tree) {
    if (first_part(path) != "tensors") continue;
    for (const auto& include : file.includes) {
      const auto to = room_of(include.path);
      if (first_part(to) == "tensors" && to != room_of(path)) graph[room_of(path)].insert(to);
    }
  }
  return graph;
}

std::string nearest_build(const source_map& tree, std::string_view path) {
  for (auto slash = path.rfind('/'); slash != std::string_view::npos;
       slash = slash == 0 ? std::string_view::npos : path.rfind('/', slash - 1)) {
    auto build = std::string(path.substr(0, slash)) + "/BUILD";
    if (tree.count(build) != 0) return build;
  }
  return "";
}

}  // namespace

void check_includes(const source& file, findings& out) {
  if (file.is_cpp() && first_part(file.path) == "actors" && floor_of(room_of(file.path)) < 0) {
    out.push_back({file.path, 0, "floor", "this room has no floor yet: tests/tidy/includes.cpp"});
  }
  for (const auto& include : file.includes) {
    if (is_libtorch(include.path) && !may_use_libtorch(file.path)) {
      out.push_back({file.path, include.line, "libtorch", "LibTorch lives in tensors/ only"});
    }
    if (starts_with(include.path, "caf/") && !may_use_caf(file.path)) {
      out.push_back({file.path, include.line, "caf", "CAF lives in actors/ and above"});
    }
    check_storey(file, include, out);
    check_floor(file, include, out);
  }
}

void check_cycles(const source_map& tree, findings& out) {
  const auto graph = rooms_of_tensors(tree);
  for (const auto& [start, next] : graph) {
    std::set<std::string> reached;
    const std::function<void(const std::string&)> walk = [&](const std::string& room) {
      const auto edges = graph.find(room);
      if (edges == graph.end()) return;
      for (const auto& to : edges->second) {
        if (reached.insert(to).second) walk(to);
      }
    };
    walk(start);
    if (reached.count(start) == 0) continue;
    out.push_back({start, 0, "cycle", "this room includes itself through other rooms"});
  }
}

void check_build(const source_map& tree, findings& out) {
  for (const auto& [path, file] : tree) {
    if (!file.is_cpp()) continue;
    const auto build = nearest_build(tree, path);
    if (build.empty()) {
      out.push_back({path, 0, "build", "no BUILD file above it"});
      continue;
    }
    const auto relative = path.substr(build.size() - std::string_view("BUILD").size());
    if (tree.at(build).text.find('"' + relative + '"') != std::string::npos) continue;
    out.push_back({path, 0, "build", "not named in " + build + ": nobody compiles it"});
  }
}

}  // namespace swarm::tidy
