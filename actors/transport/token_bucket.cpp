#include "actors/transport/token_bucket.hpp"

#include <algorithm>
#include <cmath>

#include "actors/transport/endpoint.hpp"

namespace swarm::transport {

namespace {

using seconds = std::chrono::duration<double>;

}  // namespace

token_bucket::token_bucket(uint64_t bytes_per_s, moment now)
    : bytes_per_s_(bytes_per_s),
      capacity_(std::max(static_cast<double>(bytes_per_s) * seconds(burst).count(),
                         static_cast<double>(capped_packet_bytes_min))),
      tokens_(capacity_),
      last_(now) {}

size_t token_bucket::packet_bytes() const {
  return capped() ? std::min(static_cast<size_t>(capacity_), packet_bytes_max) : packet_bytes_max;
}

void token_bucket::advance(moment now) {
  if (!capped() || now <= last_) return;
  tokens_ += seconds(now - last_).count() * static_cast<double>(bytes_per_s_);
  tokens_ = std::min(tokens_, capacity_);
  last_ = now;
}

void token_bucket::take(size_t bytes) {
  if (capped()) tokens_ -= static_cast<double>(bytes);
}

void token_bucket::take_what_came(size_t bytes) {
  if (!capped()) return;
  tokens_ = std::max(tokens_ - static_cast<double>(bytes), std::min(tokens_, -2 * capacity_));
}

std::optional<moment> token_bucket::opens_at(bool control_waits, bool bulk_waits) const {
  if (!capped() || (!control_waits && !bulk_waits)) return std::nullopt;
  const double floor = control_waits ? -2 * capacity_ : 0;
  const double missing = std::max(0.0, floor - tokens_) + 1;
  const double wait_ns = std::ceil(missing / static_cast<double>(bytes_per_s_) * 1e9);
  return last_ + moment{static_cast<int64_t>(wait_ns)};
}

}  // namespace swarm::transport
