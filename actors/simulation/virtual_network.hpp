#pragma once

#include <caf/actor_cast.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "actors/simulation/message_size.hpp"
#include "actors/simulation/network_model.hpp"
#include "actors/simulation/world.hpp"

namespace swarm::simulation {

/// The network_model between the hosts of a world: the remote-handle seam. A message over one of
/// its handles is serialized only if it is damaged; frames count the bytes they would take.
///
/// When a host is killed its connections break: what is on the way to or from it is lost, and its
/// handles lead nowhere, also after it has been started again.
class virtual_network {
 public:
  virtual_network(world& w, uint64_t seed);
  /// From here on nothing gets through.
  ~virtual_network();
  virtual_network(const virtual_network&) = delete;
  virtual_network& operator=(const virtual_network&) = delete;

  void add_host(host_id which, const host_conditions& conditions = {});

  // Conditions from now on; network_model says what they mean.
  network_model& model();
  const network_model& model() const;
  void block(host_id from, host_id to);
  void unblock(host_id from, host_id to);
  partition_id begin_partition(partition cut);
  void heal(partition_id which);
  void heal_all();
  bool connected(host_id from, host_id to) const;
  /// Hears that paths were blocked, unblocked, cut or healed.
  void on_change(std::function<void()> listener);
  /// Hears of connections that broke because too much waited on them.
  void on_break(std::function<void(host_id, host_id)> listener);

  /// What sums and states take on the lines from now on.
  void set_scale(const contents_scale& scale);
  /// Bytes that a host has put on its line, in all its lives.
  uint64_t sent_bytes(host_id from, cargo of) const;
  /// When the first contribution to an all-reduce was sent since the last
  /// `forget_first_contribution`.
  std::optional<moment> first_contribution() const;
  void forget_first_contribution();

  /// A handle for the actors of `from` to an actor of `to`, as both hosts live now.
  template <class Handle>
  Handle connect(host_id from, host_id to, const Handle& target) {
    return caf::actor_cast<Handle>(
        connect_to(from, to, caf::actor_cast<caf::strong_actor_ptr>(target)));
  }

  /// A handle for the actors of `from` to an actor of the observer: at once, without faults, but
  /// nothing that is sent by a killed host.
  template <class Handle>
  Handle tap(host_id from, const Handle& sink) {
    return caf::actor_cast<Handle>(tap_to(from, caf::actor_cast<caf::strong_actor_ptr>(sink)));
  }

  /// What the links share with the network.
  struct core;

 private:
  caf::strong_actor_ptr connect_to(host_id from, host_id to, const caf::strong_actor_ptr& target);
  caf::strong_actor_ptr tap_to(host_id from, const caf::strong_actor_ptr& sink);

  std::shared_ptr<core> core_;
};

}  // namespace swarm::simulation
