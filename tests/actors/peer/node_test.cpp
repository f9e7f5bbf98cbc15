#include "actors/peer/node.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <caf/all.hpp>
#include <memory>
#include <set>

#include "actors/peer/embedded_swarm.hpp"
#include "tests/actors/peer/network_rig.hpp"

using namespace swarm;
using namespace swarm::peer::testing;
using peer::node;

namespace {

constexpr std::chrono::seconds stop_patience{20};

struct machine {
  machine() : system(config), self(system) {}

  struct with_types : caf::actor_system_config {
    with_types() {
      set("scheduler.policy", caf::atom("sharing"));
      set("scheduler.max-threads", 2U);
      peer::add_message_types(*this);
    }
  } config;
  caf::actor_system system;
  caf::scoped_actor self;

  std::variant<std::unique_ptr<node>, std::string> try_start(peer::network_options options,
                                                             uint8_t number) {
    peer::node_options what;
    what.network = std::move(options);
    what.key_seed = key_of(number).seed();
    // Any time does, as long as it is the same for all.
    what.clock = [] { return int64_t{1'800'000'000'000}; };
    what.network.clock = what.clock;
    return node::start(system, std::move(what));
  }

  std::unique_ptr<node> start(uint8_t number, std::vector<std::string> seeds = {},
                              const std::string& bind = "127.0.0.1:0") {
    auto options = options_of(number, std::move(seeds));
    options.endpoint.bind = bind;
    auto made = try_start(std::move(options), number);
    BOOST_REQUIRE(std::holds_alternative<std::unique_ptr<node>>(made));
    return std::move(std::get<std::unique_ptr<node>>(made));
  }

  /// Asks again and again until it holds; false when it does not in time.
  bool eventually(const std::function<bool()>& condition) {
    const auto deadline = self->clock().now() + patience;
    while (!condition()) {
      if (self->clock().now() > deadline) return false;
      self->receive(caf::after(std::chrono::milliseconds{5}) >> [] {});
    }
    return true;
  }

  /// Puts a worker into the node that announces itself.
  void add_worker(node& home, uint8_t number, const std::string& name = "worker") {
    const auto added =
        home.add(name, [number](caf::actor_system& in, const peer::node_services& use) {
          const auto worker = in.spawn([] { return caf::behavior{[](caf::unit_t) {}}; });
          wire::member m;
          m.id = {id_of(number), incarnation_id{1}};
          m.state = wire::member_state::serving;
          m.handle = worker;
          caf::anon_send(use.directory, wire::announce_atom::value, m);
          return worker;
        });
    BOOST_REQUIRE(added);
  }
};

std::set<peer_id> peers_of(node& who) {
  std::set<peer_id> result;
  for (const auto& m : who.members())
    result.insert(m.id.peer);
  return result;
}

bool is_neighbour(node& of, uint8_t number) {
  const auto known = of.neighbours();
  return std::any_of(known.begin(), known.end(),
                     [&](const auto& n) { return n.peer == id_of(number); });
}

}  // namespace

BOOST_FIXTURE_TEST_CASE(members_of_one_node_are_known_to_all, machine) {
  const auto a = start(1);
  const auto b = start(2, {a->address()});
  const auto c = start(3, {a->address()});
  add_worker(*a, 1);
  add_worker(*b, 2);
  const std::set<peer_id> both{id_of(1), id_of(2)};
  BOOST_TEST(eventually(
      [&] { return peers_of(*a) == both && peers_of(*b) == both && peers_of(*c) == both; }));
  BOOST_TEST(b->stop(stop_patience));
  BOOST_TEST(eventually(
      [&] { return peers_of(*a) == std::set{id_of(1)} && peers_of(*c) == std::set{id_of(1)}; }));
}

BOOST_FIXTURE_TEST_CASE(a_description_is_found_by_who_has_none, machine) {
  const auto a = start(1);
  const auto b = start(2, {a->address()});
  const auto c = start(3, {b->address()});
  a->learn_description("hash", "the description, signed");
  // By a node that was never told the publisher's address.
  BOOST_TEST(eventually([&] {
    const auto found = c->descriptions();
    return std::find(found.begin(), found.end(), "the description, signed") != found.end();
  }));
}

