#pragma once

#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "actors/telemetry/event.hpp"

namespace swarm::tools {

/// At a start others may not listen yet: nobody is worried before it has been alone so long.
inline constexpr std::chrono::seconds alone_grace{15};
/// A worker that was left out of a step fetches its state again in a moment, and one that comes
/// first waits for the others.
inline constexpr std::chrono::seconds serving_grace{15};

/// When a process says that something is wrong, once, with what to do, and when that is over. What
/// a healthy start and healthy repairs bring with them is not said.
class alarms {
 public:
  using moment = std::chrono::nanoseconds;
  using lines = std::vector<std::string>;

  explicit alarms(moment now) : alone_since_(now) {}

  /// An event of this process.
  lines saw(const telemetry::event& e, moment now);
  /// To be called now and then, with how many are connected.
  lines look(size_t neighbours, moment now);

  /// The last dial that failed; empty: none.
  const std::string& last_failure() const { return last_failure_; }
  /// Whose clock is wrong, while that is so.
  const std::string& clock() const { return clock_; }
  /// A later process has this one's token: this one has to end.
  const std::string& token_in_use() const { return token_in_use_; }

 private:
  void wait(const std::string& why, bool for_donor, moment now);

  std::string last_failure_;
  std::string clock_;
  std::string token_in_use_;

  std::optional<moment> alone_since_;
  bool alone_told_ = false;
  std::vector<std::string> refusals_;  ///< not yet told
  std::set<std::string> told_refusals_;

  std::optional<moment> waits_since_;
  std::string waits_for_;
  bool waits_for_donor_ = false;
  bool wait_told_ = false;
};

}  // namespace swarm::tools
