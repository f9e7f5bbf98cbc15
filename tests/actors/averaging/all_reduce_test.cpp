#include "actors/averaging/all_reduce.hpp"

#include <boost/test/unit_test.hpp>
#include <cstring>

#include "tests/actors/averaging/all_reduce_world.hpp"

// The laws of the all-reduce, over random groups, orders of delivery, losses and deaths.

namespace {

using namespace swarm;
using namespace swarm::averaging;

world_options random_options(std::mt19937_64& random) {
  world_options options;
  options.members = 2 + random() % 11;
  options.followers = random() % 3;
  options.parts = 1 + random() % 30;
  if (random() % 2 == 0)
    for (size_t i = 0; i < options.members; ++i)
      options.bandwidths.push_back(static_cast<uint32_t>(random() % 5));
  if (random() % 3 != 0) {
    options.loses = 0.1 * static_cast<double>(random() % 4);
    options.repeats = 0.1 * static_cast<double>(random() % 4);
  }
  options.limits.in_flight_parts_max = 1 + random() % 8;
  options.limits.in_flight_parts_min = 1 + random() % 2;
  options.limits.window_bytes_min = random() % 2 == 0 ? 0 : size_t{1} << 20;
  options.limits.in_flight_bytes_max = microbatches * 8 * (1 + random() % 40);
  return options;
}

struct tally {
  size_t deaths = 0;
  size_t mistaken = 0;  ///< lost, but alive
  size_t after_the_end = 0;
  size_t late = 0;
};

/// One run: everything that may happen happens in an order that the seed chooses.
template <class T>
void run_with_deaths(all_reduce_world<T>& world, size_t deaths, tally& seen) {
  auto& random = world.random;
  size_t events = 0;
  std::vector<size_t> unnoticed;
  const size_t n = world.machines.size();
  const size_t calm = random() % 1000;
  while (events < 4000 && (events < 50 || !world.all_done() || deaths > 0)) {
    ++events;
    const auto dice = random() % 100;
    if (dice < 3) {
      world.open(random() % n);
    } else if (dice < 5 && deaths > 0 && events > calm) {
      const auto alive = world.survivors();
      if (alive.size() < 3) {
        deaths = 0;
        continue;
      }
      const size_t victim = alive[random() % alive.size()];
      --deaths;
      ++seen.deaths;
      seen.after_the_end += world.machines[victim].done() ? 1 : 0;
      // Some only count as dead: they go on until they hear of it.
      if (random() % 3 == 0) {
        ++seen.mistaken;
        world.lose(victim);
      } else {
        world.dead[victim] = true;
        unnoticed.push_back(victim);
      }
    } else if (dice < 12 && !unnoticed.empty()) {
      world.lose(unnoticed.back());
      unnoticed.pop_back();
    } else if (dice < 20) {
      world.tell(random() % n);
    } else if (dice < 24 && world.helpers_work()) {
      world.help();
    } else if (dice < 30) {
      world.pass_time(0.4 * static_cast<double>(random() % 10));
    } else if (!world.idle()) {
      world.deliver_one();
    }
  }
  for (const size_t victim : unnoticed)
    world.lose(victim);
  world.finish();
  seen.late += world.late;
}

template <class T>
void check_equal_hashes(const all_reduce_world<T>& world) {
  std::optional<result_hash> hash;
  for (size_t i = 0; i < world.machines.size(); ++i) {
    if (world.dead[i] || world.lost(i)) continue;
    BOOST_REQUIRE(world.machines[i].done());
    if (!hash) hash = world.machines[i].hash();
    BOOST_TEST((world.machines[i].hash() == *hash));
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_part_of_every_survivor_has_each_microbatch_exactly_once) {
  tally seen;
  for (uint64_t seed = 0; seed < 1500; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      std::mt19937_64 random(seed);
      const auto options = random_options(random);
      all_reduce_world<int64_t> world(options, seed);
      run_with_deaths(world, random() % 4, seen);
      BOOST_REQUIRE(world.all_done());
      check_equal_hashes(world);
      for (size_t i = 0; i < world.machines.size(); ++i) {
        if (world.dead[i] || world.lost(i)) continue;
        const auto* sum = world.machines[i].result().get();
        size_t wrong = 0;
        for (size_t e = 0; e < world.elements(); ++e)
          wrong += sum[e] != static_cast<int64_t>(e + 1) ? 1 : 0;
        BOOST_REQUIRE_MESSAGE(wrong == 0, wrong << " elements at member " << i);
      }
    }
  }
  // All that is guarded against did happen.
  BOOST_TEST(seen.deaths > 1000U);
  BOOST_TEST(seen.mistaken > 200U);
  BOOST_TEST(seen.after_the_end > 20U);
  BOOST_TEST(seen.late > 1000U);
}

BOOST_AUTO_TEST_CASE(float_sums_have_the_same_bits_at_every_survivor) {
  tally seen;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      std::mt19937_64 random(seed);
      all_reduce_world<float> world(random_options(random), seed);
      run_with_deaths(world, random() % 4, seen);
      check_equal_hashes(world);
      const auto who = world.survivors();
      for (const size_t i : who)
        BOOST_TEST(std::memcmp(world.machines[i].result().get(),
                               world.machines[who[0]].result().get(),
                               world.elements() * sizeof(float)) == 0);
    }
  }
}

