#include "actors/stage/file_state_store.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "actors/stage/keep_promise.hpp"

namespace swarm::stage {

namespace {

namespace fs = std::filesystem;

const std::string state_prefix = "state-";
const std::string suffix = ".kept";
const std::string part_suffix = ".part";
const std::string sum_name = "sum" + suffix;
/// An empty file beside the version of this number: it stays, however old, in the next life, too.
const std::string pin_prefix = "pinned-";

std::string state_name(step_id version) {
  return state_prefix + std::to_string(version.value()) + suffix;
}

/// Nothing for a name that this store does not give.
std::optional<step_id> version_in(const std::string& name) {
  if (name.size() <= state_prefix.size() + suffix.size() || name.rfind(state_prefix, 0) != 0)
    return std::nullopt;
  const auto digits =
      name.substr(state_prefix.size(), name.size() - state_prefix.size() - suffix.size());
  constexpr size_t digits_max = 18;
  if (digits.size() > digits_max || digits.find_first_not_of("0123456789") != std::string::npos)
    return std::nullopt;
  const step_id version{std::stoll(digits)};
  return state_name(version) == name ? std::optional{version} : std::nullopt;
}

std::string pin_name(step_id version) {
  return pin_prefix + std::to_string(version.value());
}

std::string sentence_of(int error) {
  return std::generic_category().message(error);
}

/// One process at a time.
class directory_lock {
 public:
  explicit directory_lock(const std::string& path)
      : file_(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (file_ < 0) throw unusable(path, sentence_of(errno));
    if (::flock(file_, LOCK_EX | LOCK_NB) == 0) return;
    const int why = errno;
    ::close(file_);
    throw unusable(path, why == EWOULDBLOCK ? "another store has it open" : sentence_of(why));
  }
  ~directory_lock() { ::close(file_); }
  directory_lock(const directory_lock&) = delete;
  directory_lock& operator=(const directory_lock&) = delete;

  static std::runtime_error unusable(const std::string& path, const std::string& why) {
    return std::runtime_error("The directory " + path + " cannot keep a worker's state: " + why +
                              ". Choose another, or end whoever uses it.");
  }

 private:
  int file_;
};

/// Of the owner alone when it is made here, whatever the umask.
std::string made(const std::string& path) {
  std::error_code error;
  const bool fresh = fs::create_directories(path, error);
  if (fresh) fs::permissions(path, fs::perms::owner_all, error);
  if (error) throw directory_lock::unusable(path, error.message());
  return path;
}

/// The newest that has been put and is not on the disk.
template <class T>
struct unwritten {
  std::optional<T> value;
  uint64_t number = 0;  ///< of the put
  bool due = false;     ///< not tried yet, or to be tried again
};

class file_state_store final : public state_store {
  using kind = keep_promise::kind;
  /// With the one that is pinned.
  static constexpr size_t all_kept = states_kept_max + 1;

 public:
  explicit file_state_store(file_store_options options)
      : options_(std::move(options)), lock_(made(options_.directory)) {
    if (!options_.where) options_.where = make_disk();
    look_around();
    if (!options_.durable) writer_ = std::thread([this] { write_for_ever(); });
  }

  ~file_state_store() override {
    if (writer_.joinable()) {
      {
        const std::lock_guard guard{mutex_};
        ending_ = true;
        make_due();
      }
      wake_.notify_one();
      writer_.join();
    } else {
      const std::lock_guard guard{mutex_};
      make_due();
    }
    write_all();
  }

  void put(stored_state state) override { take(state_, std::move(state)); }
  void put(stored_sum sum) override { take(sum_, std::move(sum)); }

  std::optional<stored_state> state() const override {
    if (auto newest = waiting(state_)) return newest;
    const std::lock_guard guard{files_};
    while (!versions_.empty())
      if (auto found = read_state(versions_.front())) return found;
    return std::nullopt;
  }

  std::optional<stored_sum> sum() const override {
    if (auto newest = waiting(sum_)) return newest;
    const std::lock_guard guard{files_};
    file_record record;
    if (!read(sum_name, file_kind::sum, record)) return std::nullopt;
    return stored_sum{record.version,
                      {record.attempt, record.hash, record.number, record.counted},
                      std::move(record.tensor),
                      record.history};
  }

