#pragma once

#include <caf/actor_control_block.hpp>
#include <caf/mailbox_element.hpp>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

namespace swarm::faults {

/// Holds messages on their way, in order, until it is opened or emptied for good. Thread-safe.
/// Holds their receivers too: whoever owns a pen gives it up before the actor system.
class pen {
 public:
  static constexpr size_t messages_max = size_t{1} << 16;

  /// `arrival` gets the message when the pen is opened, at once if it is open already. False: lost,
  /// since the pen holds messages_max or has been emptied.
  bool park(caf::strong_actor_ptr arrival, caf::mailbox_element_ptr message);
  /// Lets everything go on, and whatever is parked later; returns how many were held.
  size_t open();
  /// Loses everything, and whatever is parked later; returns how many were held.
  size_t drop();
  size_t size() const;

 private:
  enum class state : uint8_t { closed, opened, dropped };
  using parked = std::pair<caf::strong_actor_ptr, caf::mailbox_element_ptr>;

  std::vector<parked> end(state how);

  mutable std::mutex mutex_;
  state state_ = state::closed;
  std::vector<parked> messages_;
};

}  // namespace swarm::faults
