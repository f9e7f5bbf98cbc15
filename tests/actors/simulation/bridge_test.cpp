#include "actors/simulation/bridge.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "actors/peer/directory.hpp"

namespace {

using namespace swarm;
using namespace swarm::simulation;
using namespace std::chrono_literals;

using member_ids = std::set<uint64_t>;

/// A host with a directory, a bridge, one member, and somebody who listens to the directory.
struct site {
  host_id id;
  wire::directory_actor directory;
  caf::actor member;
  caf::actor listener;
  std::map<worker_id, wire::member> seen;
  std::map<worker_id, int64_t> announcements;
  std::vector<caf::actor_addr> down;
};

struct town {
  explicit town(uint32_t hosts, const path_conditions& conditions = {}, uint64_t seed = 1,
                const contact_options& options = {})
      : w(seed, wire::add_message_types), net(w, seed), links(w, net, options) {
    net.model().set_default(conditions);
    for (uint32_t i = 0; i < hosts; ++i) {
      sites.push_back(std::make_unique<site>());
      sites.back()->id = w.add_host();
      net.add_host(sites.back()->id);
      start(*sites.back());
    }
  }

  site& at(uint32_t host) { return *sites[host - 1]; }

  void start(site& s) {
    s.seen.clear();
    w.in_host(s.id, [&] {
      s.directory = peer::spawn_directory(w.system());
      s.listener = w.system().spawn([&s](caf::event_based_actor* self) -> caf::behavior {
        self->set_down_handler([&s](const caf::down_msg& m) { s.down.push_back(m.source); });
        return {[&s, self](const wire::roster_update& update) {
          for (const auto& id : update.gone)
            s.seen.erase(id);
          for (const auto& m : update.changed) {
            if (s.seen.count(m.id) == 0) self->monitor(m.handle);
            s.seen[m.id] = m;
            ++s.announcements[m.id];
          }
        }};
      });
      s.member = w.system().spawn(
          [](caf::event_based_actor*) -> caf::behavior { return {[](int n) { return n + 1; }}; });
    });
    caf::anon_send(s.directory, wire::subscribe_atom::value, s.listener);
    links.start(s.id, s.directory);
    announce(s, 1);
  }

  void announce(site& s, int64_t version, uint32_t incarnation = 1) {
    wire::member m;
    m.id = {peer_id{s.id.value()}, incarnation_id{incarnation}};
    m.version = version;
    m.handle = m.averager = s.member;
    caf::anon_send(s.directory, wire::announce_atom::value, m);
  }

  member_ids seen_by(uint32_t host) {
    member_ids result;
    for (const auto& [id, m] : at(host).seen)
      result.insert(id.peer.value());
    return result;
  }

  /// Asks over the handle that `from` has of `to`.
  int ask(uint32_t from, uint32_t to) {
    auto answer = std::make_shared<int>(-1);
    const auto handle = at(from).seen.at({peer_id{to}, incarnation_id{1}}).handle;
    w.in_host(at(from).id, [&] {
      asking = w.system().spawn([=](caf::event_based_actor* self) {
        self->request(handle, std::chrono::seconds{5}, 41)
            .then([=](int n) { *answer = n; }, [=](const caf::error&) { *answer = 0; });
      });
    });
    w.run_for(6s);
    return *answer;
  }

  world w;
  virtual_network net;
  bridges links;
  std::vector<std::unique_ptr<site>> sites;
  caf::actor asking;
};

path_conditions latency_of(moment latency) {
  path_conditions p;
  p.latency = latency;
  return p;
}

}  // namespace

BOOST_AUTO_TEST_CASE(everybody_learns_of_everybody_and_can_talk) {
  town t{4, latency_of(20ms)};
  t.w.run_until(1s);
  for (uint32_t h = 1; h <= 4; ++h)
    BOOST_TEST((t.seen_by(h) == member_ids{1, 2, 3, 4}));
  BOOST_TEST(t.ask(1, 3) == 42);
  // A handle leads over the network, but for one's own.
  BOOST_TEST((t.at(1).seen.begin()->second.handle == t.at(1).member));
  BOOST_TEST((t.at(2).seen.begin()->second.handle != t.at(1).member));
}

BOOST_AUTO_TEST_CASE(a_change_is_told_once_and_a_refresh_is_not_news) {
  town t{3, latency_of(20ms)};
  t.w.run_until(1min);
  const worker_id first{peer_id{1}, incarnation_id{1}};
  BOOST_TEST(t.at(2).announcements[first] == 1);
  const auto before = t.at(2).seen[first].handle;
  t.announce(t.at(1), 7);
  t.w.run_for(1min);
  BOOST_TEST(t.at(2).announcements[first] == 2);
  BOOST_TEST(t.at(2).seen[first].version == 7);
  BOOST_TEST((t.at(2).seen[first].handle == before));
}

