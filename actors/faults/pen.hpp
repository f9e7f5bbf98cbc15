#pragma once

#include <caf/actor_control_block.hpp>
#include <caf/mailbox_element.hpp>
#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

namespace swarm::faults {

/// Holds messages on their way, in order. Thread-safe. Holds their receivers too: whoever owns a
/// pen gives it up before the actor system.
class pen {
 public:
  static constexpr size_t messages_max = size_t{1} << 16;

  /// `arrival` gets the message when the pen is opened. Beyond messages_max it is lost: false.
  bool park(caf::strong_actor_ptr arrival, caf::mailbox_element_ptr message);
  /// Lets everything go on; returns how many.
  size_t open();
  /// Loses everything; returns how many.
  size_t drop();
  size_t size() const;

 private:
  using parked = std::pair<caf::strong_actor_ptr, caf::mailbox_element_ptr>;

  std::vector<parked> take();

  mutable std::mutex mutex_;
  std::vector<parked> messages_;
};

}  // namespace swarm::faults
