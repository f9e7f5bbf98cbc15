#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "actors/ids.hpp"
#include "tensors/codec/host_tensor.hpp"

namespace swarm::stage {

/// The last steps that a joiner has carried out, as many as fit a budget of bytes: a shard that was
/// on its way when they were made is brought up with them, instead of being asked for again and
/// coming too late again. A step that is shorter than a question to the donor has a small result; a
/// result that is larger than the budget takes longer than any question.
class followed_steps {
 public:
  struct step {
    weights_id from;
    tensors::host_tensor total;
    double scale = 0;
  };

  explicit followed_steps(uint64_t bytes_max) : bytes_max_(bytes_max) {}

  /// Precondition: it begins where the last one has ended.
  void add(step made) {
    bytes_ += made.total.bytes();
    steps_.push_back(std::move(made));
    while (bytes_ > bytes_max_) {
      bytes_ -= steps_.front().total.bytes();
      steps_.pop_front();
    }
  }

  void clear() {
    steps_.clear();
    bytes_ = 0;
  }

  /// Shards from here on can be brought up.
  std::optional<weights_id> oldest() const {
    if (steps_.empty()) return std::nullopt;
    return steps_.front().from;
  }

  uint64_t bytes() const { return bytes_; }
  auto begin() const { return steps_.begin(); }
  auto end() const { return steps_.end(); }

 private:
  uint64_t bytes_max_;
  uint64_t bytes_ = 0;
  std::deque<step> steps_;
};

}  // namespace swarm::stage
