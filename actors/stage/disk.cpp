#include "actors/stage/disk.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace swarm::stage {

namespace {

/// Linux writes no more at once.
constexpr size_t write_bytes_max = size_t{1} << 30;

int outcome(int result) {
  return result < 0 ? errno : 0;
}

class posix_disk final : public disk {
 public:
  int create(const std::string& path, int& file) override {
    // A leftover may be somebody else's link.
    ::unlink(path.c_str());
    file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    return outcome(file);
  }

  int write(int file, const void* bytes, size_t count) override {
    const auto* next = static_cast<const char*>(bytes);
    while (count > 0) {
      const auto written = ::write(file, next, std::min(count, write_bytes_max));
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return written < 0 ? errno : EIO;
      next += written;
      count -= static_cast<size_t>(written);
    }
    return 0;
  }

  int sync(int file) override { return outcome(::fsync(file)); }
  int close(int file) override { return outcome(::close(file)); }

  int rename(const std::string& from, const std::string& to) override {
    return outcome(::rename(from.c_str(), to.c_str()));
  }

  int remove(const std::string& path) override { return outcome(::unlink(path.c_str())); }

  int sync_directory(const std::string& path) override {
    const int directory = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return errno;
    const int result = outcome(::fsync(directory));
    ::close(directory);
    return result;
  }
};

}  // namespace

std::shared_ptr<disk> make_disk() {
  return std::make_shared<posix_disk>();
}

}  // namespace swarm::stage