  std::optional<step_id> kept() const override {
    const std::lock_guard guard{files_};
    return versions_.empty() ? std::nullopt : std::optional{versions_.front()};
  }

  void pin(step_id version) override {
    const std::lock_guard guard{files_};
    if (std::find(versions_.begin(), versions_.end(), version) != versions_.end())
      pinned_ = version;
  }

  keeping_word word() const override {
    const std::lock_guard guard{mutex_};
    return word_;
  }

  std::vector<stored_state> states() const override {
    auto newest = waiting(state_);
    std::vector<stored_state> result;
    const std::lock_guard guard{files_};
    // The oldest first, as they were put.
    const auto versions = versions_;
    const auto of = [](const stored_state& s) { return s.version; };
    for (auto version = versions.rbegin(); version != versions.rend(); ++version)
      if (auto found = read_state(*version)) keep_newest(result, std::move(*found), of, all_kept);
    if (newest) keep_newest(result, std::move(*newest), of, all_kept);
    return result;
  }

 private:
  std::string path_of(const std::string& name) const { return options_.directory + "/" + name; }

  void complain(const std::string& sentence) const {
    if (options_.complain) options_.complain(sentence);
  }

  /// Which versions are there, and what a crash left.
  void look_around() {
    std::error_code error;
    for (fs::directory_iterator it{options_.directory, error}, end; !error && it != end;
         it.increment(error)) {
      const auto name = it->path().filename().string();
      if (const auto version = version_in(name)) versions_.push_back(*version);
      const auto whole = name.substr(0, name.size() - std::min(name.size(), part_suffix.size()));
      if (whole + part_suffix == name && (whole == sum_name || version_in(whole)))
        options_.where->remove(path_of(name));
    }
    if (error) throw directory_lock::unusable(options_.directory, error.message());
    std::sort(versions_.rbegin(), versions_.rend());
    for (const auto version : versions_)
      if (fs::exists(path_of(pin_name(version)), error)) pinned_ = marked_ = version;
  }

  /// Precondition: `files_` is held. A pin is worth nothing if the next life forgets it: it would
  /// put the version that it begins with, and the pinned one would go.
  void mark_pin() {
    const bool beyond = versions_.size() > states_kept_max;
    const auto wanted = beyond ? pinned_ : std::nullopt;
    if (wanted == marked_) return;
    int file = -1;
    if (wanted && options_.where->create(path_of(pin_name(*wanted)), file) == 0)
      options_.where->close(file);
    if (marked_) options_.where->remove(path_of(pin_name(*marked_)));
    marked_ = wanted;
  }

  // -- reading, with `files_` held --------------------------------------------------------------

  bool read(const std::string& name, file_kind kind, file_record& out) const {
    const auto fault =
        read_record(path_of(name), kind, options_.owner, options_.file_bytes_max, out);
    if (fault && *fault != file_fault::absent) complain(path_of(name) + ": " + to_sentence(*fault));
    return !fault;
  }

  /// What cannot be read is none of the versions that are kept.
  std::optional<stored_state> read_state(step_id version) const {
    file_record record;
    const auto name = state_name(version);
    bool good = read(name, file_kind::state, record);
    if (good && record.version != version) {
      complain(path_of(name) + ": " + to_sentence(file_fault::foreign));
      good = false;
    }
    if (!good) {
      versions_.erase(std::remove(versions_.begin(), versions_.end(), version), versions_.end());
      refused_.push_back(version);
      return std::nullopt;
    }
    return stored_state{version,
                        std::move(record.tensor),
                        {record.attempt, record.number, record.counted},
                        record.history};
  }

  template <class T>
  std::optional<T> waiting(const unwritten<T>& one) const {
    const std::lock_guard guard{mutex_};
    return one.value;
  }

  // -- writing ----------------------------------------------------------------------------------

  template <class T>
  void take(unwritten<T>& one, T value) {
    {
      const std::lock_guard guard{mutex_};
      one.value = std::move(value);
      one.number = ++puts_;
      make_due();
    }
    if (options_.durable) return write_all();
    wake_.notify_one();
  }

