#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <vector>

#include "experiments/dht_claims.hpp"
#include "experiments/dht_simulation.hpp"

using namespace swarm;
using namespace swarm::dht;
using namespace std::chrono_literals;

namespace {

std::vector<size_t> nearest(size_t nodes, const node_id& key, size_t count) {
  std::vector<std::pair<node_id, size_t>> all;
  for (size_t n = 0; n < nodes; ++n)
    all.emplace_back(distance(id_of(experiments::dht_simulation::key_of(n).open_half()), key), n);
  std::sort(all.begin(), all.end());
  std::vector<size_t> result;
  for (size_t i = 0; i < count; ++i)
    result.push_back(all[i].second);
  return result;
}

}  // namespace

BOOST_AUTO_TEST_CASE(records_are_found_before_and_after_a_third_dies) {
  experiments::dht_run run;
  run.seed = 2;
  run.nodes = 100;
  run.records = run.reads = 80;
  const auto found = experiments::measure_dht(run, [](const std::string&) {});
  BOOST_TEST(found.calm.share() >= 0.999);
  BOOST_TEST(found.deadly.share() >= 0.99);
  BOOST_TEST(found.calm.false_records + found.deadly.false_records == 0U);
  BOOST_TEST(found.puts_failed == 0U);
  BOOST_TEST(found.mean_hops <= found.hops_allowed);
  BOOST_TEST(found.requests_per_put < 45);
  BOOST_TEST(found.calm.requests_per_read < 15);
}

BOOST_AUTO_TEST_CASE(a_record_lies_at_the_nodes_that_are_nearest_of_all) {
  experiments::dht_simulation_options options;
  options.path.latency = 10ms;
  experiments::dht_simulation s{options};
  s.grow(150, 50ms);
  s.world().run_for(10s);
  size_t there = 0;
  for (size_t i = 0; i < 10; ++i) {
    const auto key = key_of("k" + std::to_string(i));
    BOOST_TEST_REQUIRE(s.wait(s.put(i, {key, "", "v", 1h})));
    s.world().run_for(1s);
    for (const auto n : nearest(150, key, 20)) {
      wire::builder<schemas::DhtFindValue> message;
      message->initSender();
      message->setKey({key.bytes.data(), key.bytes.size()});
      const auto answer = s.ask<wire::dht_values>(n, message.finish());
      BOOST_TEST_REQUIRE(s.wait(answer));
      const auto body = answer->value->read();
      there += body->getRecords().size();
    }
  }
  // 200 if every node knew every other.
  BOOST_TEST(there >= 198U);
}

BOOST_AUTO_TEST_CASE(steady_churn_loses_nothing) {
  experiments::dht_simulation_options options;
  options.path.latency = 10ms;
  options.tune = [](size_t, node_options& made) { made.times.replicate_every = 60s; };
  experiments::dht_simulation s{options};
  s.grow(40, 50ms);
  s.world().run_for(10s);
  for (size_t i = 0; i < 30; ++i)
    BOOST_TEST_REQUIRE(s.wait(s.put(i, {key_of("k" + std::to_string(i)), "", "v", 10h})));
  splitmix64 random{4};
  std::vector<size_t> living(40);
  for (size_t n = 0; n < 40; ++n)
    living[n] = n;
  // In a quarter of an hour nearly everybody is replaced, owners included.
  for (int round = 0; round < 90; ++round) {
    const auto victim = random.below(living.size());
    s.kill(living[victim]);
    living.erase(living.begin() + static_cast<std::ptrdiff_t>(victim));
    living.push_back(s.add_node({living[0], living[1], living[2]}));
    s.world().run_for(10s);
  }
  size_t found = 0;
  for (size_t i = 0; i < 30; ++i) {
    const auto answer =
        s.get(living[random.below(living.size())], {key_of("k" + std::to_string(i))});
    if (s.wait(answer)) found += answer->value->records.size();
  }
  BOOST_TEST(found == 30U);
}
