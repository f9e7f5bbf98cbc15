#include <boost/test/unit_test.hpp>
#include <caf/io/all.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include "actors/faults/conditions.hpp"

using namespace swarm::faults;
using namespace std::chrono_literals;

namespace {

using adder = caf::typed_actor<caf::replies_to<int>::with<int>>;

/// Two actor systems in one process, joined by CAF's network layer over loopback.
struct two_systems {
  struct settings : caf::actor_system_config {
    settings() { load<caf::io::middleman>(); }
  };

  settings config;
  caf::actor_system far{config};
  caf::actor_system near{config};
};

adder::behavior_type adding() {
  return {[](int x) { return x + 1; }};
}

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_link_leads_to_an_actor_of_another_process, two_systems) {
  auto target = far.spawn(adding);
  const auto port = far.middleman().publish(target, 0, "127.0.0.1");
  BOOST_REQUIRE(port.engaged());
  auto remote = near.middleman().remote_actor<adder>("127.0.0.1", *port);
  BOOST_REQUIRE(remote.engaged());
  {
    conditions street{1};
    auto link = faulty_link(near, *remote, street);
    caf::scoped_actor self{near};
    const auto ask = [&](int x) {
      int answer = 0;
      self->request(link, 10s, x)
          .receive([&](int y) { answer = y; }, [&](caf::error&) { answer = -1; });
      return answer;
    };
    BOOST_TEST(ask(1) == 2);
    street.add(fail_before(next<int>()));
    BOOST_TEST(ask(1) == -1);
    weather rain;
    rain.delay_min = 1ms;
    street.set(rain);
    BOOST_TEST(ask(2) == 3);
    // Its death crosses the network and the link.
    self->monitor(link);
    self->send_exit(target, caf::exit_reason::kill);
    bool down = false;
    self->receive([&](const caf::down_msg& x) { down = x.source == link.address(); },
                  caf::after(10s) >> [] {});
    BOOST_TEST(down);
  }
}

BOOST_FIXTURE_TEST_CASE(a_link_can_be_published, two_systems) {
  auto target = far.spawn(adding);
  conditions street{1};
  street.add(fail_before(next<int>()));
  auto link = faulty_link(far, target, street);
  const auto port = far.middleman().publish(link, 0, "127.0.0.1");
  BOOST_REQUIRE(port.engaged());
  auto remote = near.middleman().remote_actor<adder>("127.0.0.1", *port);
  BOOST_REQUIRE(remote.engaged());
  caf::scoped_actor self{near};
  std::vector<int> heard;
  for (int i = 0; i < 2; ++i) {
    self->request(*remote, 10s, i)
        .receive([&](int y) { heard.push_back(y); }, [&](caf::error&) { heard.push_back(-1); });
  }
  BOOST_TEST(heard == (std::vector<int>{-1, 2}));
  self->send_exit(target, caf::exit_reason::kill);
}

BOOST_FIXTURE_TEST_CASE(senders_of_different_nodes_are_different, two_systems) {
  // Systems that begin alike give their actors the same ids, and those their requests.
  caf::actor_system third{config};
  auto target = far.spawn(adding);
  conditions street{1};
  street.add(fail_during(next<int>()));
  auto link = faulty_link(far, target, street);
  const auto port = far.middleman().publish(link, 0, "127.0.0.1");
  BOOST_REQUIRE(port.engaged());
  std::vector<int> heard;
  std::vector<caf::actor_id> ids;
  for (auto* system : {&near, &third}) {
    auto remote = system->middleman().remote_actor<adder>("127.0.0.1", *port);
    BOOST_REQUIRE(remote.engaged());
    caf::scoped_actor self{*system};
    ids.push_back(self->id());
    self->request(*remote, 10s, 1)
        .receive([&](int y) { heard.push_back(y); }, [&](caf::error&) { heard.push_back(-1); });
  }
  BOOST_REQUIRE(ids[0] == ids[1]);
  BOOST_TEST(heard == (std::vector<int>{-1, 2}));
  caf::anon_send_exit(target, caf::exit_reason::kill);
}
