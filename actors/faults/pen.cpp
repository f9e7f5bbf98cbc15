#include "actors/faults/pen.hpp"

namespace swarm::faults {

bool pen::park(caf::strong_actor_ptr arrival, caf::mailbox_element_ptr message) {
  {
    const std::lock_guard<std::mutex> guard{mutex_};
    if (state_ == state::dropped) return false;
    if (state_ == state::closed) {
      if (messages_.size() >= messages_max) return false;
      messages_.emplace_back(std::move(arrival), std::move(message));
      return true;
    }
  }
  arrival->enqueue(std::move(message), nullptr);
  return true;
}

std::vector<pen::parked> pen::end(state how) {
  const std::lock_guard<std::mutex> guard{mutex_};
  state_ = how;
  return std::exchange(messages_, {});
}

size_t pen::open() {
  auto all = end(state::opened);
  for (auto& [arrival, message] : all)
    arrival->enqueue(std::move(message), nullptr);
  return all.size();
}

size_t pen::drop() {
  return end(state::dropped).size();
}

size_t pen::size() const {
  const std::lock_guard<std::mutex> guard{mutex_};
  return messages_.size();
}

}  // namespace swarm::faults
