#include "actors/simulation/message_size.hpp"

#include <algorithm>
#include <typeinfo>
#include <utility>
#include <vector>

#include "actors/wire/message_list.hpp"

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

message_size part(const void* element, const contents_scale& scale) {
  const auto& m = *static_cast<const wire::part*>(element);
  auto size = frame_of<wire::part>(element, cargo::sums);
  if (m.fault()) return size;
  size.is_contribution = !m.read()->getReduced();
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

  void add(const std::type_info& type, measure how) {
    if (find(&type) == nullptr) known.emplace_back(&type, how);
  }

  template <class... Messages>
  void add_activations() {
    (add(typeid(Messages), &measured<Messages, cargo::activations>), ...);
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
  all.add(typeid(wire::part), &part);
  all.add(typeid(wire::state_chunk), &state_chunk);
  wire::for_each_message([&](auto tag, const char*) {
    using message = typename decltype(tag)::type;
    all.add(typeid(message), &measured<message, cargo::orders>);
  });
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
