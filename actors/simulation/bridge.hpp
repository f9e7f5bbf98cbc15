#pragma once

#include <caf/actor.hpp>
#include <memory>

#include "actors/simulation/contact_table.hpp"
#include "actors/simulation/virtual_network.hpp"
#include "actors/simulation/world.hpp"
#include "actors/wire/roster.hpp"

namespace swarm::simulation {

/// Stands where the DHT and the connections between processes are: one bridge actor per host keeps
/// that host's directory true.
///
///     directory --own members--> bridge ===network===> bridge --members behind links--> directory
///
/// A bridge tells all others its own members, all of them with a sequence number, when they change
/// and again and again. What it hears it announces in its own directory, with handles that lead
/// over the network. It withdraws a member and cuts its handle (who watches it gets a down message)
/// when its owner leaves it out, when the owner's host was silent for too long (partition,
/// half-open connection, frozen), or when the network says that the owner's process is gone: about
/// one latency after a kill, where the network gets through.
///
/// With `contact_options::silence` nobody repeats anything: a silence is found out as heartbeats
/// would, by an event (silence_watch), and who is through again is told once more. 400 hosts then
/// cost nothing while nothing happens.
///
/// A new host is given the addresses of those that run, as a bootstrap list would; they learn of it
/// when it speaks.
class bridges {
 public:
  bridges(world& w, virtual_network& net, const contact_options& options = {});
  ~bridges();
  bridges(const bridges&) = delete;
  bridges& operator=(const bridges&) = delete;

  /// The host's bridge, until the host is killed. At most one per life of a host.
  caf::actor start(host_id where, const wire::directory_actor& directory);

  /// What the bridge actors share: the addresses.
  struct core;

 private:
  std::shared_ptr<core> core_;
};

}  // namespace swarm::simulation