BOOST_AUTO_TEST_CASE(the_order_of_a_float_sum_shows_in_these_vectors) {
  std::set<std::pair<uint64_t, uint64_t>> hashes;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    world_options options;
    options.members = 6;
    all_reduce_world<float> world(options, 7);
    world.random.seed(seed);
    world.finish();
    hashes.insert({world.machines[0].hash().high, world.machines[0].hash().low});
  }
  BOOST_TEST(hashes.size() > 1U);
}

BOOST_AUTO_TEST_CASE(without_deaths_every_contribution_and_every_sum_crosses_once) {
  for (size_t members = 2; members <= 12; ++members) {
    for (uint64_t seed = 0; seed < 10; ++seed) {
      world_options options;
      options.members = members;
      options.parts = static_cast<uint32_t>(members * 5);
      all_reduce_world<int64_t> world(options, seed);
      world.finish();
      BOOST_REQUIRE(world.all_done());
      const size_t vector = world.elements() * sizeof(int64_t);
      for (const size_t received : world.received_bytes)
        BOOST_TEST(received == 2 * (members - 1) * vector / members);
    }
  }
}

/// What a death costs: the lost member's parts are collected and served again, its own vector comes
/// from two helpers instead, and what was on its way is for nothing.
BOOST_AUTO_TEST_CASE(a_death_costs_a_share_of_the_traffic_and_not_the_whole) {
  for (size_t members = 3; members <= 12; ++members) {
    for (uint64_t seed = 0; seed < 40; ++seed) {
      BOOST_TEST_CONTEXT(members << " members, seed " << seed) {
        world_options options;
        options.members = members;
        options.parts = static_cast<uint32_t>(members * 10);
        all_reduce_world<int64_t> world(options, seed);
        world.open_all();
        const size_t until = world.random() % (2 * members * options.parts);
        for (size_t i = 0; i < until && !world.idle(); ++i)
          world.deliver_one();
        const size_t victim = world.random() % members;
        world.dead[victim] = true;
        world.lose(victim);
        world.finish();
        BOOST_REQUIRE(world.all_done());
        const size_t vector = world.elements() * sizeof(int64_t);
        BOOST_TEST(world.sent_bytes <= (2 * (members - 1) + 2 + 2) * vector);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_repeated_or_lower_revision_sends_nothing) {
  world_options options;
  options.members = 4;
  all_reduce_world<int64_t> world(options, 1);
  world.open_all();
  world.lose(2);
  world.dead[2] = true;
  world.tell_all();
  const size_t sent = world.sent_bytes;
  for (const size_t i : world.survivors()) {
    for (const uint32_t revision : {0U, 1U}) {
      const auto again = world.machines[i].revise(revision, world.losses, 0);
      BOOST_TEST(again.late);
      BOOST_TEST(again.ask.empty());
      BOOST_TEST(again.send.empty());
    }
  }
  BOOST_TEST(world.sent_bytes == sent);
  world.finish();
  check_equal_hashes(world);
}

BOOST_AUTO_TEST_CASE(a_dead_member_does_not_stall_what_the_others_contribute) {
  world_options options;
  options.members = 4;
  options.parts = 40;
  all_reduce_world<int64_t> world(options, 3);
  world.dead[1] = true;
  world.open_all();
  while (!world.idle())
    world.deliver_one();
  // Each of the three others has what the other two have of its parts.
  const size_t vector = world.elements() * sizeof(int64_t);
  BOOST_TEST(world.sent_bytes == 3 * 2 * vector / 4);
}

/// What is on its way to a member shares its line, and so all of it comes at once.
void run_over_slow_lines(all_reduce_world<int64_t>& world, double seconds_per_part) {
  constexpr double tick_s = 0.5;
  constexpr double way_s = 0.03;
  world.open_all();
  while (!world.idle()) {
    const size_t round = world.on_their_way();
    const double takes_s = seconds_per_part * static_cast<double>(world.parts_on_their_way()) /
                           static_cast<double>(world.machines.size());
    for (double left = way_s + takes_s; left > 0; left -= tick_s)
      world.pass_time(std::min(left, tick_s));
    for (size_t i = 0; i < round; ++i)
      world.deliver_one();
  }
}

BOOST_AUTO_TEST_CASE(over_slow_lines_nothing_is_sent_twice_once_they_are_known) {
  world_options options;
  options.members = 9;
  options.parts = 9 * 24;
  options.in_order = true;
  options.limits.window_bytes_min = 0;
  options.limits.in_flight_parts_max = 2;
  for (const double seconds_per_part : {0.02, 0.3, 1.0, 4.0}) {
    all_reduce_world<int64_t> first(options, 7);
    run_over_slow_lines(first, seconds_per_part);
    BOOST_REQUIRE(first.all_done());
    const size_t planned = 2 * (options.members - 1) * first.elements() * sizeof(int64_t);
    // Nothing is known of the lines yet, so first questions are asked again.
    BOOST_TEST(first.sent_bytes <= planned + planned / 2);
    all_reduce_world<int64_t> second(options, 8);
    second.now = first.now;
    for (auto& machine : second.machines)
      machine.know_line(first.machines.front().line());
    run_over_slow_lines(second, seconds_per_part);
    BOOST_REQUIRE(second.all_done());
    BOOST_TEST(second.sent_bytes == planned);
  }
}

BOOST_AUTO_TEST_CASE(the_local_vector_is_given_back_when_the_result_is_here) {
  const auto plan = reduce_plan::make({{worker(0)}, {worker(1)}}, 48, 24).value();
  const auto own = std::make_shared<std::vector<int64_t>>(48, 1);
  std::shared_ptr<int64_t> result(new int64_t[48], std::default_delete<int64_t[]>());
  auto machine = all_reduce<int64_t>::make(
                     plan, worker(0), std::shared_ptr<const int64_t>(own, own->data()), 48, result)
                     .value();
  machine.open(0);
  BOOST_TEST(own.use_count() == 2);
  machine.on_part({worker(1), 0, false, {true, {}}, own->data(), 24}, 0);
  machine.on_part({worker(1), 1, true, {}, own->data(), 24}, 0);
  BOOST_TEST(machine.done());
  BOOST_TEST(own.use_count() == 1);
}

BOOST_AUTO_TEST_CASE(an_integer_sum_wraps) {
  const auto plan = reduce_plan::make({{worker(0)}, {worker(1)}}, 1, 1).value();
  const auto most = std::make_shared<int64_t>(std::numeric_limits<int64_t>::max());
  auto machine = all_reduce<int64_t>::make(plan, plan.members()[plan.owner(0)].id, most, 1,
                                           std::shared_ptr<int64_t>(new int64_t))
                     .value();
  machine.open(0);
  const int64_t one = 1;
  machine.on_part({worker(1 - plan.owner(0)), 0, false, {true, {}}, &one, 1}, 0);
  BOOST_TEST(machine.done());
  BOOST_TEST(*machine.result() == std::numeric_limits<int64_t>::min());
}
