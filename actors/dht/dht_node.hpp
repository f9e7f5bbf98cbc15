#pragma once

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>
#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/typed_actor.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/dht/errc.hpp"
#include "actors/dht/lookup.hpp"
#include "actors/dht/record_store.hpp"
#include "actors/dht/routing_table.hpp"
#include "actors/dht/schedule.hpp"
#include "actors/wire/messages.hpp"

namespace swarm::dht {

// -- what nodes say to each other; schemas/dht.capnp ----------------------------------------------

/// Refusals are errors of errc; a damaged message is an error of wire::errc.
using remote_actor = caf::typed_actor<caf::replies_to<wire::dht_ping>::with<wire::dht_pong>,
                                      caf::replies_to<wire::dht_find_node>::with<wire::dht_nodes>,
                                      caf::replies_to<wire::dht_find_value>::with<wire::dht_values>,
                                      caf::replies_to<wire::dht_store>::with<wire::dht_stored>>;

// -- what its own process says to a node ----------------------------------------------------------

/// Publish a record of this node's owner. Replaces the owner's record under the same key and text,
/// and is stored again by and by until it expires.
struct put_order {
  node_id key;
  std::string text;  ///< at most subkey_text_bytes_max; tells several records of one owner apart
  std::string value;
  std::chrono::milliseconds lifetime{0};  ///< from now, at most lifetime_max
};

enum class read_mode : uint8_t {
  /// Everything under the key: asks until holders_min nodes to which records were published have
  /// answered with what they have, or the k nearest nodes all have answered. Copies on the path
  /// are merged, but do not count.
  all,
  /// For keys with one record: the first answer that has any, or what lies here. Leaves a copy on
  /// the path. A replaced record may be seen for cached_for longer.
  any
};

struct get_order {
  node_id key;
  read_mode mode = read_mode::all;
};

/// Unexpired, correctly signed and under the key that was asked for; of each owner and subkey the
/// newest that was seen. By owner and subkey.
struct found_records {
  std::vector<signed_record> records;
};

struct node_counters {
  uint64_t requests_sent = 0;
  uint64_t requests_failed = 0;  ///< no answer in time, no connection, or a refusal
  uint64_t requests_served = 0;
  uint64_t requests_refused = 0;  ///< damaged, malformed or too many
  uint64_t records_refused = 0;   ///< by the store, and in answers to lookups
  uint64_t answers_refused = 0;   ///< damaged, malformed, or a proof that does not hold
  uint64_t lookups = 0;
  uint64_t lookup_queries = 0;  ///< questions of all lookups
  uint64_t lookup_hops = 0;     ///< the sum over all lookups
  uint64_t stores = 0;          ///< messages with records to others
  uint64_t challenges = 0;
  uint64_t checks = 0;  ///< whether a silent contact is alive
  uint64_t rejoins = 0;
};

struct node_status {
  node_id id;
  uint64_t contacts = 0;
  uint64_t keys = 0;
  uint64_t records = 0;
  uint64_t bytes = 0;
  uint64_t own_records = 0;
  uint64_t lookups_under_way = 0;
  node_counters counted;
};

using join_atom = caf::atom_constant<caf::atom("join")>;
using status_atom = caf::atom_constant<caf::atom("status")>;

/// put: answers how many nodes have stored the record, this one included, as soon as store_quorum
/// have, or all that were asked have answered; the rest of the `replicas` nearest is stored in the
/// background, and who does not answer is replaced by the next nearest. not_stored when nobody has,
/// unreachable when there is nobody to ask.
///
/// get: see read_mode. Nothing found is no error.
///
/// join: adds bootstrap addresses and answers how many contacts are known after looking itself up;
/// unreachable when none of the addresses answered. It goes on trying by itself either way.
using dht_actor =
    remote_actor::extend<caf::replies_to<put_order>::with<uint32_t>,
                         caf::replies_to<get_order>::with<found_records>,
                         caf::replies_to<join_atom, std::vector<std::string>>::with<uint32_t>,
                         caf::replies_to<status_atom>::with<node_status>>;

// -- the seam -------------------------------------------------------------------------------------

using dial_atom = caf::atom_constant<caf::atom("dial")>;

/// Answers with a handle to the dht_node at an address: the network actor, or a test's registry.
/// The handle must end when its connection breaks, or requests over it must fail by time-out.
using dialer_actor = caf::typed_actor<caf::replies_to<dial_atom, std::string>::with<caf::actor>>;

/// Lookups under way; more are refused with `busy`.
inline constexpr size_t lookups_max = 256;
/// Records of one DhtStore that are read.
inline constexpr size_t records_per_store_max = 64;
/// Contacts of one answer that are read.
inline constexpr size_t contacts_per_answer_max = 20;
/// Challenges under way.
inline constexpr size_t challenges_max = 64;
/// Records of its own that a node keeps publishing.
inline constexpr size_t own_records_max = 1024;
/// Records of others that a newcomer is handed at once.
inline constexpr size_t handover_keys_max = 256;

struct node_options {
  /// Who this node is, and the owner of what it publishes. Required.
  std::shared_ptr<const signing_key> key;
  /// Where others dial it, at most address_bytes_max. Empty: it only dials; then it uses the table
  /// but is in nobody's routing table and stores nothing for others.
  std::string address;
  dialer_actor dial;  ///< required
  /// Unix milliseconds, for expiry only. Required.
  std::function<int64_t()> wall_clock;
  /// Of jitter, refresh targets and nonces; different on each node.
  uint64_t seed = 0;
  /// Joined at once, and again after losing everybody.
  std::vector<std::string> bootstrap;

  routing_options routing;
  lookup_options lookups;
  store_limits store;
  rate_options rate;
  schedule_options times;

  std::chrono::milliseconds request_timeout{1'000};
  std::chrono::milliseconds dial_timeout{5'000};
  /// How often it looks what is due.
  std::chrono::milliseconds tick{1'000};
  size_t replicas = 20;     ///< nodes that a record is stored at, at most k
  size_t store_quorum = 5;  ///< of them, before a put is answered
  /// Of the nodes nearest to a key, who must have answered before records are stored there. With 3
  /// of 1,000 nodes a record in some thousands is put where readers do not look.
  size_t put_settled_by = 5;
  size_t handles_max = 512;  ///< connections that are kept
};

/// One node of the distributed hash table. What it decides is decided in routing_table, lookup,
/// record_store and schedule; here messages come and go.
///
///     owner --put_order, get_order--> dht_node ==DhtFindNode, DhtStore ...==> dht_node
///                                        |
///                                        +--dial(address)--> dialer
///
/// Who is named by others is dialled, and must sign a nonce before it enters the routing table; who
/// asks us is dialled back before. So nobody stands there under another's id or address.
///
/// Owner: the peer root, which restarts it; then its own records are gone until they are put again.
/// May drop: requests beyond the sender's rate, records as store_verdict says.
dht_actor spawn_dht_node(caf::actor_system& system, node_options options);

}  // namespace swarm::dht

// These stay in their process.
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(swarm::dht::put_order)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(swarm::dht::get_order)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(swarm::dht::found_records)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(swarm::dht::node_status)
