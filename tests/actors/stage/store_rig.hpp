#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "actors/stage/file_state_store.hpp"

/// Files of a state store, and disks that fail.
namespace swarm::testing {

/// Empty, and gone with the test.
class scratch_directory {
 public:
  scratch_directory() {
    const char* root = std::getenv("TEST_TMPDIR");
    std::string name = std::string{root == nullptr ? "/tmp" : root} + "/storeXXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no scratch directory");
    path_ = name;
  }
  ~scratch_directory() { std::filesystem::remove_all(path_); }
  scratch_directory(const scratch_directory&) = delete;
  scratch_directory& operator=(const scratch_directory&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

  std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (const auto& entry : std::filesystem::directory_iterator{path_})
      result.push_back(entry.path().filename().string());
    std::sort(result.begin(), result.end());
    return result;
  }

 private:
  std::string path_;
};

inline std::string bytes_of(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

inline void put_bytes(const std::string& path, const std::string& bytes) {
  std::filesystem::remove(path);  // a new file, which nothing waits for
  std::ofstream{path, std::ios::binary | std::ios::trunc}.write(
      bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// Numbers that no other version has.
inline std::vector<float> numbers_of(int64_t version, size_t count = 10) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i)
    values[i] = static_cast<float>(version) + static_cast<float>(i) / 100;
  return values;
}

inline tensors::host_tensor tensor_of(int64_t version) {
  return tensors::host_tensor::adopt(numbers_of(version), {2, 5});
}

inline stage::stored_state state_of(int64_t version) {
  return {step_id{version},
          tensor_of(version),
          {{term_id{3}, round_id{7}}, 0.5 + static_cast<double>(version), 12}};
}

inline stage::stored_sum sum_of(int64_t step) {
  return {step_id{step},
          {{term_id{4}, round_id{2}}, "hash of " + std::to_string(step), 1.25, 11},
          tensors::host_tensor::adopt(std::vector<int64_t>{step, -step, 5}, {3})};
}

/// -1: none. Aborts the test if it is neither as it was put nor absent.
int64_t version_of(const std::optional<stage::stored_state>& state);
int64_t step_of(const std::optional<stage::stored_sum>& sum);
std::vector<int64_t> versions_of(const stage::state_store& store);

/// POSIX calls, written down, until it dies: from then on nothing happens any more. A file that is
/// being written then is torn. Every call is a moment, and every so many bytes of a write.
class mortal_disk final : public stage::disk {
 public:
  static constexpr uint64_t for_ever = UINT64_MAX;

  explicit mortal_disk(uint64_t dies_after = for_ever) : left_(dies_after) {}

  int create(const std::string& path, int& file) override;
  int write(int file, const void* bytes, size_t count) override;
  int sync(int file) override;
  int close(int file) override;
  int rename(const std::string& from, const std::string& to) override;
  int remove(const std::string& path) override;
  int sync_directory(const std::string& path) override;

  void revive() { left_ = for_ever; }
  bool dead() const { return left_ == 0; }
  /// "create NAME", "write", "sync", "close", "rename NAME", "remove NAME", "sync directory".
  std::vector<std::string> log;

 private:
  static constexpr uint64_t chunk_bytes = 24;

  bool die(const std::string& what);

  std::shared_ptr<stage::disk> real_ = stage::make_disk();
  uint64_t left_;
};

}  // namespace swarm::testing