  /// Precondition: `mutex_` is held. What has failed is tried again beside what is new.
  void make_due() {
    state_.due = state_.value.has_value();
    sum_.due = sum_.value.has_value();
  }

  void write_for_ever() {
    std::unique_lock guard{mutex_};
    while (!ending_) {
      wake_.wait(guard, [this] { return ending_ || state_.due || sum_.due; });
      guard.unlock();
      write_all();
      guard.lock();
    }
  }

  /// The state first: a sum is worth nothing without the state that it belongs to.
  void write_all() {
    const std::lock_guard guard{files_};
    while (write_if_due(state_, kind::state) || write_if_due(sum_, kind::sum)) {
    }
  }

  /// Precondition: `files_` is held. False: nothing to do.
  template <class T>
  bool write_if_due(unwritten<T>& one, kind what) {
    std::optional<T> value;
    uint64_t number = 0;
    {
      const std::lock_guard guard{mutex_};
      if (!std::exchange(one.due, false)) return false;
      // Its state could not be written: what room there is, is for that.
      if (what == kind::sum && promise_.failed(kind::state) && state_.value) return true;
      value = one.value;
      number = one.number;
    }
    const auto why = write(*value);
    judge(what, kept_from(*value), why);
    const std::lock_guard guard{mutex_};
    if (why.empty() && one.number == number) one.value.reset();
    return true;
  }

  static step_id kept_from(const stored_state& state) { return state.version; }
  static step_id kept_from(const stored_sum& sum) { return sum.step.next(); }

  /// Says what a write means for the promise, when it changes.
  void judge(kind what, step_id from, const std::string& why) {
    const auto verdict = promise_.wrote(what, why.empty());
    if (verdict == keep_promise::verdict::none) return;
    const bool withdrawn = verdict == keep_promise::verdict::withdrawn;
    const auto whose = "stage " + std::to_string(options_.owner.stage.value()) + "'s state is ";
    const auto since = " from step " + std::to_string(from.value()) + " on";
    const auto sentence =
        withdrawn ? whose + "not kept in " + options_.directory + since + ": " + why + "; " +
                        newest_there() + ". Training goes on without: see to the disk."
                  : whose + "kept in " + options_.directory + " again," + since + ".";
    {
      const std::lock_guard guard{mutex_};
      word_ = {withdrawn, word_.changes + 1, sentence};
    }
    complain(sentence);
  }

  /// Somebody may have removed them.
  std::string newest_there() {
    const auto gone = [this](step_id version) {
      std::error_code error;
      return !fs::exists(path_of(state_name(version)), error) && !error;
    };
    versions_.erase(std::remove_if(versions_.begin(), versions_.end(), gone), versions_.end());
    if (versions_.empty()) return "no earlier step is there";
    return "step " + std::to_string(versions_.front().value()) + " is there and stays";
  }

  // Each of these answers why not; empty: it is on the disk.

  std::string write(const stored_state& state) {
    const auto& commit = state.commit;
    if (state.version < step_id{0}) return "it is of no step";
    auto why = write_file(state_name(state.version), state.version,
                          {file_kind::state, state.version, commit.attempt, commit.counted,
                           commit.scale, "", state.state, state.history});
    if (!why.empty()) return why;
    auto old = std::exchange(refused_, {});
    old.insert(old.end(), versions_.begin(), versions_.end());
    // The highest last: until it is gone it is the newest.
    std::sort(old.begin(), old.end());
    keep_newest(versions_, state.version, [](step_id version) { return version; });
    const bool was_there = pinned_ && std::find(old.begin(), old.end(), *pinned_) != old.end();
    if (was_there && *pinned_ < versions_.back()) versions_.push_back(*pinned_);
    mark_pin();
    for (const auto version : old)
      if (std::find(versions_.begin(), versions_.end(), version) == versions_.end())
        options_.where->remove(path_of(state_name(version)));
    return "";
  }

  std::string write(const stored_sum& sum) {
    return write_file(sum_name, sum.step.next(),
                      {file_kind::sum, sum.step, sum.sum.attempt, sum.sum.counted,
                       sum.sum.squared_norm, sum.sum.hash, sum.total, sum.history});
  }

