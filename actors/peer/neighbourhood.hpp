#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "actors/ids.hpp"
#include "actors/supervision/backoff.hpp"
#include "actors/transport/endpoint.hpp"

namespace swarm::peer {

/// Peers that one process is connected to or would like to be.
inline constexpr size_t neighbours_max = 1'000;

struct neighbourhood_options {
  peer_id self;
  /// Where the run may be found, "host:port"; dialled first, and again when everybody is lost.
  std::vector<std::string> seeds;
  std::string announce;  ///< our own address, never dialled
  supervision::backoff_options retry{std::chrono::milliseconds{200},
                                     std::chrono::milliseconds{30'000}};
  /// Who has the smaller id dials first, so that two peers do not both.
  std::chrono::milliseconds courtesy{300};
  /// A link that ends earlier counts as a dial that failed, or two sides that end what the other
  /// begins would do so without a pause.
  std::chrono::milliseconds settled_after{3'000};
  /// A peer that could not be reached for so long is forgotten, unless a seed leads to it.
  std::chrono::milliseconds forget_after{600'000};
  uint64_t seed = 0;  ///< of the back-off's jitter
  /// Takes no part. Then a second link of a peer is a probe: the first one stays.
  bool observer = false;
};

/// Whom one process is connected to and whom it dials next: the decisions of the network actor.
///
/// Every peer is connected to every other. Two links between the same lives of two peers become
/// one: the one that the smaller id dialled, of two such the newer; both sides decide alike. A
/// later life replaces an earlier one.
class neighbourhood {
 public:
  using moment = std::chrono::nanoseconds;

  struct order {
    std::string address;
    std::optional<peer_id> peer;  ///< expected there
  };

  struct introduction {
    peer_id peer;
    uint64_t life = 0;
    std::string announce;
    bool dialled = false;  ///< by us
    bool observer = false;
    int64_t started_unix_ms = 0;  ///< of two lives of one number the later counts
  };

  struct neighbour {
    peer_id peer;
    std::string announce;
  };

  explicit neighbourhood(neighbourhood_options options);

  /// Somebody said that a peer is there. One without an address cannot be dialled: it dials us.
  void learn(peer_id who, const std::string& address, moment now);

  /// Whom to dial now. Each order is to be followed by dialling() or failed().
  std::vector<order> due(moment now);
  void dialling(const order& what, transport::link_id link);

  struct surplus {
    transport::link_id link;
    bool superseded = false;  ///< its far side is an earlier life than another one that is there
  };
  struct outcome {
    bool current = false;         ///< the new link is the one that counts
    std::optional<surplus> over;  ///< to be closed
  };
  outcome up(transport::link_id link, const introduction& who, moment now);

  /// A link ended, or a dial failed. The peer, if the link was the one that counted for it.
  std::optional<peer_id> down(transport::link_id link, moment now);

  /// The link to this address or peer, if there is one.
  std::optional<transport::link_id> find(const std::string& address) const;
  std::optional<transport::link_id> find(peer_id who) const;

  /// Connected now, observers left out.
  std::vector<neighbour> neighbours() const;
  /// Addresses worth keeping for the next start: of those connected or lost last.
  std::vector<std::string> addresses() const;

 private:
  struct attempt {
    std::optional<transport::link_id> link;
    uint32_t failures = 0;
    moment next{0};
  };

  struct contact {
    std::string address;
    std::optional<transport::link_id> current;
    bool dialled = false;
    bool observer = false;
    uint64_t life = 0;
    int64_t started_unix_ms = 0;
    moment begun{0};  ///< the current link
    moment lost{0};
    attempt dial;
  };

  struct seed {
    std::string address;
    std::optional<peer_id> peer;
    attempt dial;
  };

  bool wants(const contact& who) const;
  void fail(attempt& what, moment now);
  void look_for_somebody(peer_id lost, const attempt& again, bool settled, moment now);

  neighbourhood_options options_;
  std::mt19937_64 random_;
  std::map<peer_id, contact> contacts_;
  std::vector<seed> seeds_;
  std::map<transport::link_id, peer_id> links_;  ///< the ones that count
};

}  // namespace swarm::peer
