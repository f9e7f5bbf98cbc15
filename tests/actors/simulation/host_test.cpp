#include "actors/simulation/host.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/wire/messages.hpp"

namespace {

using namespace swarm;
using namespace swarm::simulation;
using namespace std::chrono_literals;

/// Hosts whose peers are one announced actor each.
struct neighbourhood {
  explicit neighbourhood(uint32_t hosts) {
    path_conditions usual;
    usual.latency = 20ms;
    net.model().set_default(usual);
    for (uint32_t i = 0; i < hosts; ++i)
      sites.push_back(std::make_unique<host>(w, net, links, factory(i)));
    for (auto& site : sites)
      site->start();
    w.run_until(1s);
  }

  peer_factory factory(uint32_t index) {
    return [this, index](world& where, const wire::directory_actor& directory, bool with_state) {
      starts.push_back(std::to_string(index) + (with_state ? "+" : "-"));
      return where.system().spawn([=](caf::event_based_actor* self) -> caf::behavior {
        wire::member m;
        m.id = {peer_id{index}, incarnation_id{sites[index]->lives()}};
        m.handle = caf::actor{self};
        self->send(directory, wire::announce_atom::value, m);
        return {[](int n) { return n + 1; }};
      });
    };
  }

  /// Members that a host's directory lists.
  std::vector<worker_id> seen_by(uint32_t index) {
    std::vector<worker_id> result;
    const auto reader = w.in_host(sites[index]->id(), [&] {
      return w.system().spawn([&](caf::event_based_actor*) -> caf::behavior {
        return {[&](const wire::roster_update& update) {
          for (const auto& m : update.changed)
            result.push_back(m.id);
        }};
      });
    });
    caf::anon_send(sites[index]->directory(), wire::subscribe_atom::value, reader);
    w.settle();
    caf::anon_send_exit(reader, caf::exit_reason::user_shutdown);
    w.settle();
    return result;
  }

  world w{1, wire::add_message_types};
  virtual_network net{w, 1};
  bridges links{w, net};
  std::vector<std::unique_ptr<host>> sites;
  std::vector<std::string> starts;
};

}  // namespace

BOOST_AUTO_TEST_CASE(peers_of_started_hosts_see_each_other) {
  neighbourhood n{3};
  for (uint32_t i = 0; i < 3; ++i)
    BOOST_TEST(n.seen_by(i).size() == 3U);
  BOOST_TEST(n.sites[0]->running());
  BOOST_TEST(to_string(n.sites[0]->state()) == "up");
}

BOOST_AUTO_TEST_CASE(a_restart_is_another_life_with_or_without_state) {
  neighbourhood n{2};
  n.sites[0]->restart(true);
  n.w.run_for(1s);
  BOOST_TEST((n.starts == std::vector<std::string>{"0-", "1-", "0+"}));
  const auto seen = n.seen_by(1);
  BOOST_TEST_REQUIRE(seen.size() == 2U);
  BOOST_TEST((seen[0] == worker_id{peer_id{0}, incarnation_id{2}}));
}

BOOST_AUTO_TEST_CASE(a_killed_host_is_down_until_it_is_started) {
  neighbourhood n{2};
  n.sites[0]->kill();
  BOOST_TEST((n.sites[0]->state() == host_state::down));
  BOOST_TEST(!n.sites[0]->root());
  n.w.run_for(1s);
  BOOST_TEST(n.seen_by(1).size() == 1U);
  n.sites[0]->thaw();
  n.sites[0]->freeze();
  n.sites[0]->leave();
  BOOST_TEST((n.sites[0]->state() == host_state::down));
  n.sites[0]->start();
  n.sites[0]->start();
  BOOST_TEST(n.sites[0]->lives() == 2U);
  n.w.run_for(1s);
  BOOST_TEST(n.seen_by(1).size() == 2U);
}

BOOST_AUTO_TEST_CASE(a_frozen_host_thaws_or_is_killed) {
  neighbourhood n{2};
  n.sites[0]->freeze();
  BOOST_TEST((n.sites[0]->state() == host_state::frozen));
  n.w.run_for(1min);
  BOOST_TEST(n.seen_by(1).size() == 1U);
  n.sites[0]->thaw();
  n.w.run_for(10s);
  BOOST_TEST(n.seen_by(1).size() == 2U);
  n.sites[0]->freeze();
  n.sites[0]->restart(false);
  n.w.run_for(1s);
  BOOST_TEST(n.sites[0]->running());
  BOOST_TEST(n.seen_by(1).size() == 2U);
}

BOOST_AUTO_TEST_CASE(who_leaves_is_missed_at_once_and_may_come_back) {
  neighbourhood n{2};
  n.sites[0]->leave();
  n.w.run_for(100ms);
  BOOST_TEST((n.sites[0]->state() == host_state::left));
  BOOST_TEST(n.seen_by(1).size() == 1U);
  n.sites[0]->start();
  n.w.run_for(1s);
  BOOST_TEST(n.seen_by(1).size() == 2U);
}

BOOST_AUTO_TEST_CASE(a_host_slows_its_device) {
  neighbourhood n{1};
  const auto gpu = std::make_shared<device>(n.w, compute_cost{});
  host slow_one{n.w, n.net, n.links, n.factory(0), gpu};
  slow_one.slow(20);
  BOOST_TEST(gpu->slowness() == 20);
}
