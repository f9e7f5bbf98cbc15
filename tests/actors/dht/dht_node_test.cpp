#include "actors/dht/dht_node.hpp"

#include <boost/test/unit_test.hpp>

#include "experiments/dht_simulation.hpp"

using namespace swarm;
using namespace swarm::dht;
using namespace std::chrono_literals;
using experiments::dht_simulation;
using experiments::dht_simulation_options;

namespace {

dht_simulation_options quick() {
  dht_simulation_options options;
  options.path.latency = 5ms;
  return options;
}

put_order order_of(const std::string& name, const std::string& value,
                   std::chrono::milliseconds lifetime = 10min) {
  return {key_of(name), "", value, lifetime};
}

size_t errc_of(const caf::error& error) {
  return error.category() == caf::atom("dht") ? error.code() : 0;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_lone_node_stores_and_finds_its_own) {
  dht_simulation s{quick()};
  s.add_node({});
  const auto stored = s.put(0, order_of("k", "v"));
  BOOST_TEST_REQUIRE(s.wait(stored));
  BOOST_TEST(*stored->value == 1U);
  const auto found = s.get(0, {key_of("k")});
  BOOST_TEST_REQUIRE(s.wait(found));
  BOOST_TEST_REQUIRE(found->value->records.size() == 1U);
  BOOST_TEST(found->value->records[0].value == "v");
}

BOOST_AUTO_TEST_CASE(what_one_node_puts_every_other_gets) {
  dht_simulation s{quick()};
  s.grow(30, 200ms);
  const auto stored = s.put(3, order_of("k", "v"));
  BOOST_TEST_REQUIRE(s.wait(stored));
  BOOST_TEST(*stored->value >= 5U);
  s.world().run_for(1s);
  size_t holders = 0;
  for (size_t n = 0; n < s.hosts(); ++n) {
    const auto found = s.get(n, {key_of("k")});
    BOOST_TEST_REQUIRE(s.wait(found));
    BOOST_TEST_REQUIRE(found->value->records.size() == 1U);
    BOOST_TEST(found->value->records[0].value == "v");
    holders += s.status(n).records;
  }
  // In the background, all of the k nearest.
  BOOST_TEST(holders == 20U);
}

BOOST_AUTO_TEST_CASE(a_put_waits_for_as_many_copies_as_it_is_told) {
  auto options = quick();
  options.tune = [](size_t, node_options& made) { made.replicas = made.store_quorum = 8; };
  dht_simulation s{options};
  s.grow(30, 200ms);
  const auto stored = s.put(3, order_of("k", "v"));
  BOOST_TEST_REQUIRE(s.wait(stored));
  BOOST_TEST(*stored->value == 8U);
  size_t holders = 0;
  for (size_t n = 0; n < s.hosts(); ++n)
    holders += s.status(n).records;
  BOOST_TEST(holders == 8U);
}

BOOST_AUTO_TEST_CASE(the_next_nearest_take_the_place_of_the_dead) {
  dht_simulation s{quick()};
  s.grow(40, 200ms);
  // A quarter of those that everybody believes to be there.
  for (size_t n = 0; n < 40; n += 4)
    s.kill(n);
  const auto stored = s.put(3, order_of("k", "v"));
  BOOST_TEST_REQUIRE(s.wait(stored));
  s.world().run_for(20s);
  size_t holders = 0;
  for (size_t n = 0; n < 40; ++n)
    if (s.alive(n)) holders += s.status(n).records;
  // About 15 if nobody did.
  BOOST_TEST(holders >= 19U);
}

BOOST_AUTO_TEST_CASE(records_of_many_owners_under_one_key_are_all_found) {
  dht_simulation s{quick()};
  s.grow(25, 200ms);
  for (size_t n = 0; n < 25; ++n)
    s.put(n, order_of("stage 1", "worker " + std::to_string(n)));
  s.put(0, {key_of("stage 1"), "second", "of owner 0", 10min});
  s.world().run_for(5s);
  const auto found = s.get(7, {key_of("stage 1")});
  BOOST_TEST_REQUIRE(s.wait(found));
  BOOST_TEST(found->value->records.size() == 26U);
}

BOOST_AUTO_TEST_CASE(a_later_put_replaces_an_earlier_one_everywhere) {
  dht_simulation s{quick()};
  s.grow(25, 200ms);
  s.wait(s.put(2, order_of("k", "old")));
  s.world().run_for(1s);
  s.wait(s.put(2, order_of("k", "new")));
  s.world().run_for(1s);
  for (size_t n = 0; n < 25; n += 5) {
    const auto found = s.get(n, {key_of("k")});
    BOOST_TEST_REQUIRE(s.wait(found));
    BOOST_TEST_REQUIRE(found->value->records.size() == 1U);
    BOOST_TEST(found->value->records[0].value == "new");
  }
}

BOOST_AUTO_TEST_CASE(a_record_is_gone_when_its_lifetime_is_over) {
  dht_simulation s{quick()};
  s.grow(10, 200ms);
  s.wait(s.put(2, order_of("k", "v", 30s)));
  s.world().run_for(29s);
  const auto before = s.get(5, {key_of("k")});
  BOOST_TEST_REQUIRE(s.wait(before));
  BOOST_TEST(before->value->records.size() == 1U);
  s.world().run_for(2s);
  const auto after = s.get(5, {key_of("k")});
  BOOST_TEST_REQUIRE(s.wait(after));
  BOOST_TEST(after->value->records.empty());
  s.world().run_for(2s);
  for (size_t n = 0; n < 10; ++n)
    BOOST_TEST(s.status(n).records == 0U);
}

BOOST_AUTO_TEST_CASE(bad_orders_are_refused_with_a_reason) {
  dht_simulation s{quick()};
  s.add_node({});
  const auto reason = [&](const put_order& order) {
    const auto stored = s.put(0, order);
    s.wait(stored);
    return errc_of(stored->error);
  };
  BOOST_TEST(reason(order_of("k", "v", 0ms)) == size_t(errc::bad_lifetime));
  BOOST_TEST(reason(order_of("k", "v", 49h)) == size_t(errc::bad_lifetime));
  BOOST_TEST(reason(order_of("k", std::string(value_bytes_max + 1, 'x'))) ==
             size_t(errc::too_large));
  BOOST_TEST(reason({key_of("k"), std::string(65, 'x'), "v", 1s}) == size_t(errc::too_large));
  BOOST_TEST(s.status(0).own_records == 0U);
}

BOOST_AUTO_TEST_CASE(a_node_that_only_dials_uses_the_table_and_is_in_nobody_elses) {
  dht_simulation s{quick()};
  s.grow(10, 200ms);
  const auto guest = s.add_node({0}, true);
  s.world().run_for(2s);
  BOOST_TEST(s.status(guest).contacts == 10U);
  const auto stored = s.put(guest, order_of("k", "from outside"));
  BOOST_TEST_REQUIRE(s.wait(stored));
  s.world().run_for(1s);
  const auto found = s.get(4, {key_of("k")});
  BOOST_TEST_REQUIRE(s.wait(found));
  BOOST_TEST_REQUIRE(found->value->records.size() == 1U);
  BOOST_TEST(found->value->records[0].value == "from outside");
  BOOST_TEST(s.status(guest).records == 0U);
  for (size_t n = 0; n < 10; ++n)
    BOOST_TEST(s.status(n).contacts == 9U);
}

BOOST_AUTO_TEST_CASE(a_guest_without_contacts_cannot_publish) {
  dht_simulation s{quick()};
  s.add_node({}, true);
  const auto stored = s.put(0, order_of("k", "v"));
  BOOST_TEST(!s.wait(stored));
  BOOST_TEST(errc_of(stored->error) == size_t(errc::unreachable));
}

BOOST_AUTO_TEST_CASE(joining_answers_how_many_are_known_or_that_nobody_is_there) {
  dht_simulation s{quick()};
  s.grow(12, 200ms);
  const auto late = s.add_node({});
  s.world().run_for(1s);
  BOOST_TEST(s.status(late).contacts == 0U);
  const auto nobody = s.join(late, {"nowhere"});
  BOOST_TEST(!s.wait(nobody));
  BOOST_TEST(errc_of(nobody->error) == size_t(errc::unreachable));
  const auto somebody = s.join(late, {s.address_of(5)});
  BOOST_TEST_REQUIRE(s.wait(somebody));
  BOOST_TEST(*somebody->value == 12U);
}

BOOST_AUTO_TEST_CASE(a_newcomer_near_a_key_is_handed_its_records) {
  dht_simulation s{quick()};
  s.grow(21, 200ms);
  for (int i = 0; i < 10; ++i)
    s.wait(s.put(1, order_of("k" + std::to_string(i), "v")));
  s.world().run_for(1s);
  const auto late = s.add_node({3});
  s.world().run_for(3s);
  // Nearest 20 of 22, so it holds nearly all keys.
  BOOST_TEST(s.status(late).records >= 5U);
}

BOOST_AUTO_TEST_CASE(replication_survives_the_death_of_all_first_holders) {
  auto options = quick();
  options.tune = [](size_t, node_options& made) {
    made.times.replicate_every = 60s;
    made.lookups.k = 4;
  };
  dht_simulation s{options};
  s.grow(30, 200ms);
  s.wait(s.put(0, order_of("k", "v", 10h)));
  s.world().run_for(1s);
  std::vector<size_t> first;
  for (size_t n = 1; n < 30; ++n)
    if (s.status(n).records > 0) first.push_back(n);
  BOOST_TEST_REQUIRE(first.size() >= 3U);
  // One after the other, so that the others take over.
  for (const auto n : first) {
    s.kill(n);
    s.world().run_for(200s);
  }
  size_t reader = 1;
  while (!s.alive(reader))
    ++reader;
  const auto found = s.get(reader, {key_of("k")});
  BOOST_TEST_REQUIRE(s.wait(found));
  BOOST_TEST(found->value->records.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_copy_is_left_on_the_path_and_does_not_hide_newer_records) {
  auto options = quick();
  options.tune = [](size_t, node_options& made) {
    made.lookups.k = 4;
    made.routing.bucket_size = 4;
  };
  dht_simulation s{options};
  s.grow(60, 200ms);
  s.wait(s.put(0, order_of("hot", "1")));
  s.world().run_for(1s);
  const auto holders = [&] {
    size_t count = 0;
    for (size_t n = 0; n < s.hosts(); ++n)
      count += s.status(n).records;
    return count;
  };
  const auto before = holders();
  for (size_t n = 20; n < 40; ++n) {
    const auto found = s.get(n, {key_of("hot"), read_mode::any});
    BOOST_TEST_REQUIRE(s.wait(found));
    BOOST_TEST(found->value->records.size() == 1U);
  }
  s.world().run_for(1s);
  BOOST_TEST(holders() > before);
  s.wait(s.put(5, order_of("hot", "2")));
  s.world().run_for(1s);
  for (size_t n = 20; n < 40; ++n) {
    const auto found = s.get(n, {key_of("hot"), read_mode::all});
    BOOST_TEST_REQUIRE(s.wait(found));
    BOOST_TEST(found->value->records.size() == 2U);
  }
  s.world().run_for(40s);
  BOOST_TEST(holders() <= 2 * before);
}

BOOST_AUTO_TEST_CASE(after_losing_everybody_a_node_finds_back) {
  dht_simulation s{quick()};
  s.grow(8, 200ms);
  s.world().run_for(5s);
  // Cut off longer than contacts are kept.
  const auto cut = s.network().begin_partition({{0, 1, 0, 0, 0, 0, 0, 0, 0}});
  for (int i = 0; i < 10; ++i) {
    s.get(0, {key_of(std::to_string(i))});
    s.world().run_for(60s);
  }
  BOOST_TEST(s.status(0).contacts == 0U);
  s.network().heal(cut);
  s.world().run_for(40s);
  BOOST_TEST(s.status(0).contacts == 7U);
  BOOST_TEST(s.status(0).counted.rejoins > 1U);
  BOOST_TEST(s.status(0).counted.rejoins < 60U);
}

BOOST_AUTO_TEST_CASE(two_halves_that_forgot_each_other_meet_again) {
  auto options = quick();
  options.tune = [](size_t, node_options& made) { made.times.refresh_every = 120s; };
  dht_simulation s{options};
  for (size_t n = 0; n < 10; ++n)
    s.add_node(n < 2 ? std::vector<size_t>{1 - n} : std::vector<size_t>{0, 1});
  s.world().run_for(10s);
  simulation::partition halves{{0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1}};
  const auto cut = s.network().begin_partition(halves);
  s.world().run_for(20min);
  BOOST_TEST(s.status(0).contacts == 4U);
  s.network().heal(cut);
  s.world().run_for(10min);
  for (size_t n = 0; n < 10; ++n)
    BOOST_TEST(s.status(n).contacts == 9U);
}

BOOST_AUTO_TEST_CASE(a_restarted_node_is_found_again_under_its_key) {
  dht_simulation s{quick()};
  s.grow(10, 200ms);
  s.kill(4);
  s.world().run_for(5s);
  s.restart(4, {0});
  s.world().run_for(10s);
  BOOST_TEST(s.status(4).contacts == 9U);
  const auto stored = s.put(4, order_of("k", "second life"));
  BOOST_TEST_REQUIRE(s.wait(stored));
  BOOST_TEST(*stored->value >= 5U);
}

BOOST_AUTO_TEST_CASE(damaged_requests_are_answered_with_an_error_and_counted) {
  dht_simulation s{quick()};
  s.add_node({});
  const auto broken = s.ask<wire::dht_pong>(0, wire::dht_ping{});
  s.wait(broken);
  BOOST_TEST((broken->error.category() == caf::atom("wire")));
  wire::builder<schemas::DhtFindNode> message;
  message->initSender();
  message->setTarget(capnp::Data::Reader{});
  const auto short_id = s.ask<wire::dht_nodes>(0, message.finish());
  s.wait(short_id);
  BOOST_TEST(errc_of(short_id->error) == size_t(errc::bad_request));
  BOOST_TEST(s.status(0).counted.requests_refused == 2U);
}

BOOST_AUTO_TEST_CASE(equal_seeds_give_equal_runs) {
  const auto run = [](uint64_t seed) {
    auto options = quick();
    options.seed = seed;
    options.path.jitter = 3ms;
    dht_simulation s{options};
    s.grow(15, 100ms);
    s.wait(s.put(0, order_of("k", "v")));
    s.wait(s.get(9, {key_of("k")}));
    return s.world().hash();
  };
  BOOST_TEST(run(1) == run(1));
  BOOST_TEST(run(1) != run(2));
}
