#pragma once

#include <cstddef>
#include <deque>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "actors/invariant.hpp"

namespace swarm::stage {

/// Requests that wait for a device, first come first served; few are at the device at once, so that
/// the others can still be taken back. Without actors or clock.
///
///     waiting --next, its deadline has not passed--> at the device --done--> gone
///     waiting --next, its deadline has passed------> gone (expired)
///     waiting --cancel-----------------------------> gone
///
/// Guarded against: 1. a stage is slower than its callers; 2. their calls time out and go
/// elsewhere, or come again; 3. the device works through what nobody waits for any more, so that
/// the next calls time out, too, for as long as new ones come.
template <class Request, class Name>
class request_queue {
 public:
  /// One that is worked on and one behind it, so that the device never waits for its actor's turn.
  static constexpr size_t at_device_max = 2;
  static constexpr double no_deadline = std::numeric_limits<double>::infinity();

  struct turn {
    Request request;
    bool expired = false;  ///< otherwise it is at the device, until `done`
  };

  void push(Request request, Name name, double deadline_s) {
    waiting_.push_back({std::move(request), std::move(name), deadline_s});
  }

  /// Whose turn it is; nothing: nobody waits, or the device has enough.
  std::optional<turn> next(double now_s) {
    if (waiting_.empty()) return std::nullopt;
    const bool expired = now_s >= waiting_.front().deadline_s;
    if (!expired && at_device_ >= at_device_max) return std::nullopt;
    turn result{std::move(waiting_.front().request), expired};
    waiting_.pop_front();
    if (!expired) ++at_device_;
    return result;
  }

  void done() {
    SWARM_INVARIANT(at_device_ > 0, "what is done was at the device");
    --at_device_;
  }

  /// Takes out those that wait and have this name; what is at the device stays there.
  std::vector<Request> cancel(const Name& name) {
    std::vector<Request> result;
    for (auto i = waiting_.begin(); i != waiting_.end();) {
      if (!(i->name == name)) {
        ++i;
        continue;
      }
      result.push_back(std::move(i->request));
      i = waiting_.erase(i);
    }
    return result;
  }

  /// Those at the device included.
  size_t size() const { return waiting_.size() + at_device_; }

 private:
  struct entry {
    Request request;
    Name name;
    double deadline_s;
  };
  std::deque<entry> waiting_;
  size_t at_device_ = 0;
};

}  // namespace swarm::stage
