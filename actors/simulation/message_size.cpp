#include "actors/simulation/message_size.hpp"

#include <algorithm>
#include <typeinfo>
#include <utility>
#include <vector>

#include "actors/wire/messages.hpp"

namespace swarm::simulation {

namespace {

using measure = uint64_t (*)(const void* element);

template <class Message>
uint64_t frame_bytes(const void* element) {
  const auto& frame = static_cast<const Message*>(element)->bytes();
  return frame ? frame->modelled_bytes() : small_message_bytes;
}

/// By the address of the type's name: a few pointer comparisons per message.
struct measures {
  std::vector<std::pair<const std::type_info*, measure>> known;

  template <class... Messages>
  static measures of() {
    return {{{&typeid(Messages), &frame_bytes<Messages>}...}};
  }

  measure find(const std::type_info* type) const {
    for (const auto& [name, how] : known)
      if (name == type || *name == *type) return how;
    return nullptr;
  }
};

const measures& frames() {
  // Those on the data path first.
  static const auto all = measures::of<
      wire::forward, wire::activation, wire::backward, wire::input_gradient, wire::loss,
      wire::loss_done, wire::part, wire::lease, wire::lease_done, wire::begin_step, wire::gather,
      wire::holding, wire::drop, wire::reduce, wire::reduced, wire::commit, wire::committed,
      wire::state_request, wire::state_chunk, wire::take_over, wire::standing, wire::infer,
      wire::inferred, wire::refusal, wire::dht_ping, wire::dht_pong, wire::dht_find_node,
      wire::dht_nodes, wire::dht_find_value, wire::dht_values, wire::dht_store, wire::dht_stored>();
  return all;
}

}  // namespace

message_size size_of(const caf::type_erased_tuple& content) {
  for (size_t i = 0; i < content.size(); ++i) {
    const auto [number, type] = content.type(i);
    // CAF numbers its own types.
    if (number != 0 || type == nullptr) continue;
    if (const auto how = frames().find(type)) return {how(content.get(i)), true};
  }
  return {};
}

}  // namespace swarm::simulation
