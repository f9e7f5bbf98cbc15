#pragma once

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <caf/scoped_actor.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/supervision/supervisor.hpp"

namespace swarm::supervision {

/// What a child of the tests does when it is sent `act`.
using act_atom = caf::atom_constant<caf::atom("act")>;
enum class act : std::uint8_t { fail, finish };

/// What the children and their supervisors went through.
struct history {
  std::string lines;                 ///< "+a" a began, "-a" a ended, in order, space separated
  std::map<std::string, int> alive;  ///< incarnations by id
  bool overlapped = false;           ///< two of one child were alive at once
  std::vector<supervision_event> events;
  std::map<std::string, std::string> seen;  ///< what `watching` children saw of their siblings
};

/// Supervisors under virtual time. The destructor stops what hangs from `root` and returns only
/// when every actor is gone.
class virtual_tree {
 public:
  virtual_tree();
  ~virtual_tree();

  /// Replaces the root.
  void grow(supervisor_options options, std::vector<child_spec> children);
  supervisor_options options(restart_strategy strategy, std::string name = "root");

  child_spec child(std::string id, restart_type type = restart_type::permanent);
  /// Ignores every exit message but a kill.
  child_spec deaf_child(std::string id);
  /// Its factory fails `failures` times, by throwing or by returning nothing.
  child_spec failing_child(std::string id, int failures, bool throws);
  /// Notes in history::seen which of the ids it could look up, "id" or "!id", and whether the
  /// handles are those that live now.
  child_spec watching_child(std::string id, std::vector<std::string> others);
  child_spec subtree(std::string id, supervisor_options options, std::vector<child_spec> children);

  /// Runs what is runnable, without time passing.
  void run() { scheduler_.run(); }
  /// In steps of 10 ms.
  void pass(std::chrono::milliseconds time);
  /// Lets the child named last under that id fail or finish, and runs.
  void tell(const std::string& id, act what);

  children_status children();
  /// "a:running:0 b:waiting:2"
  std::string summary();
  std::string take_lines();
  int count(event_kind kind, const std::string& child) const;
  bool all_gone() const;

  caf::actor_system& system() { return system_; }
  caf::actor_clock& clock() { return system_.clock(); }
  history& seen() { return *history_; }
  caf::actor current(const std::string& id) const;
  /// Why the root ended; none while it lives.
  std::optional<caf::error> root_exit() const { return *root_exit_; }

  /// Asks the root; the code of the error it answers with, 0 if it calls `on_answer`.
  template <class OnAnswer, class... Ts>
  int ask(OnAnswer on_answer, const Ts&... what) {
    int code = 0;
    caf::scoped_actor self{system_};
    auto pending = self->request(root, caf::infinite, what...);
    run();
    pending.receive(on_answer, [&](const caf::error& e) { code = e.code(); });
    return code;
  }

  caf::actor root;

 private:
  struct config : caf::actor_system_config {
    config();
  };

  caf::actor spawn_probe(const std::string& id, bool deaf);

  config config_;
  caf::actor_system system_;
  caf::scheduler::test_coordinator& scheduler_;
  std::shared_ptr<history> history_ = std::make_shared<history>();
  std::shared_ptr<std::optional<caf::error>> root_exit_;
  // Weak, as a strong one would keep a child from ending.
  std::map<std::string, caf::actor_addr> current_;
};

}  // namespace swarm::supervision

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(swarm::supervision::act)
