#include "actors/telemetry/event.hpp"

#include <algorithm>
#include <caf/actor_system_config.hpp>

namespace swarm::telemetry {

const field_value* find(const event& e, const std::string& key) {
  const auto it = std::find_if(e.fields.rbegin(), e.fields.rend(),
                               [&](const field& candidate) { return candidate.key == key; });
  return it == e.fields.rend() ? nullptr : &it->value;
}

void add_telemetry_message_types(caf::actor_system_config& config) {
  config.add_message_type<event>("swarm.event")
      .add_message_type<increment>("swarm.increment")
      .add_message_type<counter_snapshot>("swarm.counter_snapshot")
      .add_message_type<std::vector<event>>("swarm.events");
}

}  // namespace swarm::telemetry
