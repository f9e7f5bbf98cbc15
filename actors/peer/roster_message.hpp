#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "actors/peer/neighbourhood.hpp"
#include "actors/transport/endpoint.hpp"
#include "actors/wire/messages.hpp"
#include "actors/wire/roster.hpp"

/// schemas/network.capnp's Roster to and from what the rooms know.
namespace swarm::peer {

/// Members of one process.
inline constexpr size_t process_members_max = 64;

/// A member with the slots that stand for its handles on the link.
struct told_member {
  wire::member what;  ///< its handles stay here
  uint64_t slot = 0;
  uint64_t averager_slot = 0;
  uint64_t replicator_slot = 0;
};

struct told_roster {
  std::vector<told_member> members;
  std::vector<neighbourhood::neighbour> neighbours;
  std::vector<told_member> relayed;
};

/// For a link's network slot.
transport::heading roster_heading();

wire::roster write_roster(const told_roster& roster);

/// What arrived for the network slot, if it is a roster, damaged ones included.
std::optional<wire::roster> read_roster(uint64_t type,
                                        std::variant<wire::frame_ptr, wire::errc> body);

/// Beyond the limits the rest is left out. Precondition: no fault.
told_roster parse_roster(const wire::roster& message);

/// One member as the schema has it; slots are the caller's.
void write_member(schemas::Roster::Member::Builder out, const wire::member& m);

}  // namespace swarm::peer
