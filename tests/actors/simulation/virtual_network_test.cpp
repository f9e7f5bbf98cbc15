#include "actors/simulation/virtual_network.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "actors/wire/messages.hpp"
#include "actors/wire/tensor.hpp"

namespace {

using namespace swarm;
using namespace swarm::simulation;
using namespace std::chrono_literals;

using ping_atom = caf::atom_constant<caf::atom("ping")>;
using play_atom = caf::atom_constant<caf::atom("play")>;

constexpr moment reply_timeout{10s};

/// Host b answers pings, host a sends them.
struct table {
  explicit table(const path_conditions& conditions = {}, uint64_t seed = 1)
      : w(seed, wire::add_message_types), net(w, seed) {
    for (int i = 0; i < 3; ++i)
      net.add_host(w.add_host());
    net.model().set_default(conditions);
    ponger = start_ponger(b);
    pinger = w.in_host(a, [&] { return w.system().spawn(pinging(), this); });
    to_ponger = net.connect(a, b, ponger);
  }

  caf::actor start_ponger(host_id where) {
    return w.in_host(where, [&] {
      return w.system().spawn([this](caf::event_based_actor*) -> caf::behavior {
        return {[this](ping_atom, int n) {
                  executed.push_back(n);
                  return n;
                },
                [this](const wire::forward& m) { faulty += m.fault().has_value(); },
                [](const wire::part&) {}, [](const wire::state_chunk&) {}};
      });
    });
  }

  using behavior_of = std::function<caf::behavior(caf::event_based_actor*, table*)>;
  static behavior_of pinging() {
    return [](caf::event_based_actor* self, table* t) -> caf::behavior {
      return {[=](play_atom, int n) {
        self->request(t->to_ponger, reply_timeout, ping_atom::value, n)
            .then(
                [=](int answer) {
                  BOOST_TEST(answer == n);
                  t->answered.push_back(n);
                  t->answered_at.push_back(t->w.now());
                },
                [=](const caf::error&) { t->failed.push_back(n); });
      }};
    };
  }

  void ping(int n) { caf::anon_send(pinger, play_atom::value, n); }

  /// So many, one per millisecond.
  void play(int pings) {
    for (int n = 0; n < pings; ++n) {
      ping(n);
      w.run_for(1ms);
    }
    w.run_for(1min);
  }

