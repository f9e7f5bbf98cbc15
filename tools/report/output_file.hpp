#pragma once

#include <optional>
#include <string>
#include <system_error>

namespace swarm::tools {

/// Who may read what we write: 0600 and folders 0700, or 0644 and 0755, whatever the umask.
enum class audience { owner, everybody };

/// Creates the folder and those above it that are missing. One that is there already stays as it
/// is; those above are for everybody.
std::error_code make_folder(const std::string& path, audience readers);

/// Opens for writing, empty. -1 and errno on failure.
int create_file(const std::string& path, audience readers);

/// Writes a temporary file beside `path`, syncs and renames it: a reader sees the old file or the
/// new one, whatever happens meanwhile. On failure the old one stays as it was.
std::error_code replace_file(const std::string& path, const std::string& content, audience readers);

}  // namespace swarm::tools
