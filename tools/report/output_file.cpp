#include "tools/report/output_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

namespace swarm::tools {

namespace {

namespace fs = std::filesystem;

mode_t file_mode(audience readers) {
  return readers == audience::owner ? 0600 : 0644;
}

mode_t folder_mode(audience readers) {
  return readers == audience::owner ? 0700 : 0755;
}

std::error_code last_error() {
  return {errno, std::generic_category()};
}

bool write_all(int descriptor, const std::string& content) {
  size_t done = 0;
  while (done < content.size()) {
    const ssize_t count = ::write(descriptor, content.data() + done, content.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    done += static_cast<size_t>(count);
  }
  return ::fsync(descriptor) == 0;
}

}  // namespace

std::error_code make_folder(const std::string& path, audience readers) {
  const fs::path folder{path};
  std::error_code error;
  if (fs::is_directory(folder, error)) return {};
  // "a/b/" names the folder b in a.
  const auto whole = folder.has_filename() ? folder : folder.parent_path();
  const auto above = whole.parent_path();
  if (!above.empty() && above != whole) {
    if (auto why = make_folder(above.string(), audience::everybody)) return why;
  }
  if (::mkdir(whole.c_str(), folder_mode(readers)) == 0) {
    // The umask has been taken off.
    return ::chmod(whole.c_str(), folder_mode(readers)) == 0 ? std::error_code{} : last_error();
  }
  const auto why = last_error();
  if (why != std::errc::file_exists) return why;
  // Somebody else may have been faster.
  return fs::is_directory(whole, error) ? std::error_code{}
                                        : std::make_error_code(std::errc::not_a_directory);
}

int create_file(const std::string& path, audience readers) {
  const int file =
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, file_mode(readers));
  // File systems without modes refuse, and have nothing to protect.
  if (file >= 0 && ::fchmod(file, file_mode(readers)) != 0) errno = 0;
  return file;
}

std::error_code replace_file(const std::string& path, const std::string& content,
                             audience readers) {
  const fs::path target{path};
  // Hidden; the process id keeps two writers from sharing it.
  const auto draft = target.parent_path() /
                     ("." + target.filename().string() + ".tmp" + std::to_string(::getpid()));
  const int file = create_file(draft.string(), readers);
  if (file < 0) return last_error();
  std::error_code why;
  if (!write_all(file, content)) why = last_error();
  if (::close(file) != 0 && !why) why = last_error();
  if (!why && std::rename(draft.c_str(), path.c_str()) != 0) why = last_error();
  if (why) ::unlink(draft.c_str());
  return why;
}

}  // namespace swarm::tools
