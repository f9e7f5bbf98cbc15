#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "actors/random.hpp"
#include "actors/simulation/host_id.hpp"
#include "actors/simulation/shared_line.hpp"

namespace swarm::simulation {

/// What a path does to messages, one direction. All rates are probabilities per message.
struct path_conditions {
  moment latency{0};
  moment jitter{0};  ///< uniform in [0, jitter) on top
  /// The share of messages whose latency is multiplied by a Pareto number (shape 2: mean twice,
  /// variance unbounded), at most to `tail_max`.
  double tail = 0;
  moment tail_max{std::chrono::seconds{60}};
  double bytes_per_s = 0;  ///< of this path alone; 0: no limit
  double loss = 0;
  double duplication = 0;
  /// The share of messages that may be overtaken: each is late by up to `reorder_window`.
  double reordering = 0;
  moment reorder_window{0};
  double corruption = 0;
  double truncation = 0;
};

/// A host's own line: what all of its paths share.
struct host_conditions {
  moment latency{0};  ///< added to each path, both directions
  double up_bytes_per_s = 0;
  double down_bytes_per_s = 0;  ///< 0: no limit
};

enum class cut_kind : uint8_t {
  symmetric,  ///< hosts of different groups do not hear each other
  one_way     ///< hosts of a higher group are not heard by those of a lower one
};

struct partition {
  std::vector<uint8_t> groups;  ///< by host id; hosts beyond the end are in group 0
  cut_kind kind = cut_kind::symmetric;
  /// Flapping: cut in the first half of each period, whole in the second. 0: cut all the time.
  moment period{0};
};

using partition_id = strong_id<struct partition_tag, uint32_t>;

/// Faults that the network injected, by class.
enum class network_fault : uint8_t {
  lost,
  duplicated,
  reordered,
  delayed,  ///< in the tail, or on a clogged path
  corrupted,
  truncated,
  cut,     ///< by a partition or a blocked path
  closed,  ///< one end was killed
};
inline constexpr size_t network_faults = 8;
const char* to_string(network_fault fault);

enum class frame_damage : uint8_t { none, corrupt, truncate };

/// What becomes of one message.
struct transit {
  static constexpr size_t copies_max = 2;

  uint8_t copies = 0;  ///< 0: lost
  std::array<moment, copies_max> arrivals{};
  bool breaks = false;  ///< and the connection with it
  frame_damage harm = frame_damage::none;
  uint64_t harm_seed = 0;
};

/// Partitions at once.
inline constexpr size_t partitions_max = 64;

/// A network between hosts, without actors. Every decision is drawn from one seeded generator, in
/// the order of the calls. A message costs the same however many hosts there are.
///
/// Between two hosts messages keep their order, as on a connection: one that is late holds up what
/// comes behind it, except for duplicates and those that `reordering` lets be overtaken. A message
/// waits for its sender's line, its path and its receiver's line in turn. The receiver's line is
/// charged when a message is sent, so messages far away do not block it.
class network_model {
 public:
  explicit network_model(uint64_t seed) : random_(seed) {}

  /// Hosts are 1, 2, ...: the observer is on no network.
  void add_host(host_id which, const host_conditions& conditions = {});

  /// Messages up to this size do not wait for larger ones, as on a connection (the lanes of
  /// actors/transport); both kinds keep their own order. 0: all wait for all.
  void set_control_bytes_max(uint64_t bytes) { control_bytes_max_ = bytes; }

  /// More bytes than this that wait to be sent from one host to another break their connection: all
  /// of it is lost, in both directions. 0: no limit.
  void set_queue_bytes_max(uint64_t bytes) { queue_bytes_max_ = bytes; }

  // -- conditions, at any time ------------------------------------------------------------------

  /// Of every path that has none of its own.
  void set_default(const path_conditions& conditions) { conditions_[0] = conditions; }
  const path_conditions& default_path() const { return conditions_[0]; }
  void set_host(host_id which, const host_conditions& conditions);
  /// One direction of one path.
  void set_path(host_id from, host_id to, const path_conditions& conditions);
  void clear_path(host_id from, host_id to);
  /// Nothing gets through in this direction; the other one alone is a half-open connection.
  void block(moment now, host_id from, host_id to);
  void unblock(moment now, host_id from, host_id to);
  /// Beyond partitions_max the oldest heals.
  partition_id begin_partition(moment now, partition cut);
  void heal(moment now, partition_id which);
  void heal_all(moment now);
  /// What ran on the host is dead: whatever it sent or was sent is lost.
  void close(host_id which);

  // -- messages ---------------------------------------------------------------------------------

  transit send(moment now, host_id from, host_id to, uint64_t bytes);
  /// Whether a message of `sent` may arrive now: no cut came in its way.
  bool arrives(moment now, host_id from, host_id to, moment sent);
  /// A message that would go now would not be cut. What a connection's ends can tell each other.
  bool connected(moment now, host_id from, host_id to) const;
  /// Of the path, without jitter, tail and queues.
  moment latency(host_id from, host_id to) const;
  /// Lives that have ended on this host.
  uint32_t closed(host_id which) const { return at(which).closed; }

  uint64_t messages() const { return messages_; }
  uint64_t count(network_fault fault) const { return counts_[static_cast<size_t>(fault)]; }
  /// A message was lost because one of its ends' lives is over.
  void count_closed() { add(network_fault::closed); }
  /// Rows of state looked at, for the test of the cost per message.
  uint64_t work() const { return work_; }

 private:
  /// A time for each lane.
  struct lanes {
    moment control{0};
    moment bulk{0};
    moment& of(bool is_control) { return is_control ? control : bulk; }
  };

  struct path_state {
    uint32_t conditions = 0;  ///< index into conditions_
    bool blocked = false;
    moment block_ended{-1};  ///< of the latest block that is over
    lanes busy;
    lanes last_arrival;
  };

  struct host_state {
    host_conditions conditions;
    shared_line up;
    shared_line down;
    uint32_t closed = 0;
    std::vector<path_state> paths;  ///< by receiver, grown when used
  };

  struct cut_state {
    partition_id id;
    partition cut;
    moment begun{0};
    moment healed{moment::max()};
    moment forget_at{moment::max()};
  };

  host_state& at(host_id which);
  const host_state& at(host_id which) const;
  path_state& path(host_id from, host_id to);
  const path_state* find_path(host_id from, host_id to) const;
  bool chance(double probability);
  uint64_t below(uint64_t bound);
  moment sample_latency(const path_conditions& path, moment base);
  void break_connection(moment now, host_id a, host_id b);
  static moment queue(lanes& busy, bool is_control, moment from, uint64_t bytes,
                      double bytes_per_s);
  void add(network_fault fault) { ++counts_[static_cast<size_t>(fault)]; }
  void forget_healed(moment now);
  static bool separates(const partition& cut, host_id from, host_id to);
  static bool cut_within(const cut_state& state, moment from, moment to);

  splitmix64 random_;
  std::vector<host_state> hosts_;
  std::vector<path_conditions> conditions_{1};
  std::vector<uint32_t> free_conditions_;
  std::vector<cut_state> cuts_;
  partition_id next_partition_{1};
  moment latest_arrival_{0};
  std::array<uint64_t, network_faults> counts_{};
  uint64_t messages_ = 0;
  uint64_t control_bytes_max_ = 0;
  uint64_t queue_bytes_max_ = 0;
  mutable uint64_t work_ = 0;
};

}  // namespace swarm::simulation
