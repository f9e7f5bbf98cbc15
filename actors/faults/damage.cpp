#include "actors/faults/damage.hpp"

#include <caf/actor_system.hpp>
#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/detail/dynamic_message_data.hpp>
#include <caf/error.hpp>
#include <caf/make_counted.hpp>
#include <exception>
#include <vector>

#include "actors/random.hpp"

namespace swarm::faults {

namespace {

/// The length in front of a frame survives a cut, so that the frame is what is found too short.
constexpr size_t prefix_bytes = 10;

bool write(caf::actor_system& system, const caf::type_erased_tuple& content,
           std::vector<char>& out) {
  // Types that never leave a process raise an error when they are written.
  try {
    caf::binary_serializer sink{system, out};
    for (size_t i = 0; i < content.size(); ++i)
      if (content.save(i, sink)) return false;
  } catch (const std::exception&) {
    return false;
  }
  return !out.empty();
}

void harm_bytes(std::vector<char>& bytes, damage harm, uint64_t seed) {
  splitmix64 random{seed};
  if (harm == damage::corrupt) {
    const auto where = random.below(bytes.size());
    bytes[where] = static_cast<char>(bytes[where] ^ (1 << random.below(8)));
  } else {
    const size_t least = bytes.size() > prefix_bytes ? prefix_bytes : 0;
    bytes.resize(least + random.below(bytes.size() - least));
  }
}

}  // namespace

caf::message damaged(caf::actor_system& system, const caf::type_erased_tuple& content, damage harm,
                     uint64_t seed) {
  caf::detail::dynamic_message_data::elements elements;
  std::vector<char> bytes;
  const bool harmless = harm == damage::none || !write(system, content, bytes);
  if (!harmless) harm_bytes(bytes, harm, seed);
  caf::binary_deserializer source{system, bytes};
  for (size_t i = 0; i < content.size(); ++i) {
    auto element = content.copy(i);
    if (!harmless && element->load(source)) return {};
    elements.push_back(std::move(element));
  }
  return caf::message{caf::message::data_ptr{
      caf::make_counted<caf::detail::dynamic_message_data>(std::move(elements))}};
}

}  // namespace swarm::faults
