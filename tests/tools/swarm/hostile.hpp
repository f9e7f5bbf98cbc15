#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// Invocations that no careful person would type: wrong flags, hostile files, a broken
/// environment, missing descriptors, tight limits. A seed gives the same one everywhere.
namespace swarm::tests {

/// How a standard descriptor is left to the program.
enum class descriptor : uint8_t { as_usual, closed, full_disk, reader_gone };

struct invocation {
  std::vector<std::string> arguments;  ///< the command first
  /// Set, or unset where there is no value.
  std::vector<std::pair<std::string, std::optional<std::string>>> environment;
  bool closed_input = false;
  descriptor output = descriptor::as_usual;
  descriptor errors = descriptor::as_usual;
  std::optional<uint64_t> open_files_max;
  std::optional<uint64_t> file_bytes_max;
  std::optional<uint64_t> address_space_bytes_max;
  uint32_t umask = 022;
  bool lost_folder = false;  ///< its working directory has been removed
};

/// What a program takes: its options as `--help` lists them.
struct command_line {
  std::string command;
  std::vector<std::string> options;  ///< with their dashes
  /// What a careful person would type; most invocations begin with it, to get past the door.
  std::vector<std::string> sound;
  /// Given last, so that it ends soon when nothing else is wrong.
  std::vector<std::string> ending;
};

/// The names in the first column of a --help table.
std::vector<std::string> options_in(const std::string& help);

/// Makes files in `folder` that the invocations name: texts, noise, half a run, a decoy.
/// `bystander` is the process that the decoy's pid file names.
void make_hostile_files(const std::string& folder, int64_t bystander);

invocation hostile_invocation(const command_line& what, uint64_t seed);

/// As a person would type it into a shell, as far as that can be typed.
std::string to_text(const invocation& what);

}  // namespace swarm::tests