BOOST_AUTO_TEST_CASE(lost_and_reordered_news_heals) {
  auto bad = latency_of(50ms);
  bad.loss = 0.3;
  bad.reordering = 0.3;
  bad.reorder_window = 2s;
  bad.duplication = 0.2;
  town t{5, bad};
  for (int64_t version = 2; version <= 9; ++version) {
    t.announce(t.at(1), version);
    t.w.run_for(300ms);
  }
  t.w.run_for(10min);
  t.net.model().set_default(latency_of(50ms));
  t.w.run_for(30s);
  for (uint32_t h = 1; h <= 5; ++h) {
    BOOST_TEST((t.seen_by(h) == member_ids{1, 2, 3, 4, 5}));
    BOOST_TEST((t.at(h).seen[{peer_id{1}, incarnation_id{1}}].version == 9));
  }
}

BOOST_AUTO_TEST_CASE(a_member_that_leaves_is_withdrawn_and_its_watchers_hear) {
  town t{3, latency_of(20ms)};
  t.w.run_until(1s);
  caf::anon_send_exit(t.at(1).member, caf::exit_reason::user_shutdown);
  t.w.run_for(100ms);
  for (uint32_t h = 1; h <= 3; ++h) {
    BOOST_TEST(t.seen_by(h).count(1) == 0U);
    BOOST_TEST(t.at(h).down.size() == 1U);
  }
}

BOOST_AUTO_TEST_CASE(a_killed_host_is_missed_after_a_latency) {
  town t{3, latency_of(200ms)};
  t.w.run_until(2s);
  t.w.kill(t.at(1).id);
  t.w.run_for(150ms);
  BOOST_TEST(t.seen_by(2).count(1) == 1U);
  t.w.run_for(100ms);
  for (uint32_t h = 2; h <= 3; ++h) {
    BOOST_TEST((t.seen_by(h) == member_ids{2, 3}));
    BOOST_TEST(t.at(h).down.size() == 1U);
  }
}

BOOST_AUTO_TEST_CASE(a_restarted_host_is_another_one_whatever_its_members_are_called) {
  town t{3, latency_of(200ms)};
  t.w.run_until(2s);
  const worker_id first{peer_id{1}, incarnation_id{1}};
  const auto before = t.at(2).seen[first].handle;
  t.w.kill(t.at(1).id);
  // Back before anybody has missed it.
  t.start(t.at(1));
  t.w.run_for(10s);
  for (uint32_t h = 1; h <= 3; ++h)
    BOOST_TEST((t.seen_by(h) == member_ids{1, 2, 3}));
  BOOST_TEST((t.at(2).seen[first].handle != before));
  BOOST_TEST(t.at(2).down.size() == 1U);
  BOOST_TEST(t.ask(2, 1) == 42);
  BOOST_TEST(t.ask(1, 2) == 42);
}

BOOST_AUTO_TEST_CASE(a_partition_is_noticed_by_silence_and_heals) {
  town t{4, latency_of(20ms)};
  t.w.run_until(7s);
  t.net.begin_partition({{0, 1, 1, 2, 2}});
  t.w.run_for(10s);
  BOOST_TEST(t.seen_by(1).size() == 4U);
  t.w.run_for(20s);
  BOOST_TEST((t.seen_by(1) == member_ids{1, 2}));
  BOOST_TEST((t.seen_by(4) == member_ids{3, 4}));
  BOOST_TEST(t.at(1).down.size() == 2U);
  t.net.heal_all();
  t.w.run_for(15s);
  for (uint32_t h = 1; h <= 4; ++h)
    BOOST_TEST(t.seen_by(h).size() == 4U);
  BOOST_TEST(t.ask(1, 4) == 42);
}

BOOST_AUTO_TEST_CASE(a_kill_behind_a_partition_is_noticed_when_it_heals) {
  town t{2, latency_of(20ms)};
  t.w.run_until(1s);
  t.net.begin_partition({{0, 1, 0}});
  t.w.kill(t.at(2).id);
  t.w.run_for(2s);
  BOOST_TEST(t.seen_by(1).size() == 2U);
  t.net.heal_all();
  t.w.run_for(6s);
  BOOST_TEST((t.seen_by(1) == member_ids{1}));
}

