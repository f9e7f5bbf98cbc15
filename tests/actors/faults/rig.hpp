#pragma once

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "actors/faults/link.hpp"
#include "actors/wire/messages.hpp"

namespace swarm::faults::testing {

/// Virtual time, no threads. Stops what it was given at the end.
class rig {
 public:
  rig()
      : system{config_},
        scheduler(dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler())) {}
  ~rig() {
    for (const auto& address : owned_)
      if (auto who = caf::actor_cast<caf::actor>(address))
        caf::anon_send_exit(who, caf::exit_reason::kill);
    scheduler.run();
  }

  void pass(std::chrono::nanoseconds time) {
    scheduler.run();
    scheduler.advance_time(time);
    scheduler.run();
  }
  caf::actor own(const caf::actor& handle) {
    owned_.push_back(caf::actor_cast<caf::actor_addr>(handle));
    return handle;
  }

 private:
  struct settings : caf::actor_system_config {
    settings() {
      set("scheduler.policy", caf::atom("testing"));
      wire::add_message_types(*this);
    }
  };
  settings config_;
  std::vector<caf::actor_addr> owned_;

 public:
  caf::actor_system system;
  caf::scheduler::test_coordinator& scheduler;
};

/// Chooses the fates that it was told, in order and per direction; then everything passes.
class scripted : public link_policy {
 public:
  fate decide(const passage& message) override {
    const std::lock_guard<std::mutex> guard{mutex_};
    ++seen[static_cast<size_t>(message.way)];
    requests.push_back(message.request);
    auto& next = script[static_cast<size_t>(message.way)];
    if (next.empty()) return {};
    auto result = next.front();
    next.pop_front();
    return result;
  }
  bool arrives(const passage&) override { return up; }

  void then(direction way, fate what) {
    const std::lock_guard<std::mutex> guard{mutex_};
    script[static_cast<size_t>(way)].push_back(std::move(what));
  }
  size_t count(direction way) const { return seen[static_cast<size_t>(way)]; }

  std::array<std::deque<fate>, 2> script;
  std::array<size_t, 2> seen{};
  std::vector<uint64_t> requests;
  bool up = true;

 private:
  std::mutex mutex_;
};

/// What an asker heard.
struct heard {
  std::vector<int> answers;
  std::vector<caf::error> errors;
};

}  // namespace swarm::faults::testing
