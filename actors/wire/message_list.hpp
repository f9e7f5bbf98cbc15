#pragma once

#include "actors/wire/messages.hpp"

namespace swarm::wire {

template <class Message>
struct message_tag {
  using type = Message;
};

/// Calls visit(message_tag<T>{}, name) for every message type that crosses networks. The one list:
/// registration with CAF and the parcels of actors/wire/parcel.hpp both come from it.
template <class Visit>
void for_each_message(Visit&& visit) {
  visit(message_tag<forward>{}, "swarm.forward");
  visit(message_tag<activation>{}, "swarm.activation");
  visit(message_tag<backward>{}, "swarm.backward");
  visit(message_tag<input_gradient>{}, "swarm.input_gradient");
  visit(message_tag<loss>{}, "swarm.loss");
  visit(message_tag<loss_done>{}, "swarm.loss_done");
  visit(message_tag<infer>{}, "swarm.infer");
  visit(message_tag<inferred>{}, "swarm.inferred");
  visit(message_tag<begin_step>{}, "swarm.begin_step");
  visit(message_tag<lease>{}, "swarm.lease");
  visit(message_tag<lease_done>{}, "swarm.lease_done");
  visit(message_tag<gather>{}, "swarm.gather");
  visit(message_tag<holding>{}, "swarm.holding");
  visit(message_tag<drop>{}, "swarm.drop");
  visit(message_tag<reduce>{}, "swarm.reduce");
  visit(message_tag<reduced>{}, "swarm.reduced");
  visit(message_tag<commit>{}, "swarm.commit");
  visit(message_tag<committed>{}, "swarm.committed");
  visit(message_tag<take_over>{}, "swarm.take_over");
  visit(message_tag<restore>{}, "swarm.restore");
  visit(message_tag<beat>{}, "swarm.beat");
  visit(message_tag<pre_vote>{}, "swarm.pre_vote");
  visit(message_tag<vote>{}, "swarm.vote");
  visit(message_tag<cancel>{}, "swarm.cancel");
  visit(message_tag<position>{}, "swarm.position");
  visit(message_tag<refusal>{}, "swarm.refusal");
  visit(message_tag<want>{}, "swarm.want");
  visit(message_tag<part>{}, "swarm.part");
  visit(message_tag<state_request>{}, "swarm.state_request");
  visit(message_tag<state_chunk>{}, "swarm.state_chunk");
  visit(message_tag<inventory_request>{}, "swarm.inventory_request");
  visit(message_tag<inventory>{}, "swarm.inventory");
  visit(message_tag<move_order>{}, "swarm.move_order");
  visit(message_tag<move_done>{}, "swarm.move_done");
  visit(message_tag<move_request>{}, "swarm.move_request");
  visit(message_tag<move_answer>{}, "swarm.move_answer");
  visit(message_tag<greeting>{}, "swarm.greeting");
  visit(message_tag<roster>{}, "swarm.roster");
  visit(message_tag<failure>{}, "swarm.failure");
  visit(message_tag<status_request>{}, "swarm.status_request");
  visit(message_tag<status>{}, "swarm.status");
  visit(message_tag<dht_ping>{}, "swarm.dht_ping");
  visit(message_tag<dht_pong>{}, "swarm.dht_pong");
  visit(message_tag<dht_find_node>{}, "swarm.dht_find_node");
  visit(message_tag<dht_nodes>{}, "swarm.dht_nodes");
  visit(message_tag<dht_find_value>{}, "swarm.dht_find_value");
  visit(message_tag<dht_values>{}, "swarm.dht_values");
  visit(message_tag<dht_store>{}, "swarm.dht_store");
  visit(message_tag<dht_stored>{}, "swarm.dht_stored");
  visit(message_tag<probe_request>{}, "swarm.probe_request");
  visit(message_tag<probe_done>{}, "swarm.probe_done");
}

}  // namespace swarm::wire
