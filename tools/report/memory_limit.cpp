#include "tools/report/memory_limit.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <exception>
#include <fstream>
#include <new>
#include <sstream>
#include <system_error>
#include <vector>

#include "tools/report/one_line.hpp"
#include "tools/report/table.hpp"

namespace swarm::tools {
namespace {

constexpr double kibibyte = 1024;

/// Where a hierarchy of cgroups is mounted, and which of its groups is there.
struct mount {
  std::string root;
  std::string point;
};

/// The first mount of that type, and of the v1 controller `memory` for "cgroup".
std::optional<mount> find_mount(const std::string& file, const std::string& type) {
  std::ifstream in{file};
  for (std::string line; std::getline(in, line);) {
    const auto dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    std::istringstream front{line.substr(0, dash)};
    std::istringstream back{line.substr(dash + 3)};
    std::string number, parent, device, found, source, flags;
    mount result;
    front >> number >> parent >> device >> result.root >> result.point;
    back >> found >> source >> flags;
    if (found != type) continue;
    if (type == "cgroup" && ("," + flags + ",").find(",memory,") == std::string::npos) continue;
    return result;
  }
  return std::nullopt;
}

/// This process' group: of v2 with `controller` empty, else of that v1 controller.
std::optional<std::string> group_of(const std::string& file, const std::string& controller) {
  std::ifstream in{file};
  for (std::string line; std::getline(in, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const auto controllers = line.substr(first + 1, second - first - 1);
    const bool same = controller.empty() ? controllers.empty()
                                         : ("," + controllers + ",").find("," + controller + ",") !=
                                               std::string::npos;
    if (same) return line.substr(second + 1);
  }
  return std::nullopt;
}

/// A file with one number; nothing for "max", which is no limit.
std::optional<double> read_limit(const std::string& file) {
  std::ifstream in{file};
  std::string text;
  in >> text;
  uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || failure != std::errc{} || end != text.data() + text.size())
    return std::nullopt;
  return static_cast<double>(value);
}

void take_smaller(memory_limit& smallest, double bytes, const std::string& who) {
  if (bytes >= smallest.bytes) return;
  smallest.bytes = std::max(bytes, 0.0);
  smallest.who = who;
}

/// The group and all above it, up to where the hierarchy is mounted.
void look_at_groups(memory_limit& smallest, const std::string& root, const mount& where,
                    std::string group, const std::string& name) {
  const auto base = where.root == "/" ? std::string{} : where.root;
  // Without a namespace of its own a container sees its group's whole path and only that group.
  group = group.compare(0, base.size(), base) == 0 ? group.substr(base.size()) : std::string{};
  while (!group.empty() && group.back() == '/')
    group.pop_back();
  for (;;) {
    if (const auto bytes = read_limit(root + where.point + group + "/" + name)) {
      const auto shown = base + group;
      take_smaller(
          smallest, *bytes,
          "the cgroup " + one_line(shown.empty() ? "/" : shown) + " allows (" + name + ")");
    }
    if (group.empty()) return;
    group.resize(group.rfind('/'));
  }
}

double physical_bytes() {
  return static_cast<double>(::sysconf(_SC_PHYS_PAGES)) *
         static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double limit_of(decltype(RLIMIT_AS) which) {
  rlimit limit{};
  if (getrlimit(which, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return -1;
  return static_cast<double>(limit.rlim_cur);
}

/// A line of /proc/self/status, such as "VmSize: 1234 kB".
double status_bytes(const std::string& key) {
  std::ifstream in{"/proc/self/status"};
  for (std::string line; std::getline(in, line);) {
    if (line.compare(0, key.size(), key) != 0) continue;
    std::istringstream rest{line.substr(key.size())};
    double kibibytes = 0;
    rest >> kibibytes;
    return kibibytes * kibibyte;
  }
  return 0;
}

/// LibTorch says "you tried to allocate N bytes" in a text of its own.
std::optional<double> libtorch_bytes(const std::string& text) {
  constexpr const char* words = "you tried to allocate ";
  const auto at = text.find(words);
  if (at == std::string::npos) return std::nullopt;
  uint64_t value = 0;
  const char* begin = text.data() + at + std::char_traits<char>::length(words);
  std::from_chars(begin, text.data() + text.size(), value);
  return static_cast<double>(value);
}

}  // namespace

memory_limit smallest_memory_limit(const memory_sources& sources) {
  memory_limit result{sources.physical_bytes, "this machine has"};
  const auto mounts = sources.root + "/proc/self/mountinfo";
  const auto groups = sources.root + "/proc/self/cgroup";
  const auto v2 = find_mount(mounts, "cgroup2");
  if (const auto group = group_of(groups, ""); v2 && group)
    look_at_groups(result, sources.root, *v2, *group, "memory.max");
  const auto v1 = find_mount(mounts, "cgroup");
  if (const auto group = group_of(groups, "memory"); v1 && group)
    look_at_groups(result, sources.root, *v1, *group, "memory.limit_in_bytes");
  if (sources.address_space_bytes_max >= 0) {
    take_smaller(result, sources.address_space_bytes_max - sources.address_space_bytes,
                 "the limit of address space leaves (ulimit -v)");
  }
  if (sources.data_bytes_max >= 0) {
    take_smaller(result, sources.data_bytes_max - sources.data_bytes,
                 "the limit of data leaves (ulimit -d)");
  }
  return result;
}

memory_limit shared_memory_limit() {
  memory_sources sources;
  sources.physical_bytes = physical_bytes();
  return smallest_memory_limit(sources);
}

memory_limit this_memory_limit() {
  memory_sources sources;
  sources.physical_bytes = physical_bytes();
  sources.address_space_bytes_max = limit_of(RLIMIT_AS);
  sources.address_space_bytes = status_bytes("VmSize:");
  sources.data_bytes_max = limit_of(RLIMIT_DATA);
  sources.data_bytes = status_bytes("VmData:");
  return smallest_memory_limit(sources);
}

std::string bytes_text(double bytes) {
  struct unit {
    double bytes;
    const char* name;
  };
  constexpr std::array<unit, 3> units{{{kibibyte * kibibyte * kibibyte, " GiB"},
                                       {kibibyte * kibibyte, " MiB"},
                                       {kibibyte, " KiB"}}};
  for (const auto& each : units)
    if (bytes >= each.bytes) return fixed(bytes / each.bytes, 1) + each.name;
  return fixed(bytes, 0) + " bytes";
}

std::string to_text(const memory_limit& limit) {
  const auto bracket = limit.who.find(" (");
  return limit.who.substr(0, bracket) + " " + bytes_text(limit.bytes) +
         (bracket == std::string::npos ? "" : limit.who.substr(bracket));
}

std::string out_of_memory(std::optional<double> bytes_wanted) {
  const auto limit = this_memory_limit();
  return "out of memory: " +
         (bytes_wanted ? bytes_text(*bytes_wanted) + " more are needed"
                       : std::string{"an allocation failed"}) +
         ", this process holds " + bytes_text(status_bytes("VmRSS:")) + ", and " + to_text(limit) +
         "; lower what the run needs or raise the limit.";
}

std::string failure_text(const std::exception& failure) {
  const std::string text = failure.what();
  if (const auto bytes = libtorch_bytes(text)) return out_of_memory(bytes);
  if (dynamic_cast<const std::bad_alloc*>(&failure) != nullptr) return out_of_memory(std::nullopt);
  const auto* system = dynamic_cast<const std::system_error*>(&failure);
  if (system != nullptr && system->code() == std::errc::not_enough_memory)
    return out_of_memory(std::nullopt);
  if (system != nullptr && system->code() == std::errc::resource_unavailable_try_again) {
    return "no further thread can be started (" + one_line(text) +
           "): raise the limits of processes (ulimit -u) and of memory (" +
           to_text(this_memory_limit()) + ").";
  }
  // LibTorch puts a backtrace behind its first line.
  return one_line(text.substr(0, text.find('\n')));
}

}  // namespace swarm::tools