BOOST_AUTO_TEST_CASE(who_is_not_heard_is_lost_even_if_it_hears) {
  town t{2, latency_of(20ms)};
  t.w.run_until(1s);
  t.net.block(t.at(2).id, t.at(1).id);
  t.w.run_for(1min);
  BOOST_TEST((t.seen_by(1) == member_ids{1}));
  BOOST_TEST((t.seen_by(2) == member_ids{1, 2}));
}

BOOST_AUTO_TEST_CASE(a_frozen_host_is_lost_and_comes_back) {
  town t{3, latency_of(20ms)};
  t.w.run_until(1s);
  t.w.freeze(t.at(1).id);
  t.w.run_for(1min);
  BOOST_TEST((t.seen_by(2) == member_ids{2, 3}));
  t.w.thaw(t.at(1).id);
  t.w.run_for(15s);
  for (uint32_t h = 1; h <= 3; ++h)
    BOOST_TEST((t.seen_by(h) == member_ids{1, 2, 3}));
  BOOST_TEST(t.ask(3, 1) == 42);
}

BOOST_AUTO_TEST_CASE(a_newcomer_is_told_of_those_who_run) {
  town t{2, latency_of(20ms)};
  t.w.run_until(1min);
  t.sites.push_back(std::make_unique<site>());
  auto& late = *t.sites.back();
  late.id = t.w.add_host();
  t.net.add_host(late.id);
  t.start(late);
  t.w.run_for(200ms);
  for (uint32_t h = 1; h <= 3; ++h)
    BOOST_TEST(t.seen_by(h).size() == 3U);
}

BOOST_AUTO_TEST_CASE(equal_seeds_give_equal_hashes) {
  const auto run = [](uint64_t seed) {
    auto bad = latency_of(50ms);
    bad.loss = 0.1;
    bad.jitter = 30ms;
    town t{6, bad, seed};
    t.w.run_until(3s);
    t.w.kill(t.at(2).id);
    t.w.freeze(t.at(3).id);
    t.w.run_until(30s);
    t.start(t.at(2));
    t.w.thaw(t.at(3).id);
    t.w.run_until(1min);
    return t.w.hash();
  };
  BOOST_TEST(run(1) == run(1));
  BOOST_TEST(run(1) != run(2));
}

BOOST_AUTO_TEST_CASE(the_traffic_of_many_hosts_is_bounded) {
  contact_options options;
  options.refreshes_per_s_max = 10;
  town t{150, latency_of(20ms), 1, options};
  t.w.run_until(25s);
  BOOST_TEST(t.seen_by(1).size() == 150U);
  BOOST_TEST(t.seen_by(150).size() == 150U);
  const auto before = t.net.model().messages();
  t.w.run_for(30s);
  const auto per_host_and_second =
      static_cast<double>(t.net.model().messages() - before) / 150 / 30;
  BOOST_TEST(per_host_and_second <= 11);
  BOOST_TEST(per_host_and_second >= 9);
}

// -- heartbeats that are not sent ---------------------------------------------------------------

namespace {

contact_options heartbeats(double silent_deaths = 0) {
  contact_options options;
  options.silence = 1s;
  options.silent_deaths = silent_deaths;
  return options;
}

}  // namespace

BOOST_AUTO_TEST_CASE(with_heartbeats_nothing_is_sent_while_nothing_happens) {
  town t{8, latency_of(10ms), 1, heartbeats()};
  t.w.run_until(10s);
  for (uint32_t h = 1; h <= 8; ++h)
    BOOST_TEST(t.seen_by(h).size() == 8U);
  const auto before = t.w.delivered();
  t.w.run_until(24h);
  BOOST_TEST(t.w.delivered() == before);
}

