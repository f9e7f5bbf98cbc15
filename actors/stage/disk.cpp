#include "actors/stage/disk.hpp"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <ctime>

namespace swarm::stage {

namespace {

/// Linux writes no more at once.
constexpr size_t write_bytes_max = size_t{1} << 30;

int outcome(int result) {
  return result < 0 ? errno : 0;
}

/// Some file systems let a signal interrupt any of these.
template <class Call>
int uninterrupted(Call call) {
  int result = 0;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

/// While it lives, a write beyond RLIMIT_FSIZE fails instead of ending the process.
class no_size_signal {
 public:
  no_size_signal() {
    sigemptyset(&size_);
    sigaddset(&size_, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &size_, &before_);
  }
  ~no_size_signal() {
    const timespec at_once{0, 0};
    while (sigtimedwait(&size_, nullptr, &at_once) < 0 && errno == EINTR) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  no_size_signal(const no_size_signal&) = delete;
  no_size_signal& operator=(const no_size_signal&) = delete;

 private:
  sigset_t size_;
  sigset_t before_;
};

class posix_disk final : public disk {
 public:
  int create(const std::string& path, int& file) override {
    // A leftover may be somebody else's link.
    ::unlink(path.c_str());
    file = uninterrupted([&] {
      return ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    });
    return outcome(file);
  }

  int write(int file, const void* bytes, size_t count) override {
    const no_size_signal limit_is_an_error;
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

  int sync(int file) override {
    return outcome(uninterrupted([&] { return ::fsync(file); }));
  }

  // Interrupted, it is closed all the same, and a second one may hit another's file.
  int close(int file) override {
    const int error = outcome(::close(file));
    return error == EINTR ? 0 : error;
  }

  int rename(const std::string& from, const std::string& to) override {
    return outcome(::rename(from.c_str(), to.c_str()));
  }

  int remove(const std::string& path) override { return outcome(::unlink(path.c_str())); }

  int sync_directory(const std::string& path) override {
    const int directory =
        uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
    if (directory < 0) return errno;
    const int result = outcome(uninterrupted([&] { return ::fsync(directory); }));
    ::close(directory);
    return result;
  }

  uint64_t free_bytes(const std::string& path) const override {
    struct statvfs room {};
    // Whoever has no blocks to count says 0 of 0.
    if (uninterrupted([&] { return ::statvfs(path.c_str(), &room); }) < 0 || room.f_blocks == 0)
      return disk::free_bytes(path);
    const uint64_t blocks = ::geteuid() == 0 ? room.f_bfree : room.f_bavail;
    return blocks * room.f_frsize;
  }
};

}  // namespace

uint64_t disk::free_bytes(const std::string&) const {
  return UINT64_MAX;
}

std::shared_ptr<disk> make_disk() {
  return std::make_shared<posix_disk>();
}

}  // namespace swarm::stage