BOOST_FIXTURE_TEST_CASE(whoever_knows_a_description_refuses_others_from_then_on, machine) {
  const auto a = start(1);
  a->learn_description("aaaa", "one");
  auto options = options_of(2, {a->address()});
  options.description_hash = "bbbb";
  options.telemetry = {};
  auto made = try_start(options, 2);
  const auto& b = std::get<std::unique_ptr<node>>(made);
  std::string sentence;
  const auto probe_text = [&] {
    self->request(b->services().telemetry, patience, telemetry::recent_atom::value)
        .receive(
            [&](const std::vector<telemetry::event>& events) {
              for (const auto& e : events)
                if (e.name == "dial_failed")
                  sentence = std::get<std::string>(*telemetry::find(e, "text"));
            },
            [](const caf::error&) {});
    return !sentence.empty();
  };
  BOOST_TEST(eventually(probe_text));
  BOOST_TEST(sentence.find("aaaa") != std::string::npos);
  BOOST_TEST(sentence.find("bbbb") != std::string::npos);
  BOOST_TEST(a->neighbours().empty());
}

BOOST_FIXTURE_TEST_CASE(a_neighbour_answers_for_its_status, machine) {
  const auto a = start(1);
  const auto b = start(2, {a->address()});
  add_worker(*b, 2);
  BOOST_REQUIRE(eventually([&] { return is_neighbour(*a, 2) && is_neighbour(*b, 1); }));
  const auto answer = a->ask_status(id_of(2), 10);
  BOOST_REQUIRE(answer);
  BOOST_REQUIRE(!answer->fault());
  BOOST_TEST(answer->read()->getPeer() == id_of(2).value());
  BOOST_TEST(!a->ask_status(id_of(9), 10));
}

BOOST_FIXTURE_TEST_CASE(a_neighbour_tries_whether_we_can_be_reached, machine) {
  const auto a = start(1);
  const auto b = start(2, {a->address()});
  BOOST_REQUIRE(eventually([&] { return is_neighbour(*a, 2) && is_neighbour(*b, 1); }));
  const auto found = b->probe_from(id_of(1), b->address());
  BOOST_REQUIRE(found);
  BOOST_TEST(*found == id_of(2));
  const auto third = start(3);
  const auto unused = third->address();
  BOOST_TEST(third->stop(stop_patience));
  BOOST_TEST(!b->probe_from(id_of(1), unused));
}

BOOST_FIXTURE_TEST_CASE(what_was_stopped_leaves_nothing_behind, machine) {
  const auto before = system.registry().running();
  auto a = start(1);
  auto b = start(2, {a->address()});
  add_worker(*a, 1);
  add_worker(*b, 2);
  const std::set<peer_id> both{id_of(1), id_of(2)};
  BOOST_REQUIRE(eventually([&] { return peers_of(*a) == both && peers_of(*b) == both; }));
  const auto address = a->address();
  BOOST_TEST(a->stop(stop_patience));
  BOOST_TEST(b->stop(stop_patience));
  a.reset();
  b.reset();
  BOOST_TEST(eventually([&] { return system.registry().running() == before; }));
  // The port is free again.
  a = start(1, {}, address);
  BOOST_TEST(a->address() == address);
}

BOOST_FIXTURE_TEST_CASE(who_lost_all_seeds_goes_on_when_they_are_back, machine) {
  auto a = start(1);
  const auto address = a->address();
  const auto b = start(2, {address});
  add_worker(*b, 2);
  BOOST_REQUIRE(eventually([&] { return is_neighbour(*b, 1); }));
  a.reset();
  BOOST_REQUIRE(eventually([&] { return b->neighbours().empty(); }));
  a = start(1, {}, address);
  BOOST_TEST(eventually([&] { return peers_of(*a) == std::set{id_of(2)}; }));
}

BOOST_FIXTURE_TEST_CASE(a_network_that_ends_is_restarted_where_it_was, machine) {
  const auto a = start(1);
  const auto b = start(2, {a->address()});
  add_worker(*a, 1);
  BOOST_REQUIRE(eventually([&] { return peers_of(*b) == std::set{id_of(1)}; }));
  const auto first = a->services().network;
  self->send_exit(first, caf::exit_reason::kill);
  BOOST_TEST(eventually([&] {
    const auto now = a->services().network;
    return now && now != first && peers_of(*b) == std::set{id_of(1)} && is_neighbour(*b, 1);
  }));
}

BOOST_FIXTURE_TEST_CASE(a_port_that_is_taken_is_an_error_with_its_address, machine) {
  const auto a = start(1);
  auto options = options_of(2);
  options.endpoint.bind = a->address();
  const auto made = try_start(options, 2);
  BOOST_REQUIRE(std::holds_alternative<std::string>(made));
  BOOST_TEST(std::get<std::string>(made).find(a->address()) != std::string::npos);
}
