#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "actors/simulation/host_id.hpp"

namespace swarm::simulation {

/// How often hosts tell each other that they are there.
struct contact_options {
  moment refresh{std::chrono::seconds{5}};
  /// Silence after which a contact counts as lost, in refreshes.
  double expiry_refreshes = 3.2;
  /// What one host sends at most; with more contacts it refreshes less often.
  double refreshes_per_s_max = 50;
  /// Above 0: connections have heartbeats, as those of actors/transport, and nobody refreshes. None
  /// of the beats is sent: when a host freezes or a path is cut, the silence is found out this much
  /// later, by an event that is scheduled then. For networks that lose nothing else.
  moment silence{0};
  /// From when a path is whole, or a host thawed, to when the two ends are connected again.
  moment redial{std::chrono::milliseconds{500}};
  /// The share of killed processes whose system does not close their connections (the machine is
  /// off): they are missed after `silence`.
  double silent_deaths = 0;
};

/// Whom one host is in contact with: the decisions of a bridge, without actors.
class contact_table {
 public:
  enum class news : uint8_t {
    stale,    ///< late or repeated: ignore it
    refresh,  ///< nothing new
    changed,  ///< another roster than before
    reborn    ///< the first of a new life: whatever was known is void
  };

  explicit contact_table(const contact_options& options) : options_(options) {}

  /// A message of `life`, its `sequence`-th, with the `version`-th roster of that life.
  news hear(host_id from, uint32_t life, uint64_t sequence, uint64_t version, moment now);

  /// That life is over. False: it was not known, or a later one is.
  bool close(host_id which, uint32_t life);

  /// Its silence was found out. False: it is not known, or lost already.
  bool lose(host_id which);

  /// Lost since the last call; they stay known, and their next message is news.
  std::vector<host_id> expire(moment now);

  bool in_contact(host_id which) const;
  size_t size() const { return contacts_.size(); }

  moment refresh() const;
  moment expiry() const;

 private:
  struct contact {
    uint32_t life = 0;
    uint64_t sequence = 0;
    uint64_t version = 0;  ///< 0: none that counts
    moment heard{0};
    bool lost = false;
  };

  contact_options options_;
  std::map<host_id, contact> contacts_;
};

}  // namespace swarm::simulation
