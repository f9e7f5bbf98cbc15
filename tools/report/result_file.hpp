#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

namespace swarm::tools {

/// The machine a result was measured on.
struct hardware {
  std::string cpu_model;  ///< "unknown" where /proc/cpuinfo names none
  int64_t cores = 0;      ///< online now
  int64_t memory_bytes = 0;
};

hardware this_hardware();

/// Versions as the libraries report them; passed in, so that this room needs none of them.
struct versions {
  std::string caf;
  std::string libtorch;
  std::string capnp;
};

/// Hash of the checked-out commit of the repository that `directory` lies in; empty when there is
/// none. Says nothing about uncommitted changes.
std::string git_hash(const std::string& directory);

/// Everything that a result needs beside its numbers to be understood later.
nlohmann::json result_document(const std::string& program, const nlohmann::json& configuration,
                               const versions& libraries, const nlohmann::json& results);

/// Creates `directory`, a user's path, and tries that files can be written in it, so that a run
/// need not end to find out. Returns a sentence when they cannot; then nothing has been created.
std::optional<std::string> prepare_folder(const std::string& directory);

/// Writes `content` to `directory`/`name`: creates the directory, writes a temporary file beside
/// the target, syncs and renames it, so that a reader sees the old file or the new one. A relative
/// directory is the user's (user_path.hpp). Returns a sentence when it fails; then the old file is
/// as it was.
std::optional<std::string> write_file(const std::string& directory, const std::string& name,
                                      const std::string& content);

/// `write_file` of the document, indented.
std::optional<std::string> write_result(const std::string& directory, const std::string& name,
                                        const nlohmann::json& document);

/// The document on one line with a newline at its end. Numbers that JSON lacks become null, and
/// bytes that are not UTF-8 become U+FFFD.
std::string json_line(const nlohmann::json& document);

}  // namespace swarm::tools
