#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "actors/ids.hpp"
#include "actors/planted_bug.hpp"
#include "actors/stage/state_transfer.hpp"

namespace swarm::stage {

/// The joiner's side without actors: which donor to ask for which chunk. One question is open at a
/// time; donors take turns between attempts.
template <class Donor>
class state_fetch {
 public:
  struct question {
    worker_id id;
    Donor donor;
    int64_t version;  ///< -1: the newest
    uint64_t offset_bytes;
    uint64_t attempt;
  };

  bool has_donors() const { return !donors_.empty(); }

  void add(worker_id id, Donor donor) { donors_[id] = std::move(donor); }

  /// True: it was being asked, so the attempt is over.
  bool remove(worker_id id) {
    donors_.erase(id);
    return asking_ && asked_ == id;
  }

  /// At the next donor, from where the last one stopped; nothing while a question is open or
  /// without a donor.
  std::optional<question> begin() {
    if (asking_ || donors_.empty()) return std::nullopt;
    auto next = donors_.upper_bound(asked_);
    if (next == donors_.end()) next = donors_.begin();
    asked_ = next->first;
    return ask(asked_, next->second);
  }

  /// The chunk after the one that `last` was answered with.
  question next(const question& last) { return ask(last.id, last.donor); }

  bool asks() const { return asking_; }

  /// False for an answer to an attempt that was given up.
  bool open(const question& q) const { return asking_ && q.attempt == attempt_; }

  /// The answer to the open question.
  state_assembly::progress accept(step_id version, uint64_t total_bytes, uint64_t offset_bytes,
                                  uint64_t checksum, const void* bytes, size_t count) {
    asking_ = false;
    switches_ = 0;
    return assembly_.accept(version, total_bytes, offset_bytes, checksum, bytes, count);
  }

  /// What has arrived, and its version. Precondition: complete.
  std::pair<step_id, tensors::host_tensor> take() {
    const auto version = assembly_.version();
    return {version, assembly_.take()};
  }

  /// The donor has failed: the next `begin` goes on at another one with what has arrived, until
  /// every donor that is left has been tried in vain.
  void switch_donor() {
    asking_ = false;
    ++attempt_;
    // The first one that failed may be gone, or have lost one answer only.
    if (++switches_ > donors_.size()) give_up();
  }

  void give_up() {
    asking_ = false;
    ++attempt_;
    switches_ = 0;
    assembly_.reset();
  }

  /// Of the download under way.
  std::optional<step_id> version() const {
    return assembly_.started() ? std::optional<step_id>{assembly_.version()} : std::nullopt;
  }

 private:
  question ask(worker_id id, const Donor& donor) {
    asking_ = true;
    const bool bound = assembly_.started() && !planted(planted_bug::chunks_of_two_versions);
    const int64_t version = bound ? assembly_.version().value() : -1;
    return {id, donor, version, assembly_.next_offset_bytes(), attempt_};
  }

  std::map<worker_id, Donor> donors_;
  worker_id asked_;
  bool asking_ = false;
  uint64_t attempt_ = 0;
  size_t switches_ = 0;  ///< donors that failed in a row
  state_assembly assembly_;
};

}  // namespace swarm::stage
