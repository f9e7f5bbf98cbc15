#include "actors/simulation/network_model.hpp"

#include <boost/test/unit_test.hpp>
#include <vector>

namespace {

using namespace swarm;
using namespace swarm::simulation;
using namespace std::chrono_literals;

constexpr host_id a{1};
constexpr host_id b{2};
constexpr host_id c{3};

network_model three_hosts(const path_conditions& conditions = {}, uint64_t seed = 1) {
  network_model net{seed};
  for (const host_id h : {a, b, c})
    net.add_host(h);
  net.set_default(conditions);
  return net;
}

path_conditions latency_of(moment latency) {
  path_conditions p;
  p.latency = latency;
  return p;
}

/// Arrival times of so many messages, all sent at time 0; lost ones are left out.
std::vector<moment> arrivals(network_model& net, int messages) {
  std::vector<moment> result;
  for (int i = 0; i < messages; ++i) {
    const auto t = net.send(moment{0}, a, b, 100);
    for (size_t copy = 0; copy < t.copies; ++copy)
      result.push_back(t.arrivals[copy]);
  }
  return result;
}

bool gets_through(network_model& net, moment sent, host_id from, host_id to) {
  const auto t = net.send(sent, from, to, 1);
  return t.copies > 0 && net.arrives(t.arrivals[0], from, to, sent);
}

}  // namespace

