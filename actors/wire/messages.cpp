#include "actors/wire/messages.hpp"

#include <caf/actor_system_config.hpp>

#include "actors/wire/roster.hpp"

namespace swarm::wire {

void add_message_types(caf::actor_system_config& config) {
  config.add_message_type<forward>("swarm.forward")
      .add_message_type<activation>("swarm.activation")
      .add_message_type<backward>("swarm.backward")
      .add_message_type<input_gradient>("swarm.input_gradient")
      .add_message_type<loss>("swarm.loss")
      .add_message_type<loss_done>("swarm.loss_done")
      .add_message_type<infer>("swarm.infer")
      .add_message_type<inferred>("swarm.inferred")
      .add_message_type<begin_step>("swarm.begin_step")
      .add_message_type<lease>("swarm.lease")
      .add_message_type<lease_done>("swarm.lease_done")
      .add_message_type<gather>("swarm.gather")
      .add_message_type<holding>("swarm.holding")
      .add_message_type<drop>("swarm.drop")
      .add_message_type<reduce>("swarm.reduce")
      .add_message_type<reduced>("swarm.reduced")
      .add_message_type<commit>("swarm.commit")
      .add_message_type<committed>("swarm.committed")
      .add_message_type<take_over>("swarm.take_over")
      .add_message_type<standing>("swarm.standing")
      .add_message_type<refusal>("swarm.refusal")
      .add_message_type<part>("swarm.part")
      .add_message_type<state_request>("swarm.state_request")
      .add_message_type<state_chunk>("swarm.state_chunk")
      .add_message_type<member>("swarm.member")
      .add_message_type<roster_update>("swarm.roster_update");
}

}  // namespace swarm::wire
