#pragma once

#include <cstddef>
#include <map>

#include "actors/ids.hpp"
#include "actors/wire/roster.hpp"

namespace swarm::stage {

/// When a joiner begins to fetch: at most half as many of a stage fetch at once as serve there.
/// Each of them needs every step's sum besides the state, and the donors have to send both, besides
/// their own all-reduce: three joiners of one donor at 200 Mb/s with a sum of 100 MB every 6 s
/// would get nothing else, and miss that, too, for ever. One after the other they all get in, and
/// each that is in is one more donor.
///
/// Those that wait go by their ids. Who has begun goes on, whoever comes or goes meanwhile; but of
/// those that saw the same free place before they heard of each other the later ones step back,
/// unless something has come already.
class joining_turn {
 public:
  explicit joining_turn(worker_id self) : self_(self) {}

  /// Of its own stage, self included.
  void is(worker_id mate, wire::member_state state) { mates_[mate] = state; }
  void gone(worker_id mate) { mates_.erase(mate); }

  bool has_come() const { return ahead() < places(); }
  /// It has begun, and so have enough that go before it.
  bool is_too_many() const {
    size_t first = 0;
    for (const auto& [mate, state] : mates_)
      first += mate < self_ && state == wire::member_state::following ? 1 : 0;
    return first > 0 && first >= places();
  }
  /// Waiting ones and fetching ones that go before it.
  size_t ahead() const {
    size_t result = 0;
    for (const auto& [mate, state] : mates_)
      if (mate != self_ && (state == wire::member_state::following ||
                            (state == wire::member_state::joining && mate < self_)))
        ++result;
    return result;
  }

 private:
  size_t places() const {
    size_t result = 0;
    for (const auto& [mate, state] : mates_)
      result += mate != self_ && state == wire::member_state::serving ? 1 : 0;
    return (result + 1) / 2;
  }

  worker_id self_;
  std::map<worker_id, wire::member_state> mates_;
};

}  // namespace swarm::stage