BOOST_AUTO_TEST_CASE(with_heartbeats_a_frozen_host_is_missed_after_the_silence) {
  town t{3, latency_of(10ms), 1, heartbeats()};
  t.w.run_until(10s);
  t.w.freeze(t.at(2).id);
  t.w.run_until(10'900ms);
  BOOST_TEST((t.seen_by(1) == member_ids{1, 2, 3}));
  t.w.run_until(11'100ms);
  BOOST_TEST((t.seen_by(1) == member_ids{1, 3}));
  BOOST_TEST(t.at(1).down.size() == 1U);
  t.w.thaw(t.at(2).id);
  t.w.run_until(13s);
  for (uint32_t h = 1; h <= 3; ++h)
    BOOST_TEST((t.seen_by(h) == member_ids{1, 2, 3}));
  BOOST_TEST(t.ask(1, 2) == 42);
  BOOST_TEST(t.ask(2, 1) == 42);
}

BOOST_AUTO_TEST_CASE(with_heartbeats_a_cut_pair_loses_each_other_and_nobody_else) {
  town t{3, latency_of(10ms), 1, heartbeats()};
  t.w.run_until(10s);
  t.net.block(t.at(2).id, t.at(1).id);
  t.w.run_until(12s);
  BOOST_TEST((t.seen_by(1) == member_ids{1, 3}));
  BOOST_TEST((t.seen_by(2) == member_ids{2, 3}));
  BOOST_TEST((t.seen_by(3) == member_ids{1, 2, 3}));
  // What changes meanwhile is told when the path is whole.
  t.announce(t.at(2), 7);
  t.w.run_until(20s);
  t.net.unblock(t.at(2).id, t.at(1).id);
  t.w.run_until(22s);
  BOOST_TEST((t.seen_by(2) == member_ids{1, 2, 3}));
  BOOST_TEST((t.at(1).seen.at({peer_id{2}, incarnation_id{1}}).version == 7));
  BOOST_TEST(t.ask(1, 2) == 42);
}

BOOST_AUTO_TEST_CASE(with_heartbeats_what_a_short_cut_swallowed_is_told_again) {
  town t{2, latency_of(10ms), 1, heartbeats()};
  t.w.run_until(10s);
  const auto cut = t.net.begin_partition({{0, 0, 1}});
  t.announce(t.at(2), 7);
  t.w.run_until(10'500ms);
  t.net.heal(cut);
  t.w.run_until(12s);
  BOOST_TEST((t.at(1).seen.at({peer_id{2}, incarnation_id{1}}).version == 7));
  BOOST_TEST(t.at(1).down.empty());
}

BOOST_AUTO_TEST_CASE(with_heartbeats_a_connection_that_broke_under_its_load_is_made_again) {
  town t{2, latency_of(10ms), 1, heartbeats()};
  t.net.model().set_queue_bytes_max(10'000);
  t.net.model().set_host(t.at(1).id, {0ms, 1'000, 0});
  t.w.run_until(20s);
  BOOST_TEST((t.seen_by(1) == member_ids{1, 2}));
  const auto handle = t.at(1).seen.at({peer_id{2}, incarnation_id{1}}).handle;
  for (int i = 0; i < 200; ++i)
    caf::anon_send(handle, 1);
  t.w.run_until(20'100ms);
  BOOST_TEST((t.seen_by(1) == member_ids{1}));
  BOOST_TEST((t.seen_by(2) == member_ids{2}));
  t.w.run_until(40s);
  BOOST_TEST((t.seen_by(1) == member_ids{1, 2}));
  BOOST_TEST((t.seen_by(2) == member_ids{1, 2}));
  BOOST_TEST(t.ask(1, 2) == 42);
}

BOOST_AUTO_TEST_CASE(with_heartbeats_a_machine_that_is_switched_off_is_missed_later) {
  for (const double silent : {0.0, 1.0}) {
    town t{3, latency_of(10ms), 1, heartbeats(silent)};
    t.w.run_until(10s);
    t.w.kill(t.at(2).id);
    t.w.run_until(10'500ms);
    BOOST_TEST((t.seen_by(1).count(2) == (silent == 0 ? 0U : 1U)));
    t.w.run_until(11'100ms);
    BOOST_TEST((t.seen_by(1) == member_ids{1, 3}));
    t.start(t.at(2));
    t.w.run_until(13s);
    BOOST_TEST((t.seen_by(1) == member_ids{1, 2, 3}));
    BOOST_TEST((t.seen_by(2) == member_ids{1, 2, 3}));
    BOOST_TEST(t.ask(1, 2) == 42);
  }
}

BOOST_AUTO_TEST_CASE(with_heartbeats_a_death_behind_a_cut_is_noticed_too) {
  town t{3, latency_of(10ms), 1, heartbeats()};
  t.w.run_until(10s);
  const auto cut = t.net.begin_partition({{0, 0, 1, 0}});
  t.w.kill(t.at(2).id);
  t.w.run_until(12s);
  BOOST_TEST((t.seen_by(1) == member_ids{1, 3}));
  t.start(t.at(2));
  t.w.run_until(20s);
  BOOST_TEST((t.seen_by(1) == member_ids{1, 3}));
  t.net.heal(cut);
  t.w.run_until(23s);
  for (uint32_t h = 1; h <= 3; ++h)
    BOOST_TEST((t.seen_by(h) == member_ids{1, 2, 3}));
}