  static constexpr host_id a{1};
  static constexpr host_id b{2};
  world w;
  virtual_network net;
  caf::actor ponger;
  caf::actor pinger;
  caf::actor to_ponger;
  std::vector<int> executed;
  std::vector<int> answered;
  std::vector<moment> answered_at;
  std::vector<int> failed;
  int faulty = 0;
};

path_conditions latency_of(moment latency) {
  path_conditions p;
  p.latency = latency;
  return p;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_request_and_its_answer_take_the_latency_each) {
  table t{latency_of(30ms)};
  t.ping(1);
  t.w.run_until(1s);
  BOOST_TEST_REQUIRE(t.answered_at.size() == 1U);
  BOOST_TEST((t.answered_at[0] == 60ms));
  BOOST_TEST(t.net.model().messages() == 2U);
}

BOOST_AUTO_TEST_CASE(equal_seeds_give_equal_hashes_under_every_condition) {
  auto rough = latency_of(20ms);
  rough.jitter = 15ms;
  rough.tail = rough.loss = rough.duplication = rough.reordering = 0.05;
  rough.reorder_window = 50ms;
  rough.corruption = rough.truncation = 0.02;
  const auto run = [&](uint64_t seed) {
    table t{rough, seed};
    t.play(300);
    BOOST_TEST(t.answered.size() + t.failed.size() == 300U);
    return t.w.hash();
  };
  BOOST_TEST(run(1) == run(1));
  BOOST_TEST(run(1) != run(2));
}

BOOST_AUTO_TEST_CASE(lost_messages_fail_requests_by_their_timeout) {
  auto lossy = latency_of(5ms);
  lossy.loss = 0.1;
  table t{lossy};
  t.play(1'000);
  const auto lost = t.net.model().count(network_fault::lost);
  BOOST_TEST(lost > 100U);
  BOOST_TEST(t.failed.size() == lost);
  BOOST_TEST(t.answered.size() == 1'000 - lost);
  // Requests that were lost, not answers.
  BOOST_TEST(t.executed.size() < 1'000U);
  BOOST_TEST(t.executed.size() > t.answered.size());
}

BOOST_AUTO_TEST_CASE(duplicates_execute_twice_and_answer_once) {
  auto doubling = latency_of(5ms);
  doubling.duplication = 0.5;
  table t{doubling};
  t.play(200);
  BOOST_TEST(t.executed.size() > 250U);
  BOOST_TEST(t.answered.size() == 200U);
  BOOST_TEST(t.failed.empty());
}

BOOST_AUTO_TEST_CASE(order_is_kept_unless_reordering_is_on) {
  auto conditions = latency_of(20ms);
  conditions.jitter = 20ms;
  table orderly{conditions};
  orderly.play(200);
  BOOST_TEST(std::is_sorted(orderly.executed.begin(), orderly.executed.end()));
  BOOST_TEST(std::is_sorted(orderly.answered.begin(), orderly.answered.end()));
  conditions.reordering = 0.3;
  conditions.reorder_window = 50ms;
  table wild{conditions};
  wild.play(200);
  BOOST_TEST(!std::is_sorted(wild.executed.begin(), wild.executed.end()));
  BOOST_TEST(wild.answered.size() == 200U);
}

BOOST_AUTO_TEST_CASE(messages_without_latency_keep_their_order_too) {
  table t;
  for (int n = 0; n < 100; ++n)
    caf::anon_send(t.to_ponger, ping_atom::value, n);
  t.w.run_until(1s);
  BOOST_TEST(t.executed.size() == 100U);
  BOOST_TEST(std::is_sorted(t.executed.begin(), t.executed.end()));
}

BOOST_AUTO_TEST_CASE(damaged_frames_arrive_with_a_fault) {
  path_conditions bad;
  bad.corruption = 0.5;
  bad.truncation = 0.5;
  table t{bad};
  for (int n = 0; n < 100; ++n) {
    wire::builder<schemas::Forward> message;
    wire::attach(message, message->initInput(),
                 tensors::host_tensor::adopt(std::vector<float>(16), {4, 4}));
    caf::anon_send(t.to_ponger, message.finish());
  }
  t.w.run_until(1s);
  const auto harmed =
      t.net.model().count(network_fault::corrupted) + t.net.model().count(network_fault::truncated);
  BOOST_TEST(harmed > 60U);
  BOOST_TEST(t.faulty == static_cast<int>(harmed));
}

BOOST_AUTO_TEST_CASE(a_virtual_tensor_takes_the_time_of_its_bytes) {
  table t;
  t.net.model().set_host(table::a, {0ms, 1e6, 0});
  wire::builder<schemas::Forward> message;
  wire::attach(message, message->initInput(),
               tensors::host_tensor::modelled(tensors::dtype::f32, {1'000, 1'000}));
  caf::anon_send(t.to_ponger, message.finish());
  t.w.run_until(3900ms);
  t.ping(1);
  t.w.run_until(10s);
  BOOST_TEST_REQUIRE(t.answered_at.size() == 1U);
  // Behind the 4 MB on the line.
  BOOST_TEST((t.answered_at[0] > 4s));
  BOOST_TEST((t.answered_at[0] < 4100ms));
}

BOOST_AUTO_TEST_CASE(sums_and_states_take_the_time_of_the_bytes_that_they_stand_for) {
  table t;
  t.net.set_scale({1'000, 500});
  t.net.model().set_host(table::a, {0ms, 1e6, 0});
  wire::builder<schemas::Part> part;
  wire::attach(part, part->initValues(),
               tensors::host_tensor::adopt(std::vector<int64_t>(250), {250}));
  caf::anon_send(t.to_ponger, part.finish());
  const std::vector<kj::byte> bytes(1'000);
  wire::builder<schemas::StateChunk> chunk;
  chunk->setBytes(capnp::Data::Reader(bytes.data(), bytes.size()));
  caf::anon_send(t.to_ponger, chunk.finish());
  t.ping(1);
  t.w.run_until(10s);
  const auto sent = [&](cargo of) { return static_cast<double>(t.net.sent_bytes(table::a, of)); };
  BOOST_TEST(sent(cargo::sums) == 2e6, boost::test_tools::tolerance(1e-3));
  BOOST_TEST(sent(cargo::states) == 5e5, boost::test_tools::tolerance(1e-3));
  BOOST_TEST(sent(cargo::orders) == static_cast<double>(small_message_bytes));
  BOOST_TEST_REQUIRE(t.answered_at.size() == 1U);
  BOOST_TEST((t.answered_at[0] > 2500ms));
  BOOST_TEST((t.answered_at[0] < 2600ms));
}

/// Whoever joins is still sent the last one's sums then.
BOOST_AUTO_TEST_CASE(an_all_reduce_begins_with_a_contribution) {
  table t;
  const auto send = [&t](bool reduced) {
    wire::builder<schemas::Part> part;
    part->setReduced(reduced);
    wire::attach(part, part->initValues(),
                 tensors::host_tensor::adopt(std::vector<int64_t>(4), {4}));
    caf::anon_send(t.to_ponger, part.finish());
  };
  send(true);
  t.w.run_until(1s);
  BOOST_TEST(!t.net.first_contribution().has_value());
  send(false);
  t.w.run_until(2s);
  send(false);
  t.w.run_until(3s);
  BOOST_TEST((t.net.first_contribution() == moment{1s}));
  t.net.forget_first_contribution();
  BOOST_TEST(!t.net.first_contribution().has_value());
}

BOOST_AUTO_TEST_CASE(a_partition_cuts_what_is_on_the_way_and_heals) {
  table t{latency_of(100ms)};
  t.ping(1);
  t.w.run_until(50ms);
  const auto cut = t.net.begin_partition({{0, 1, 0}});
  t.w.run_until(60ms);
  t.net.heal(cut);
  t.w.run_until(1s);
  BOOST_TEST(t.executed.empty());
  t.ping(2);
  t.w.run_until(2s);
  BOOST_TEST((t.answered == std::vector<int>{2}));
  t.net.begin_partition({{0, 1, 0}, cut_kind::symmetric, 4s});
  t.ping(3);
  t.w.run_until(5s);
  t.ping(4);
  t.w.run_until(1min);
  BOOST_TEST((t.answered == std::vector<int>{2, 4}));
  BOOST_TEST((t.failed == std::vector<int>{1, 3}));
}

BOOST_AUTO_TEST_CASE(a_half_open_pair_executes_but_does_not_answer) {
  table t{latency_of(10ms)};
  t.net.block(table::b, table::a);
  BOOST_TEST(t.net.connected(table::a, table::b));
  BOOST_TEST(!t.net.connected(table::b, table::a));
  t.ping(1);
  t.w.run_until(1min);
  BOOST_TEST(t.executed.size() == 1U);
  BOOST_TEST(t.failed.size() == 1U);
  t.net.unblock(table::b, table::a);
  t.ping(2);
  t.w.run_until(2min);
  BOOST_TEST((t.answered == std::vector<int>{2}));
}

BOOST_AUTO_TEST_CASE(a_clogged_path_is_late_and_catches_up) {
  table t{latency_of(10ms)};
  t.net.model().set_path(table::a, table::b, latency_of(5s));
  t.ping(1);
  t.w.run_until(1s);
  t.net.model().clear_path(table::a, table::b);
  t.ping(2);
  t.w.run_until(30s);
  BOOST_TEST((t.answered == std::vector<int>{1, 2}));
  BOOST_TEST((t.answered_at[1] >= 5s));
}

BOOST_AUTO_TEST_CASE(a_frozen_host_answers_late) {
  table t{latency_of(10ms)};
  t.w.freeze(table::b);
  t.ping(1);
  t.w.run_until(3s);
  BOOST_TEST(t.executed.empty());
  t.w.thaw(table::b);
  t.w.run_until(4s);
  BOOST_TEST((t.answered == std::vector<int>{1}));
}

BOOST_AUTO_TEST_CASE(a_killed_host_is_mute_and_its_old_handles_lead_nowhere) {
  table t{latency_of(10ms)};
  t.ping(1);
  t.w.run_until(15ms);
  BOOST_TEST(t.executed.size() == 1U);
  // The answer is on its way.
  t.w.kill(table::b);
  t.w.run_until(1s);
  BOOST_TEST(t.answered.empty());
  const auto reborn = t.start_ponger(table::b);
  t.ping(2);
  t.w.run_until(1min);
  BOOST_TEST((t.failed == std::vector<int>{1, 2}));
  t.to_ponger = t.net.connect(table::a, table::b, reborn);
  t.ping(3);
  t.w.run_until(2min);
  BOOST_TEST((t.answered == std::vector<int>{3}));
  BOOST_TEST(t.net.model().count(network_fault::closed) > 0U);
}

BOOST_AUTO_TEST_CASE(an_actor_that_ended_bounces_requests_across_the_network) {
  table t{latency_of(10ms)};
  caf::anon_send_exit(t.ponger, caf::exit_reason::user_shutdown);
  t.w.settle();
  t.ping(1);
  t.w.run_until(15ms);
  BOOST_TEST(t.failed.empty());
  t.w.run_until(25ms);
  BOOST_TEST(t.failed.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_tap_hears_a_host_until_it_is_killed) {
  table t;
  int heard = 0;
  const auto sink = t.w.system().spawn(
      [&](caf::event_based_actor*) -> caf::behavior { return {[&](int) { ++heard; }}; });
  const auto tap = t.net.tap(table::a, sink);
  caf::anon_send(tap, 1);
  t.w.settle();
  BOOST_TEST(heard == 1);
  t.w.kill(table::a);
  caf::anon_send(tap, 2);
  t.w.settle();
  BOOST_TEST(heard == 1);
}
