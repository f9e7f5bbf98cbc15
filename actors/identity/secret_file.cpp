#include "actors/identity/secret_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace swarm::identity {

namespace {

constexpr mode_t owner_only = 0600;
constexpr mode_t anybody_else = 0077;

std::string because(const std::string& what) {
  return what + ": " + std::strerror(errno);
}

bool write_all(int file, const std::string& text) {
  size_t done = 0;
  while (done < text.size()) {
    const auto count = write(file, text.data() + done, text.size() - done);
    if (count < 0 && errno != EINTR) return false;
    if (count > 0) done += static_cast<size_t>(count);
  }
  return fsync(file) == 0;
}

/// So that the name, too, outlives a power cut.
void sync_folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  const auto folder = slash == std::string::npos ? std::string{"."} : path.substr(0, slash + 1);
  const int file = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return;
  fsync(file);
  close(file);
}

}  // namespace

std::optional<std::string> write_secret(const std::string& path, const std::string& text) {
  const auto draft = path + ".new";
  unlink(draft.c_str());
  const int file = open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, owner_only);
  if (file < 0) return because("the file " + path + " cannot be written");
  // The umask may have taken even the owner's right to read it.
  const bool written = fchmod(file, owner_only) == 0 && write_all(file, text);
  close(file);
  // Unlike rename, it does not replace a key that somebody still needs.
  const bool placed = written && link(draft.c_str(), path.c_str()) == 0;
  const int why = errno;
  unlink(draft.c_str());
  errno = why;
  if (placed) {
    sync_folder_of(path);
    return std::nullopt;
  }
  if (why == EEXIST) return "the file " + path + " exists already and is not replaced";
  return because("the file " + path + " cannot be written");
}

std::variant<std::string, secret_failure> read_secret(const std::string& path) {
  // A pipe would keep it waiting.
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return secret_failure{because("the file " + path + " cannot be read")};
  struct stat facts {};
  std::optional<std::string> why;
  if (fstat(file, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    why = path + " is not a file";
  } else if ((facts.st_mode & anybody_else) != 0) {
    why = "the file " + path + " holds a secret that others can read: chmod 600 " + path;
  } else if (static_cast<size_t>(facts.st_size) > secret_bytes_max) {
    why = "the file " + path + " is too large for a key or a token";
  }
  std::string text;
  while (!why) {
    char buffer[4096];
    const auto count = read(file, buffer, sizeof(buffer));
    if (count < 0) why = because("the file " + path + " cannot be read");
    if (count <= 0) break;
    text.append(buffer, static_cast<size_t>(count));
    if (text.size() > secret_bytes_max)
      why = "the file " + path + " is too large for a key or a token";
  }
  close(file);
  if (why) return secret_failure{*why};
  return text;
}

}  // namespace swarm::identity
