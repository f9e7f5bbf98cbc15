#include "actors/wire/messages.hpp"

#include <caf/actor_system_config.hpp>

#include "actors/wire/message_list.hpp"
#include "actors/wire/roster.hpp"

namespace swarm::wire {

void add_message_types(caf::actor_system_config& config) {
  for_each_message([&](auto tag, const char* name) {
    config.add_message_type<typename decltype(tag)::type>(name);
  });
  config.add_message_type<member>("swarm.member")
      .add_message_type<roster_update>("swarm.roster_update");
}

}  // namespace swarm::wire
