#pragma once

#include <functional>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "actors/simulation/host_id.hpp"

namespace swarm::simulation {

/// What heartbeats would find out, without any: which connections between two hosts break because
/// one end was silent for too long, and which are made again. No actors, no clock; it is told when
/// hosts freeze and paths are cut, and has to be asked (`look`) when `next` says so.
///
///     whole --(frozen, or cut either way)--> silent --(for `silence`)--> broken
///       ^                                      | awake and through         |
///       +------ repaired, after `redial` <-----+---------------------------+
///
/// A silence that ends before it was found out is repaired, too: what was sent meanwhile is lost in
/// the simulated network, where a real connection would send it again.
class silence_watch {
 public:
  /// Both ends, the smaller first.
  using link = std::pair<host_id, host_id>;
  using path_test = std::function<bool(host_id, host_id)>;

  silence_watch(moment silence, moment redial) : silence_(silence), redial_(redial) {}

  /// A host begins to live. Links that are cut now are broken already: nobody gets through.
  void start(host_id which, const path_test& connected);
  /// Its links end with it.
  void end(host_id which);
  void freeze(host_id which, moment now);
  void thaw(host_id which, moment now);
  /// Some paths may be cut now, or whole.
  void paths_changed(const path_test& connected, moment now);

  /// The link broke for another reason: it is made again as after a silence.
  void break_link(host_id a, host_id b, moment now);

  struct changes {
    std::vector<link> broken;
    std::vector<link> repaired;
  };
  /// Since the last call.
  changes look(moment now);

  /// Whether there is something to look at, now or later.
  bool waits() const { return !silent_.empty(); }
  moment silence() const { return silence_; }
  moment redial() const { return redial_; }

 private:
  struct silent_link {
    bool cut = false;
    bool broken = false;
    moment since{0};  ///< it is silent, or through again
  };

  static link between(host_id a, host_id b) { return a < b ? link{a, b} : link{b, a}; }
  bool quiet(const link& which, const silent_link& state) const;
  void mark(const link& which, bool cut, moment now);

  moment silence_;
  moment redial_;
  std::set<host_id> hosts_;
  std::set<host_id> frozen_;
  std::map<link, silent_link> silent_;  ///< all that are not whole
};

}  // namespace swarm::simulation
