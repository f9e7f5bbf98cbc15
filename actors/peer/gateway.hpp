#pragma once

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>
#include <caf/error.hpp>
#include <cstdint>
#include <memory>

#include "actors/transport/endpoint.hpp"

/// Where this process' actors and those of others meet: the remote handles of real processes.
///
///     sender --> remote_actor ----> endpoint ===========> endpoint --> target
///        ^                                                               | answer,
///        +-------------- endpoint <=========== endpoint <-- remote_actor + current_sender()
///
/// A remote actor neither has a mailbox nor runs: whoever sends puts the message into the link's
/// queue. It ends, and who monitors it hears so, when the actor it stands for ends or the link
/// breaks; requests under way are answered request_receiver_down then.
namespace swarm::peer {

/// Where everybody's own actors are.
inline constexpr uint64_t network_slot = 1;
inline constexpr uint64_t dht_slot = 2;
inline constexpr uint64_t status_slot = 3;
/// Other actors are behind their ids, counted from here.
inline constexpr uint64_t first_actor_slot = 1024;

/// Unanswered requests of one link; beyond it the oldest is forgotten, its sender's time-out tells.
inline constexpr size_t pending_requests_max = 65'536;
/// Remote actors of one link; beyond it messages of unknown senders come without one.
inline constexpr size_t remote_actors_max = 4'096;

class gateway {
 public:
  explicit gateway(caf::actor_system& system);
  gateway(const gateway&) = delete;
  gateway& operator=(const gateway&) = delete;
  /// As close().
  ~gateway();

  /// Before anything is sent. The endpoint must live until close() has returned.
  void open(transport::endpoint& through);
  /// Ends all remote actors; nothing is sent any more.
  void close();

  /// Behind one of the slots that everybody has; an invalid handle takes it away.
  void serve(uint64_t slot, const caf::actor& local);

  /// The slot of an actor for the far side of this link. One of a third process may be exposed,
  /// too: then messages pass through here. 0: it leads there itself, or there is no such link.
  uint64_t expose(transport::link_id to, const caf::actor& local);

  /// The handle of what is behind a slot; the same handle for the same slot.
  caf::actor remote(transport::link_id at, uint64_t slot);
  /// That one has ended: who monitors it hears so.
  void end(transport::link_id at, uint64_t slot);
  /// Leads to another process.
  static bool is_remote(const caf::actor& handle);

  // From the endpoint's events.
  void on_up(transport::link_id which);
  void on_down(transport::link_id which);
  void on_message(transport::link_id which, const transport::heading& head,
                  std::variant<wire::frame_ptr, wire::errc> body);

  struct core;

 private:
  std::shared_ptr<core> core_;
};

}  // namespace swarm::peer
