#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>
#include <utility>

#include "actors/dht/contact.hpp"

namespace swarm::dht {

/// Whoever sends to us, told apart by the handle that its messages come from; 0: nobody we know.
using source_id = uint64_t;

struct rate_options {
  double per_s = 200;
  double burst = 400;
  /// Sources that are remembered; beyond it the longest silent one begins anew.
  size_t sources_max = 4096;
};

/// A token bucket per source.
class rate_limiter {
 public:
  explicit rate_limiter(rate_options options) : options_(options) {}

  /// Takes `cost` tokens if they are there.
  bool allow(source_id source, moment now, double cost = 1) {
    const auto found = index_.find(source);
    if (found == index_.end()) {
      if (buckets_.size() >= options_.sources_max) {
        index_.erase(buckets_.back().source);
        buckets_.pop_back();
      }
      buckets_.push_front({source, options_.burst, now});
      index_.emplace(source, buckets_.begin());
    } else {
      buckets_.splice(buckets_.begin(), buckets_, found->second);
    }
    auto& b = buckets_.front();
    const auto seconds = static_cast<double>((now - b.filled).count()) / 1'000;
    b.tokens = std::min(options_.burst, b.tokens + std::max(0.0, seconds) * options_.per_s);
    b.filled = std::max(b.filled, now);
    if (b.tokens < cost) return false;
    b.tokens -= cost;
    return true;
  }

  size_t sources() const { return buckets_.size(); }

 private:
  struct bucket {
    source_id source;
    double tokens;
    moment filled;
  };

  rate_options options_;
  std::list<bucket> buckets_;  ///< latest heard first
  std::unordered_map<source_id, std::list<bucket>::iterator> index_;
};

}  // namespace swarm::dht
