#include "actors/simulation/message_size.hpp"

#include <algorithm>
#include <typeinfo>
#include <utility>
#include <vector>

#include "actors/wire/messages.hpp"

namespace swarm::simulation {

namespace {

using measure = message_size (*)(const void* element, const contents_scale& scale);

template <class Message>
message_size frame_of(const void* element, cargo of) {
  const auto& frame = static_cast<const Message*>(element)->bytes();
  return {frame ? frame->modelled_bytes() : small_message_bytes, true, of};
}

message_size scaled(message_size size, uint64_t contents_bytes, double scale) {
  size.bytes += static_cast<uint64_t>(static_cast<double>(contents_bytes) * (scale - 1));
  return size;
}

template <class Message, cargo Of>
message_size measured(const void* element, const contents_scale&) {
  return frame_of<Message>(element, Of);
}

template <class Message>
message_size order(const void* element, const contents_scale&) {
  return frame_of<Message>(element, cargo::orders);
}

message_size part(const void* element, const contents_scale& scale) {
  const auto& m = *static_cast<const wire::part*>(element);
  const auto size = frame_of<wire::part>(element, cargo::sums);
  if (m.fault() || scale.sums == 1) return size;
  return scaled(size, m.read()->getValues().getPayload().size(), scale.sums);
}

message_size state_chunk(const void* element, const contents_scale& scale) {
  const auto& m = *static_cast<const wire::state_chunk*>(element);
  const auto size = frame_of<wire::state_chunk>(element, cargo::states);
  if (m.fault() || scale.states == 1) return size;
  return scaled(size, m.read()->getBytes().size(), scale.states);
}

/// By the address of the type's name: a few pointer comparisons per message.
struct measures {
  std::vector<std::pair<const std::type_info*, measure>> known;

  template <class... Messages>
  void add_activations() {
    (known.emplace_back(&typeid(Messages), &measured<Messages, cargo::activations>), ...);
  }

  template <class... Messages>
  void add_orders() {
    (known.emplace_back(&typeid(Messages), &order<Messages>), ...);
  }

  measure find(const std::type_info* type) const {
    for (const auto& [name, how] : known)
      if (name == type || *name == *type) return how;
    return nullptr;
  }
};

measures make_measures() {
  measures all;
  // Those on the data path first.
  all.add_activations<wire::forward, wire::activation, wire::backward, wire::input_gradient,
                      wire::loss, wire::loss_done>();
  all.known.emplace_back(&typeid(wire::part), &part);
  all.known.emplace_back(&typeid(wire::state_chunk), &state_chunk);
  all.add_orders<wire::lease, wire::lease_done, wire::begin_step, wire::gather, wire::holding,
                 wire::drop, wire::reduce, wire::reduced, wire::commit, wire::committed,
                 wire::state_request, wire::take_over, wire::standing, wire::infer, wire::inferred,
                 wire::refusal, wire::dht_ping, wire::dht_pong, wire::dht_find_node,
                 wire::dht_nodes, wire::dht_find_value, wire::dht_values, wire::dht_store,
                 wire::dht_stored>();
  return all;
}

const measures& frames() {
  static const auto all = make_measures();
  return all;
}

}  // namespace

const char* to_string(cargo of) {
  static const char* const names[] = {"orders", "activations", "sums", "states"};
  return names[static_cast<size_t>(of)];
}

message_size size_of(const caf::type_erased_tuple& content, const contents_scale& scale) {
  for (size_t i = 0; i < content.size(); ++i) {
    const auto [number, type] = content.type(i);
    // CAF numbers its own types.
    if (number != 0 || type == nullptr) continue;
    if (const auto how = frames().find(type)) return how(content.get(i), scale);
  }
  return {};
}

}  // namespace swarm::simulation
