#include <atomic>
#include <boost/test/unit_test.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/exit_reason.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <chrono>
#include <future>
#include <memory>

#include "actors/supervision/supervisor.hpp"

// Real threads and real time: nothing here depends on how long anything takes.

namespace {

using namespace swarm::supervision;
using std::chrono::milliseconds;

using work_atom = caf::atom_constant<caf::atom("work")>;

// A compute actor: detached, and deaf while it computes.
struct workshop {
  std::promise<void> busy;      // it has begun to compute
  std::promise<void> released;  // it may end
  std::shared_future<void> may_end{released.get_future()};
  std::promise<void> killed;
  std::promise<void> restarted;
  std::atomic<int> alive{0};
  std::atomic<bool> overlapped{false};
};

child_spec compute_in(const std::shared_ptr<workshop>& shop) {
  child_spec spec;
  spec.id = "compute";
  spec.shutdown_timeout = milliseconds{5};
  spec.factory = [shop](caf::event_based_actor* self, const children_view&) {
    if (++shop->alive > 1) shop->overlapped = true;
    auto compute = self->spawn<caf::detached>([shop](caf::event_based_actor*) -> caf::behavior {
      return {[shop](work_atom) {
        shop->busy.set_value();
        shop->may_end.wait();
      }};
    });
    compute->attach_functor([shop] { --shop->alive; });
    return compute;
  };
  return spec;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_detached_child_busy_past_its_kill_is_waited_for) {
  const auto shop = std::make_shared<workshop>();
  auto killed = shop->killed.get_future();
  auto restarted = shop->restarted.get_future();
  caf::actor_system_config config;
  caf::actor_system system{config};
  {
    supervisor_options options;
    options.policy.strategy = restart_strategy::one_for_all;
    options.policy.backoff.min = options.policy.backoff.max = milliseconds{1};
    options.listener = [shop](const supervision_event& event) {
      if (event.kind == event_kind::child_killed) shop->killed.set_value();
      if (event.kind == event_kind::child_started && event.child == "worker" && event.restarts == 1)
        shop->restarted.set_value();
    };
    child_spec worker;
    worker.id = "worker";
    worker.factory = [](caf::event_based_actor* self, const children_view& siblings) {
      return self->spawn(
          [compute = siblings.get("compute")](caf::event_based_actor* me) -> caf::behavior {
            return {[me](work_atom) { me->quit(caf::exit_reason::unhandled_exception); }};
          });
    };
    const auto root = spawn_supervisor(system, options, {compute_in(shop), worker});
    children_status children;
    caf::scoped_actor self{system};
    self->request(root, caf::infinite, children_atom::value)
        .receive([&](children_status& status) { children = std::move(status); },
                 [](const caf::error&) { BOOST_ERROR("no children"); });
    BOOST_REQUIRE(children.size() == 2u);
    self->send(children[0].handle, work_atom::value);
    shop->busy.get_future().wait();
    self->send(children[1].handle, work_atom::value);
    children.clear();
    killed.wait();
    BOOST_TEST((restarted.wait_for(milliseconds{20}) == std::future_status::timeout));
    shop->released.set_value();
    restarted.wait();
    BOOST_TEST(!shop->overlapped);
    self->send_exit(root, caf::exit_reason::user_shutdown);
  }
  system.await_all_actors_done();
  BOOST_TEST(shop->alive == 0);
}
