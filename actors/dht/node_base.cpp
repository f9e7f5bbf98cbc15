#include "actors/dht/node_base.hpp"

#include <algorithm>

#include "actors/dht/codec.hpp"
#include "actors/invariant.hpp"

namespace swarm::dht {

node_base::node_base(pointer self, node_options options)
    : actor_body(self), options_(std::move(options)), start_(clock().now()) {
  SWARM_INVARIANT(options_.key && options_.dial && options_.wall_clock,
                  "a node has a key, a dialer and a clock");
  SWARM_INVARIANT(options_.address.size() <= address_bytes_max, "its address fits into a contact");
  self_ = contact{options_.key->open_half(), options_.address};
  set_down_handler([this](caf::down_msg& down) {
    const auto found = std::find_if(lines_.begin(), lines_.end(), [&](const auto& entry) {
      return entry.second.handle.address() == down.source;
    });
    if (found == lines_.end()) return;
    const auto address = found->first;
    lines_.erase(found);
    on_line_down(address);
  });
}

moment node_base::now() {
  return std::chrono::duration_cast<moment>(clock().now() - start_);
}

record_store::time_of_day node_base::both_clocks() {
  return {options_.wall_clock(), now()};
}

source_id node_base::source() const {
  const auto& sender = current_sender();
  if (!sender) return 0;
  return sender->aid ^ std::hash<caf::node_id>{}(sender->nid);
}

void node_base::write_self(schemas::DhtContact::Builder sender) const {
  to_wire(self_, sender);
}

void node_base::reach(const std::string& address, waiter f) {
  const auto known = lines_.find(address);
  if (known != lines_.end()) {
    known->second.used = ++uses_;
    return f(known->second.handle);
  }
  if (address.empty() || address == options_.address) return f(remote_actor{});
  const auto under_way = dials_.find(address);
  if (under_way != dials_.end()) {
    if (under_way->second.size() >= dial_waiters_max) return f(remote_actor{});
    under_way->second.push_back(std::move(f));
    return;
  }
  if (dials_.size() >= dials_max) return f(remote_actor{});
  dials_[address].push_back(std::move(f));
  request(options_.dial, options_.dial_timeout, dial_atom::value, address)
      .then(
          [this, address](const caf::actor& handle) {
            on_dialled(address, caf::actor_cast<remote_actor>(handle));
          },
          [this, address](const caf::error&) { on_dialled(address, remote_actor{}); });
}

void node_base::on_dialled(const std::string& address, const remote_actor& handle) {
  if (handle) {
    lines_[address] = {handle, ++uses_};
    monitor(handle);
    limit_lines();
  }
  const auto found = dials_.find(address);
  if (found == dials_.end()) return;
  const auto waiters = std::move(found->second);
  dials_.erase(found);
  for (const auto& f : waiters)
    f(handle);
}

void node_base::forget_line(const std::string& address, const remote_actor& handle) {
  const auto found = lines_.find(address);
  if (found == lines_.end() || found->second.handle != handle) return;
  demonitor(handle.address());
  lines_.erase(found);
}

void node_base::limit_lines() {
  if (lines_.size() <= options_.handles_max) return;
  const auto oldest =
      std::min_element(lines_.begin(), lines_.end(),
                       [](const auto& a, const auto& b) { return a.second.used < b.second.used; });
  demonitor(oldest->second.handle.address());
  lines_.erase(oldest);
}

}  // namespace swarm::dht