BOOST_AUTO_TEST_CASE(equal_seeds_decide_equally) {
  path_conditions rough = latency_of(20ms);
  rough.jitter = 5ms;
  rough.tail = 0.05;
  rough.loss = rough.duplication = rough.corruption = rough.truncation = rough.reordering = 0.1;
  rough.reorder_window = 30ms;
  auto one = three_hosts(rough, 7);
  auto two = three_hosts(rough, 7);
  auto other = three_hosts(rough, 8);
  const auto first = arrivals(one, 1'000);
  BOOST_TEST((first == arrivals(two, 1'000)));
  BOOST_TEST((first != arrivals(other, 1'000)));
}

BOOST_AUTO_TEST_CASE(latency_is_the_paths_and_both_hosts) {
  auto net = three_hosts(latency_of(10ms));
  net.set_host(a, {3ms, 0, 0});
  net.set_host(b, {4ms, 0, 0});
  BOOST_TEST((net.latency(a, b) == 17ms));
  BOOST_TEST((net.send(1s, a, b, 1).arrivals[0] == 1017ms));
  net.set_path(a, b, latency_of(1s));
  BOOST_TEST((net.latency(a, b) == 1007ms));
  BOOST_TEST((net.latency(b, a) == 17ms));
  net.clear_path(a, b);
  BOOST_TEST((net.latency(a, b) == 17ms));
}

BOOST_AUTO_TEST_CASE(the_tail_is_heavy_and_bounded) {
  auto conditions = latency_of(10ms);
  conditions.tail = 0.2;
  conditions.tail_max = 2s;
  int far = 0;
  moment longest{0};
  auto net = three_hosts(conditions);
  for (int i = 0; i < 20'000; ++i) {
    const auto sent = moment{1h} * i;
    const auto took = net.send(sent, a, b, 1).arrivals[0] - sent;
    far += took > 50ms;
    longest = std::max(longest, took);
  }
  // P(stretch > 5) = 1/25 of the fifth that is in the tail.
  BOOST_TEST(far > 80);
  BOOST_TEST(far < 260);
  BOOST_TEST((longest > 300ms));
  BOOST_TEST((longest <= 2s));
  BOOST_TEST(net.count(network_fault::delayed) > 3'500U);
}

BOOST_AUTO_TEST_CASE(messages_keep_their_order_unless_reordering_lets_them_go) {
  auto conditions = latency_of(10ms);
  conditions.jitter = 40ms;
  auto net = three_hosts(conditions);
  auto times = arrivals(net, 500);
  BOOST_TEST(std::is_sorted(times.begin(), times.end()));
  conditions.reordering = 0.3;
  conditions.reorder_window = 100ms;
  net.set_default(conditions);
  times = arrivals(net, 500);
  BOOST_TEST(!std::is_sorted(times.begin(), times.end()));
  BOOST_TEST(net.count(network_fault::reordered) > 100U);
}

BOOST_AUTO_TEST_CASE(rates_are_kept_and_counted) {
  path_conditions conditions;
  conditions.loss = 0.1;
  conditions.duplication = 0.2;
  conditions.corruption = 0.05;
  conditions.truncation = 0.05;
  auto net = three_hosts(conditions);
  uint64_t copies = 0;
  uint64_t corrupt = 0;
  uint64_t cut_short = 0;
  for (int i = 0; i < 10'000; ++i) {
    const auto t = net.send(moment{i}, a, b, 1);
    copies += t.copies;
    corrupt += t.harm == frame_damage::corrupt;
    cut_short += t.harm == frame_damage::truncate;
  }
  const auto lost = net.count(network_fault::lost);
  const auto doubled = net.count(network_fault::duplicated);
  BOOST_TEST(lost > 850U);
  BOOST_TEST(lost < 1'150U);
  BOOST_TEST(doubled > 1'600U);
  BOOST_TEST(doubled < 2'000U);
  BOOST_TEST(copies == 10'000 - lost + doubled);
  BOOST_TEST(corrupt == net.count(network_fault::corrupted));
  BOOST_TEST(cut_short == net.count(network_fault::truncated));
  BOOST_TEST(corrupt > 350U);
  BOOST_TEST(cut_short > 350U);
  BOOST_TEST(net.messages() == 10'000U);
}

BOOST_AUTO_TEST_CASE(lines_take_time_for_bytes_and_are_shared) {
  auto net = three_hosts();
  net.set_host(a, {0ms, 1'000, 0});
  BOOST_TEST((net.send(moment{0}, a, b, 500).arrivals[0] == 500ms));
  BOOST_TEST((net.send(moment{0}, a, c, 500).arrivals[0] == 1s));
  // Idle in between.
  BOOST_TEST((net.send(10s, a, b, 1'000).arrivals[0] == 11s));
  // The receiver's line is shared by its senders, and does not queue up what is far away.
  net.set_host(c, {0ms, 0, 1'000});
  net.set_path(b, c, latency_of(30s));
  BOOST_TEST((net.send(20s, b, c, 1'000).arrivals[0] == 50s));
  net.set_host(a, {});
  BOOST_TEST((net.send(20s, a, c, 1'000).arrivals[0] == 22s));
  // The way back is another line.
  BOOST_TEST((net.send(20s, c, a, 1'000).arrivals[0] == 20s));
}

BOOST_AUTO_TEST_CASE(small_messages_overtake_large_ones_and_keep_their_own_order) {
  auto net = three_hosts();
  net.set_control_bytes_max(100);
  net.set_host(a, {0ms, 1'000, 0});
  BOOST_TEST((net.send(0s, a, b, 10'000).arrivals[0] == 10s));
  BOOST_TEST((net.send(1s, a, b, 100).arrivals[0] == 1100ms));
  BOOST_TEST((net.send(1s, a, c, 100).arrivals[0] == 1200ms));
  // They take their place on the line, so what is large comes later.
  BOOST_TEST((net.send(2s, a, b, 10'000).arrivals[0] == 20'200ms));
  BOOST_TEST((net.send(30s, a, b, 100).arrivals[0] == 30'100ms));
}

BOOST_AUTO_TEST_CASE(too_much_for_one_connection_breaks_it_and_loses_what_is_on_it) {
  auto net = three_hosts();
  net.set_queue_bytes_max(10'000);
  net.set_host(a, {0ms, 1'000, 0});
  BOOST_TEST((net.send(0s, a, b, 9'000).arrivals[0] == 9s));
  BOOST_TEST((net.send(0s, a, c, 9'000).copies == 1U));
  BOOST_TEST((net.send(1s, b, a, 100).copies == 1U));
  const auto last = net.send(1s, a, b, 9'000);
  BOOST_TEST(last.breaks);
  BOOST_TEST(last.copies == 0U);
  BOOST_TEST(!net.arrives(9s, a, b, 0s));
  BOOST_TEST(!net.arrives(1s, b, a, 1s));
  // Others are not concerned, and have the line for themselves.
  BOOST_TEST(net.arrives(18s, a, c, 0s));
  BOOST_TEST((net.send(1s, a, c, 500).arrivals[0] == 18s));
  // A new connection begins with nothing on it.
  BOOST_TEST((net.send(20s, a, b, 1'000).arrivals[0] == 21s));
  BOOST_TEST(net.arrives(21s, a, b, 20s));
}

BOOST_AUTO_TEST_CASE(a_clogged_path_delays_and_then_catches_up) {
  auto net = three_hosts(latency_of(10ms));
  auto clog = latency_of(8s);
  clog.bytes_per_s = 100;
  net.set_path(a, b, clog);
  BOOST_TEST((net.send(moment{0}, a, b, 100).arrivals[0] == 9s));
  BOOST_TEST((net.send(moment{0}, a, b, 100).arrivals[0] == 10s));
  BOOST_TEST(net.count(network_fault::delayed) == 2U);
  net.clear_path(a, b);
  // Behind what is still on the way, and from then on as before.
  BOOST_TEST((net.send(2s, a, b, 100).arrivals[0] == 10s));
  BOOST_TEST((net.send(20s, a, b, 100).arrivals[0] == 20s + 10ms));
}

BOOST_AUTO_TEST_CASE(a_symmetric_partition_cuts_groups_and_what_is_on_the_way) {
  auto net = three_hosts(latency_of(100ms));
  const auto before = net.send(moment{0}, a, b, 1);
  const auto cut = net.begin_partition(50ms, {{0, 1, 0, 0}});
  BOOST_TEST(!net.arrives(before.arrivals[0], a, b, moment{0}));
  BOOST_TEST(!gets_through(net, 60ms, a, b));
  BOOST_TEST(!gets_through(net, 60ms, c, a));
  BOOST_TEST(gets_through(net, 60ms, b, c));
  BOOST_TEST(!net.connected(60ms, a, b));
  net.heal(70ms, cut);
  // It was on its way when the cut came, though that is over now.
  const auto count = net.count(network_fault::cut);
  BOOST_TEST(!net.arrives(before.arrivals[0], a, b, moment{0}));
  BOOST_TEST(net.count(network_fault::cut) == count + 1);
  BOOST_TEST(gets_through(net, 70ms, a, b));
  BOOST_TEST(net.connected(70ms, a, b));
}

BOOST_AUTO_TEST_CASE(a_one_way_partition_silences_the_higher_group) {
  auto net = three_hosts();
  net.begin_partition(0ms, {{0, 1, 0, 0}, cut_kind::one_way});
  BOOST_TEST(!gets_through(net, 1s, a, b));
  BOOST_TEST(gets_through(net, 1s, b, a));
}

BOOST_AUTO_TEST_CASE(a_flapping_partition_comes_and_goes) {
  auto net = three_hosts(latency_of(100ms));
  net.begin_partition(10s, {{0, 1, 0, 0}, cut_kind::symmetric, 2s});
  std::vector<bool> seen;
  for (const auto at : {10s, 11s, 12s, 13s})
    seen.push_back(gets_through(net, at + 500ms, a, b));
  BOOST_TEST((seen == std::vector<bool>{false, true, false, true}));
  // On the way over the next cut.
  BOOST_TEST(gets_through(net, 15s + 850ms, a, b));
  BOOST_TEST(!gets_through(net, 15s + 950ms, a, b));
  net.heal_all(18s);
  BOOST_TEST(gets_through(net, 18s + 500ms, a, b));
}

BOOST_AUTO_TEST_CASE(a_blocked_path_is_half_open) {
  auto net = three_hosts(latency_of(100ms));
  net.block(1s, b, a);
  BOOST_TEST(gets_through(net, 1s, a, b));
  BOOST_TEST(!gets_through(net, 1s, b, a));
  BOOST_TEST(!net.arrives(1s, b, a, 950ms));
  net.unblock(2s, b, a);
  BOOST_TEST(gets_through(net, 2s, b, a));
  BOOST_TEST(!net.arrives(2s, b, a, 1950ms));
}

BOOST_AUTO_TEST_CASE(partitions_are_forgotten_when_they_cannot_matter_any_more) {
  auto net = three_hosts(latency_of(10ms));
  for (int i = 0; i < 1'000; ++i) {
    const auto now = moment{1s} * i;
    net.send(now, a, b, 1);
    net.heal(now + 1ms, net.begin_partition(now, {{0, 1, 0, 0}}));
  }
  const auto before = net.work();
  net.send(2h, a, b, 1);
  BOOST_TEST(net.work() - before < 10U);
}

BOOST_AUTO_TEST_CASE(a_new_life_does_not_wait_for_the_old_ones_messages) {
  auto net = three_hosts(latency_of(10ms));
  auto clog = latency_of(1h);
  net.set_path(a, b, clog);
  net.send(moment{0}, a, b, 1);
  net.clear_path(a, b);
  net.close(b);
  BOOST_TEST(net.closed(b) == 1U);
  BOOST_TEST((net.send(1s, a, b, 1).arrivals[0] == 1010ms));
}

BOOST_AUTO_TEST_CASE(a_message_costs_the_same_with_500_hosts) {
  path_conditions rough = latency_of(20ms);
  rough.jitter = 5ms;
  rough.loss = 0.01;
  std::vector<double> work;
  for (const uint32_t hosts : {4U, 500U}) {
    network_model net{1};
    net.set_default(rough);
    for (uint32_t h = 1; h <= hosts; ++h)
      net.add_host(host_id{h}, {1ms, 1e8, 1e8});
    for (uint32_t i = 0; i < 10'000; ++i) {
      const host_id from{1 + i % hosts};
      const host_id to{1 + (i * 7 + 1) % hosts};
      const auto t = net.send(moment{i}, from, to, 100);
      if (t.copies > 0) net.arrives(t.arrivals[0], from, to, moment{i});
    }
    work.push_back(static_cast<double>(net.work()) / 10'000);
  }
  BOOST_TEST(work[1] <= work[0]);
}
