#include "tests/actors/supervision/virtual_tree.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <stdexcept>
#include <utility>

namespace swarm::supervision {

namespace {

const char* name_of(child_state state) {
  switch (state) {
    case child_state::waiting:
      return "waiting";
    case child_state::running:
      return "running";
    case child_state::stopping:
      return "stopping";
    case child_state::ended:
      return "ended";
  }
  return "?";
}

}  // namespace

virtual_tree::config::config() {
  set("scheduler.policy", caf::atom("testing"));
  add_supervision_message_types(*this);
}

virtual_tree::virtual_tree()
    : system_(config_),
      scheduler_(dynamic_cast<caf::scheduler::test_coordinator&>(system_.scheduler())),
      root_exit_(std::make_shared<std::optional<caf::error>>()) {}

virtual_tree::~virtual_tree() {
  caf::anon_send_exit(root, caf::exit_reason::user_shutdown);
  pass(std::chrono::seconds{30});
  root = nullptr;
  run();
  system_.await_all_actors_done();
}

void virtual_tree::grow(supervisor_options options, std::vector<child_spec> children) {
  root = spawn_supervisor(system_, std::move(options), std::move(children));
  root_exit_->reset();
  root->attach_functor([exit = root_exit_](const caf::error& reason) { *exit = reason; });
  run();
}

supervisor_options virtual_tree::options(restart_strategy strategy, std::string name) {
  supervisor_options result;
  result.name = std::move(name);
  result.policy.strategy = strategy;
  result.policy.backoff.jitter = 0;
  result.listener = [h = history_](const supervision_event& event) { h->events.push_back(event); };
  return result;
}

caf::actor virtual_tree::spawn_probe(const std::string& id, bool deaf) {
  history_->lines += " +" + id;
  if (++history_->alive[id] > 1) history_->overlapped = true;
  auto probe = system_.spawn([deaf](caf::event_based_actor* self) -> caf::behavior {
    if (deaf) self->set_exit_handler([](caf::exit_msg&) {});
    return {[self](act_atom, act what) {
      self->quit(what == act::fail ? caf::make_error(caf::exit_reason::unhandled_exception)
                                   : caf::error{});
    }};
  });
  probe->attach_functor([h = history_, id] {
    h->lines += " -" + id;
    --h->alive[id];
  });
  current_[id] = probe.address();
  return probe;
}

child_spec virtual_tree::child(std::string id, restart_type type) {
  auto factory = [this, id](caf::event_based_actor*, const children_view&) {
    return spawn_probe(id, false);
  };
  return {std::move(id), type, std::chrono::milliseconds{1'000}, std::move(factory)};
}

child_spec virtual_tree::deaf_child(std::string id) {
  auto spec = child(id);
  spec.factory = [this, id = std::move(id)](caf::event_based_actor*, const children_view&) {
    return spawn_probe(id, true);
  };
  return spec;
}

child_spec virtual_tree::failing_child(std::string id, int failures, bool throws) {
  auto spec = child(id);
  auto left = std::make_shared<int>(failures);
  spec.factory = [this, id = std::move(id), left, throws](caf::event_based_actor*,
                                                          const children_view&) {
    if (--*left >= 0) {
      if (throws) throw std::runtime_error("no device");
      return caf::actor{};
    }
    return spawn_probe(id, false);
  };
  return spec;
}

child_spec virtual_tree::watching_child(std::string id, std::vector<std::string> others) {
  auto spec = child(id);
  spec.factory = [this, id = std::move(id), others = std::move(others)](
                     caf::event_based_actor*, const children_view& siblings) {
    auto& seen = history_->seen[id];
    seen.clear();
    for (const auto& other : others) {
      const auto handle = siblings.get(other);
      if (!seen.empty()) seen += ' ';
      seen += !handle ? "!" + other : handle == current(other) ? other : "stale " + other;
    }
    return spawn_probe(id, false);
  };
  return spec;
}

child_spec virtual_tree::subtree(std::string id, supervisor_options options,
                                 std::vector<child_spec> children) {
  auto spec = child(id);
  spec.shutdown_timeout = no_shutdown_limit;
  spec.factory = [this, id = std::move(id), options = std::move(options),
                  children = std::move(children)](caf::event_based_actor* self,
                                                  const children_view&) {
    auto result = spawn_supervisor(self->system(), options, children);
    current_[id] = result.address();
    return result;
  };
  return spec;
}

void virtual_tree::pass(std::chrono::milliseconds time) {
  constexpr std::chrono::milliseconds step{10};
  run();
  for (; time.count() > 0; time -= step) {
    scheduler_.advance_time(std::min(step, time));
    run();
  }
}

void virtual_tree::tell(const std::string& id, act what) {
  caf::anon_send(current(id), act_atom::value, what);
  run();
}

children_status virtual_tree::children() {
  children_status result;
  ask([&](children_status& status) { result = std::move(status); }, children_atom::value);
  return result;
}

std::string virtual_tree::summary() {
  std::string text;
  for (const auto& c : children()) {
    if (!text.empty()) text += ' ';
    text += c.id + ':' + name_of(c.state) + ':' + std::to_string(c.restarts);
  }
  return text;
}

std::string virtual_tree::take_lines() {
  auto lines = std::exchange(history_->lines, {});
  return lines.empty() ? lines : lines.substr(1);
}

int virtual_tree::count(event_kind kind, const std::string& child) const {
  int result = 0;
  for (const auto& event : history_->events)
    if (event.kind == kind && event.child == child) ++result;
  return result;
}

bool virtual_tree::all_gone() const {
  for (const auto& [id, alive] : history_->alive)
    if (alive != 0) return false;
  return true;
}

caf::actor virtual_tree::current(const std::string& id) const {
  const auto it = current_.find(id);
  return it == current_.end() ? caf::actor{} : caf::actor_cast<caf::actor>(it->second);
}

}  // namespace swarm::supervision
