#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "actors/dht/lookup.hpp"
#include "actors/dht/node_base.hpp"
#include "actors/dht/record_store.hpp"
#include "actors/dht/routing_table.hpp"
#include "actors/dht/schedule.hpp"

namespace swarm::dht {

/// What a node wants from others: lookups, storing, and knowing who is there.
class node_client : public node_base {
 protected:
  using slot = std::pair<public_key, std::string>;  ///< owner, subkey

  /// A lookup under way, and what it has found.
  struct operation {
    explicit operation(lookup m) : machine(std::move(m)) {}

    lookup machine;
    std::map<slot, signed_record> found;
    std::function<void(operation&)> finish;
    bool armed = false;
    bool stepping = false;
    bool again = false;
  };
  using finisher = std::function<void(operation&)>;

  node_client(pointer self, node_options options);

  // -- lookups ---------------------------------------------------------------------------------

  /// False: too many are under way.
  bool look_up(const node_id& target, lookup_mode mode, finisher finish,
               const std::vector<record_ptr>& here = {}, size_t settled_by = lookup_options{}.k);
  void step(uint64_t id);
  void on_timer(uint64_t id);

  // -- knowing others --------------------------------------------------------------------------

  /// Somebody said to be this contact answered or asked us.
  void meet(const contact& who, bool answered);
  /// Lets who answers there sign a nonce, and enters it into the routing table.
  void challenge(const std::string& address, std::function<void(bool)> done = {});
  /// When all challenges that are under way now have ended; at once if there are none.
  void after_challenges(std::function<void()> f);
  /// Whether it is alive; the routing table learns the answer.
  void check(const contact& who);
  void on_line_down(const std::string& address) override;

  // -- storing ---------------------------------------------------------------------------------

  /// `done` gets how many of the records the node has now, nothing if it or somebody else at its
  /// address does not say; called once for each message.
  void store_at(const contact& who, const std::vector<record_ptr>& records, bool cached,
                const std::function<void(std::optional<size_t>)>& done = {});
  void replicate(const node_id& key);
  /// A newcomer near a key gets its records from the nearest of those who were there (Kademlia,
  /// 2.5).
  void hand_over(const contact& newcomer);

  bool serves() const { return !options_.address.empty(); }
  /// Nodes that a record is stored at.
  size_t copies() const { return std::min(options_.replicas, options_.lookups.k); }
  /// This node is one of them, if these are the others, nearest first.
  bool is_near(const node_id& key, const std::vector<contact>& nearest) const;

  routing_table table_;
  record_store store_;
  schedule schedule_;
  known_addresses known_;
  splitmix64 random_;
  std::map<uint64_t, std::shared_ptr<operation>> operations_;

 private:
  void query(uint64_t id, const lookup& machine, const contact& who);
  void query_values(uint64_t id, const lookup& machine, const contact& who);
  template <class Answer>
  bool answered(uint64_t id, const contact& who, const Answer& body, holding has);
  void unanswered(uint64_t id, const contact& who, silence why);
  bool take(operation& into, schemas::DhtRecord::Reader from);
  void on_pong(const std::string& address, std::string_view nonce, const wire::dht_pong& pong,
               const std::function<void(bool)>& done, bool again);
  void challenge_once(const std::string& address, std::function<void(bool)> done, bool again);

  void settle(const std::string& address);

  struct waiting {
    std::set<std::string> left;
    std::function<void()> f;
  };

  std::set<std::string> challenged_;
  std::vector<waiting> waiting_;
  uint64_t last_operation_ = 0;
  uint64_t nonces_ = 0;
};

}  // namespace swarm::dht
