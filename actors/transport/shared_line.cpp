#include "actors/transport/shared_line.hpp"

namespace swarm::transport {

void shared_line::want(link_id who, wish what) {
  if (!capped()) return;
  control_.set_waiting(who, what.control);
  bulk_.set_waiting(who, what.bulk);
}

void shared_line::forget(link_id who) {
  control_.forget(who);
  bulk_.forget(who);
}

bool shared_line::control_may_go(link_id who) const {
  return !capped() || (bucket_.control_may_go() && control_.next() == who);
}

bool shared_line::bulk_may_go(link_id who) const {
  if (!capped()) return true;
  return bucket_.bulk_may_go() && bulk_.next() == who &&
         (control_.empty() || control_.next() == who);
}

void shared_line::took(link_id who, size_t bulk_bytes, size_t other_bytes) {
  if (!capped()) return;
  bulk_.took(who, bulk_bytes);
  control_.took(who, other_bytes);
  bucket_.take(bulk_bytes + other_bytes);
}

void shared_line::came(size_t bytes) {
  bucket_.take_what_came(bytes);
}

std::optional<link_id> shared_line::next() const {
  if (bucket_.control_may_go() && !control_.empty()) return control_.next();
  if (bucket_.bulk_may_go()) return bulk_.next();
  return std::nullopt;
}

std::optional<moment> shared_line::opens_at() const {
  return bucket_.opens_at(!control_.empty(), !bulk_.empty());
}

}  // namespace swarm::transport