  /// For the sake of `version`, versions that are not needed give room.
  std::string write_file(const std::string& name, step_id version, const file_record& record) {
    const auto header = header_of(options_.owner, record);
    if (!header) return name + " would have a tensor without bytes, or of too many dimensions";
    const uint64_t bytes = header->size() + record.tensor.bytes();
    int error = put_in_place(name, *header, record.tensor, version);
    if ((error == ENOSPC || error == EDQUOT) && make_room(bytes, version, error))
      error = put_in_place(name, *header, record.tensor, version);
    return error == 0 ? "" : name + " cannot be written: " + sentence_of(error);
  }

  int put_in_place(const std::string& name, const file_header& header,
                   const tensors::host_tensor& tensor, step_id version) {
    // Rather than to fill the disk with what is taken away again.
    if (options_.where->free_bytes(options_.directory) <
        whole_blocks(header.size() + tensor.bytes()))
      return ENOSPC;
    const auto part = path_of(name) + part_suffix;
    int error = write_part(part, header, tensor);
    if (error == 0) error = options_.where->rename(part, path_of(name));
    if (error != 0) {
      options_.where->remove(part);
      return error;
    }
    error = options_.where->sync_directory(options_.directory);
    // It is there, but may not be after a crash: nothing goes for its sake, and it is not left.
    const bool known = std::find(versions_.begin(), versions_.end(), version) != versions_.end();
    if (error != 0 && name != sum_name && !known) options_.where->remove(path_of(name));
    return error;
  }

  static uint64_t whole_blocks(uint64_t bytes) {
    constexpr uint64_t block_bytes = 4'096;
    return (bytes + block_bytes - 1) / block_bytes * block_bytes;
  }

  /// The newest version that is not of a later step than `version` stays, or the newest of all: a
  /// failed write never takes the last good state. True: the others have given enough room.
  bool make_room(uint64_t bytes, step_id version, int error) {
    auto old = refused_;
    std::optional<step_id> stays;
    for (const auto kept : versions_)
      if (!stays && kept <= version) stays = kept;
    if (!stays && !versions_.empty()) stays = versions_.front();
    for (const auto kept : versions_)
      if (kept != *stays && kept != pinned_) old.push_back(kept);
    // Of a quota nobody says how much is left.
    uint64_t room = error == EDQUOT ? 0 : options_.where->free_bytes(options_.directory);
    if (room >= whole_blocks(bytes)) return false;
    for (const auto one : old) {
      std::error_code failed;
      const auto size = fs::file_size(path_of(state_name(one)), failed);
      if (!failed) room += whole_blocks(size);
    }
    if (old.empty() || room < whole_blocks(bytes)) return false;
    for (const auto one : old)
      options_.where->remove(path_of(state_name(one)));
    refused_.clear();
    const auto gone = [&](step_id kept) { return kept != *stays && kept != pinned_; };
    versions_.erase(std::remove_if(versions_.begin(), versions_.end(), gone), versions_.end());
    return true;
  }

  int write_part(const std::string& part, const file_header& header,
                 const tensors::host_tensor& tensor) {
    auto& where = *options_.where;
    int file = -1;
    if (const int error = where.create(part, file)) return error;
    int error = where.write(file, header.data(), header.size());
    if (error == 0 && !tensor.empty()) error = where.write(file, tensor.data(), tensor.bytes());
    if (error == 0) error = where.sync(file);
    const int closing = where.close(file);
    return error != 0 ? error : closing;
  }

  file_store_options options_;
  directory_lock lock_;

  /// Held while files are written or read; never taken while `mutex_` is held.
  mutable std::mutex files_;
  mutable std::vector<step_id> versions_;  ///< on the disk, newest first
  mutable std::vector<step_id> refused_;   ///< go when something better is there
  std::optional<step_id> pinned_;          ///< stays, however old
  std::optional<step_id> marked_;          ///< the pin that the next life knows of
  keep_promise promise_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  unwritten<stored_state> state_;
  unwritten<stored_sum> sum_;
  uint64_t puts_ = 0;
  keeping_word word_;
  bool ending_ = false;
  std::thread writer_;
};

}  // namespace

std::shared_ptr<state_store> open_file_state_store(file_store_options options) {
  return std::make_shared<file_state_store>(std::move(options));
}

}  // namespace swarm::stage
