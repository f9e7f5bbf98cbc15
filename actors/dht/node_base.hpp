#pragma once

#include <caf/typed_event_based_actor.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "actors/actor_body.hpp"
#include "actors/dht/dht_node.hpp"
#include "actors/dht/rate_limiter.hpp"

namespace swarm::dht {

using tick_atom = caf::atom_constant<caf::atom("tick")>;
using step_atom = caf::atom_constant<caf::atom("step")>;

using full_actor =
    dht_actor::extend<caf::reacts_to<tick_atom>, caf::reacts_to<step_atom, uint64_t>>;

/// Addresses that are being dialled; further ones fail at once.
inline constexpr size_t dials_max = 256;
/// Who wait for one dial.
inline constexpr size_t dial_waiters_max = 64;

/// How a node reaches others and keeps time: the lowest layer of the actor.
class node_base : public actor_body<full_actor::base> {
 public:
  virtual ~node_base() = default;

 protected:
  enum class silence : uint8_t {
    dead,    ///< no connection, or no answer in time
    refused  ///< it answered, but not what it should
  };
  using failure = std::function<void(silence)>;

  node_base(pointer self, node_options options);

  moment now();
  record_store::time_of_day both_clocks();
  const node_id& own() const { return self_.id; }

  /// Every request tells who asks.
  template <class Builder>
  void sign_in(Builder sender) {
    write_self(sender);
  }

  /// `done` or `failed` is called exactly once, perhaps before this returns, and never after the
  /// actor has ended.
  template <class Answer, class Message>
  void ask(const std::string& address, Message message, std::function<void(const Answer&)> done,
           failure failed) {
    reach(address, [=](const remote_actor& line) {
      if (!line) {
        ++counters_.requests_failed;
        return failed(silence::dead);
      }
      ++counters_.requests_sent;
      request(line, options_.request_timeout, message)
          .then(
              [=](const Answer& answer) {
                if (!answer.fault()) return done(answer);
                ++counters_.answers_refused;
                failed(silence::refused);
              },
              [=](const caf::error& error) {
                ++counters_.requests_failed;
                const bool alive = is_refusal(error);
                // The handle may lead to an earlier life: dial anew next time.
                if (!alive) forget_line(address, line);
                failed(alive ? silence::refused : silence::dead);
              });
    });
  }

  /// A connection broke; its handle is forgotten already.
  virtual void on_line_down(const std::string& address) = 0;

  /// The sender of the message at hand.
  source_id source() const;

  node_options options_;
  contact self_;
  node_counters counters_;

 private:
  using waiter = std::function<void(const remote_actor&)>;
  struct line {
    remote_actor handle;
    uint64_t used = 0;
  };

  void write_self(schemas::DhtContact::Builder sender) const;
  void reach(const std::string& address, waiter f);
  void on_dialled(const std::string& address, const remote_actor& handle);
  void forget_line(const std::string& address, const remote_actor& handle);
  void limit_lines();

  caf::actor_clock::time_point start_;
  std::map<std::string, line> lines_;
  std::map<std::string, std::vector<waiter>> dials_;
  uint64_t uses_ = 0;
};

}  // namespace swarm::dht
