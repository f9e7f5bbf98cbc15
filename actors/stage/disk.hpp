#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace swarm::stage {

/// What a store does to a file system, one call at a time, so that a test can end the world between
/// any two of them. Each answers 0 or an errno, and none is interrupted by a signal.
class disk {
 public:
  virtual ~disk() = default;

  /// A new, empty file in place of any old one; `file` is for the next three.
  virtual int create(const std::string& path, int& file) = 0;
  /// All of it. Beyond the process's limit of a file's size: EFBIG, without its signal.
  virtual int write(int file, const void* bytes, size_t count) = 0;
  virtual int sync(int file) = 0;
  virtual int close(int file) = 0;

  virtual int rename(const std::string& from, const std::string& to) = 0;
  virtual int remove(const std::string& path) = 0;
  /// Its entries: what was renamed there stays renamed.
  virtual int sync_directory(const std::string& path) = 0;

  /// What this process may still write there; UINT64_MAX where nobody can say.
  virtual uint64_t free_bytes(const std::string& path) const;
};

/// POSIX calls.
std::shared_ptr<disk> make_disk();

}  // namespace swarm::stage
