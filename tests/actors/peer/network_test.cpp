#include "actors/peer/network.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <memory>
#include <mutex>

#include "tests/actors/peer/network_rig.hpp"

using namespace swarm;
using namespace swarm::peer::testing;
using peer::gateway;

namespace {

/// Somebody was told why a connection did not come about, in a sentence with both values.
bool is_told(const place& who, const std::string& here, const std::string& there) {
  const auto failures = who.told("dial_failed");
  return std::any_of(failures.begin(), failures.end(), [&](const std::string& text) {
    return text.find(here) != std::string::npos && text.find(there) != std::string::npos;
  });
}

/// One dials the other, which refuses it; both stay alone.
void check_refused(place& door, place& guest, const std::string& of_door,
                   const std::string& of_guest) {
  BOOST_TEST(eventually({&guest, &door}, [&] { return is_told(guest, of_door, of_guest); }));
  BOOST_TEST(door.neighbours().empty());
  BOOST_TEST(guest.neighbours().empty());
  BOOST_TEST(!door.member_of(guest.id()).has_value());
  BOOST_TEST(!guest.member_of(door.id()).has_value());
}

void check_two_meet(bool with_tls) {
  auto first = options_of(1);
  if (with_tls) first.endpoint.tls = tls_of(1);
  place a{first};
  auto second = options_of(2, {a.address()});
  if (with_tls) second.endpoint.tls = tls_of(2);
  place b{second};
  a.add_worker();
  b.add_worker();
  BOOST_TEST(eventually({&a, &b}, [&] { return a.reaches(b.id()) && b.reaches(a.id()); }));
  BOOST_TEST(gateway::is_remote(a.member_of(b.id())->handle));
  BOOST_TEST(a.is_neighbour(b.id()));
  BOOST_TEST(b.is_neighbour(a.id()));
}

}  // namespace

BOOST_AUTO_TEST_CASE(two_find_each_other_and_reach_each_others_members) {
  check_two_meet(false);
}

BOOST_AUTO_TEST_CASE(so_do_two_with_certificates) {
  check_two_meet(true);
}

BOOST_AUTO_TEST_CASE(without_a_certificate_nobody_gets_in) {
  auto closed = options_of(1);
  closed.endpoint.tls = tls_of(1);
  place a{closed};
  place b{options_of(2, {a.address()})};
  BOOST_TEST(eventually({&b, &a}, [&] { return !b.told("dial_failed").empty(); }));
  BOOST_TEST(a.neighbours().empty());
}

BOOST_AUTO_TEST_CASE(who_know_the_same_seed_find_each_other) {
  place seed{options_of(1)};
  place b{options_of(2, {seed.address()})};
  place c{options_of(3, {seed.address()})};
  b.add_worker();
  c.add_worker();
  BOOST_TEST(eventually({&seed, &b, &c}, [&] {
    return seed.reaches(b.id()) && seed.reaches(c.id()) && b.reaches(c.id()) && c.reaches(b.id());
  }));
  // Not through the seed.
  BOOST_TEST(b.is_neighbour(c.id()));
  seed.leave();
  BOOST_TEST(b.reaches(c.id()));
  BOOST_TEST(c.reaches(b.id()));
}

BOOST_AUTO_TEST_CASE(who_is_gone_is_withdrawn_and_its_handles_end) {
  place a{options_of(1)};
  place b{options_of(2, {a.address()})};
  b.add_worker();
  BOOST_REQUIRE(eventually({&a, &b}, [&] { return a.reaches(b.id()); }));
  const auto handle = a.member_of(b.id())->handle;
  a.watch(handle);
  b.leave();
  BOOST_TEST(eventually({&a, &b},
                        [&] { return !a.member_of(b.id()).has_value() && a.has_ended(handle); }));
  BOOST_TEST(!a.is_neighbour(b.id()));
  BOOST_TEST(a.counted().links_up == 0U);
}

BOOST_AUTO_TEST_CASE(a_member_that_ends_is_withdrawn_over_there_too) {
  place a{options_of(1)};
  place b{options_of(2, {a.address()})};
  b.add_worker();
  BOOST_REQUIRE(eventually({&a, &b}, [&] { return a.reaches(b.id()); }));
  b.end_worker();
  BOOST_TEST(eventually({&a, &b}, [&] { return !a.member_of(b.id()).has_value(); }));
  BOOST_TEST(a.is_neighbour(b.id()));
}

BOOST_AUTO_TEST_CASE(a_later_life_replaces_an_earlier_one) {
  place a{options_of(1)};
  place old{options_of(2, {a.address()})};
  old.add_worker(1);
  BOOST_REQUIRE(eventually({&a, &old}, [&] { return a.reaches(old.id()); }));
  const auto handle = a.member_of(old.id())->handle;
  a.watch(handle);
  // The old one is not gone yet: a process that came back before anybody missed it.
  auto again = options_of(2, {a.address()});
  again.self.life = 2;
  place young{again};
  young.add_worker(2);
  BOOST_TEST(eventually({&a, &old, &young}, [&] {
    const auto known = a.member_of(young.id());
    return known && known->id.incarnation == incarnation_id{2} && a.has_ended(handle);
  }));
  BOOST_TEST(a.reaches(young.id()));
  const auto neighbours = a.neighbours();
  BOOST_REQUIRE(neighbours.size() == 1U);
  BOOST_TEST(neighbours[0].announce == young.address());
}

BOOST_AUTO_TEST_CASE(two_that_dial_each_other_at_once_end_with_one_link) {
  for (uint8_t round = 0; round < 5; ++round) {
    auto first = options_of(1);
    auto second = options_of(2);
    first.neighbours.courtesy = second.neighbours.courtesy = std::chrono::milliseconds{0};
    place a{first};
    place b{second};
    a.add_worker();
    b.add_worker();
    a.meet(b);
    b.meet(a);
    BOOST_TEST(eventually({&a, &b}, [&] {
      return a.counted().links_up == 1 && b.counted().links_up == 1 && a.reaches(b.id()) &&
             b.reaches(a.id());
    }));
    BOOST_TEST(a.neighbours().size() == 1U);
    BOOST_TEST(b.neighbours().size() == 1U);
    // The link that was too many is no failure.
    BOOST_TEST(a.told("dial_failed").empty());
    BOOST_TEST(b.told("dial_failed").empty());
  }
}

BOOST_AUTO_TEST_CASE(an_observer_sees_and_is_no_neighbour) {
  place a{options_of(1)};
  place b{options_of(2, {a.address()})};
  a.add_worker();
  b.add_worker();
  auto looks = options_of(3, {a.address()});
  looks.endpoint.bind.clear();
  looks.self.observer = true;
  place observer{looks};
  BOOST_TEST(eventually({&observer, &a, &b}, [&] {
    return observer.reaches(a.id()) && observer.reaches(b.id()) && a.reaches(b.id());
  }));
  BOOST_TEST(a.counted().links_up == 2U);
  BOOST_TEST(a.neighbours().size() == 1U);
  BOOST_TEST(b.neighbours().size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_peer_of_another_run_is_refused) {
  place a{options_of(1)};
  auto stranger = options_of(2, {a.address()});
  stranger.self.run_key = key_of(251).key();
  place b{stranger};
  const auto shown = [](const identity::key_pair& run) {
    return identity::to_hex(identity::view(run.key())).substr(0, 16);
  };
  check_refused(a, b, shown(run_key()), shown(key_of(251)));
}

BOOST_AUTO_TEST_CASE(a_peer_of_another_protocol_version_is_refused) {
  place a{options_of(1)};
  auto newer = options_of(2, {a.address()});
  newer.self.protocol_version = 77;
  place b{newer};
  check_refused(a, b, "1 there", "version 77 here");
}

BOOST_AUTO_TEST_CASE(a_peer_of_another_description_is_refused) {
  auto first = options_of(1);
  first.description_hash = "aaaa";
  place a{first};
  auto second = options_of(2, {a.address()});
  second.description_hash = "bbbb";
  place b{second};
  check_refused(a, b, "aaaa", "bbbb");
}

BOOST_AUTO_TEST_CASE(a_peer_with_other_kernels_is_refused_in_a_reproducible_run) {
  auto first = options_of(1);
  first.description_hash = "aaaa";
  first.same_kernels = true;
  first.self.kernels = "Haswell";
  place a{first};
  auto second = options_of(2, {a.address()});
  second.description_hash = "aaaa";
  second.same_kernels = true;
  second.self.kernels = "SkylakeX";
  place b{second};
  check_refused(a, b, "'Haswell'", "'SkylakeX'");
  // Who asks what the run is may come in, and is not talked about.
  auto third = options_of(3, {a.address()});
  third.self.kernels = "SkylakeX";
  place c{third};
  BOOST_TEST(eventually({&a, &c}, [&] { return a.is_neighbour(c.id()); }));
  BOOST_TEST(a.told("kernels_differ").empty());
}

BOOST_AUTO_TEST_CASE(a_peer_with_other_kernels_is_told_of_in_any_other_run) {
  auto first = options_of(1);
  first.self.kernels = "Haswell";
  place a{first};
  auto second = options_of(2, {a.address()});
  second.self.kernels = "SkylakeX";
  place b{second};
  BOOST_TEST(eventually({&a, &b}, [&] {
    return a.told("kernels_differ") == std::vector<std::string>{"'SkylakeX', here 'Haswell'"} &&
           b.told("kernels_differ") == std::vector<std::string>{"'Haswell', here 'SkylakeX'"};
  }));
  BOOST_TEST(a.is_neighbour(b.id()));
}

BOOST_AUTO_TEST_CASE(a_probe_names_who_answers_and_leaves_no_link) {
  place a{options_of(1)};
  place b{options_of(2)};
  const auto found = b.probe(a.address());
  BOOST_REQUIRE(found);
  BOOST_TEST(*found == a.id());
  BOOST_TEST(
      eventually({&a, &b}, [&] { return a.counted().links_up == 0 && b.counted().links_up == 0; }));
  BOOST_TEST(b.neighbours().empty());
  const auto address = a.address();
  a.leave();
  BOOST_TEST(!b.probe(address));
}

BOOST_AUTO_TEST_CASE(who_lost_everybody_finds_them_when_they_are_back) {
  auto seed = std::make_unique<place>(options_of(1));
  const auto address = seed->address();
  place b{options_of(2, {address})};
  b.add_worker();
  BOOST_REQUIRE(eventually({seed.get(), &b}, [&] { return b.is_neighbour(seed->id()); }));
  seed.reset();
  BOOST_REQUIRE(
      eventually({&b}, [&] { return b.neighbours().empty() && !b.told("dial_failed").empty(); }));
  auto again = options_of(1);
  again.endpoint.bind = address;
  again.self.life = 2;
  seed = std::make_unique<place>(again);
  BOOST_TEST(eventually({&b, seed.get()}, [&] { return seed->reaches(b.id()); }));
}

BOOST_AUTO_TEST_CASE(what_is_known_is_given_away_to_be_remembered) {
  place a{options_of(1)};
  auto keeps = options_of(2, {a.address()});
  std::vector<std::string> kept;
  std::mutex mutex;
  keeps.remember = [&](const std::vector<std::string>& addresses) {
    const std::lock_guard<std::mutex> guard{mutex};
    kept = addresses;
  };
  place b{keeps};
  BOOST_TEST(eventually({&a, &b}, [&] {
    const std::lock_guard<std::mutex> guard{mutex};
    return kept == std::vector<std::string>{a.address()};
  }));
  b.leave();
}

BOOST_AUTO_TEST_CASE(a_port_that_is_taken_is_said_with_its_address) {
  place a{options_of(1)};
  auto same = options_of(2);
  same.endpoint.bind = a.address();
  try {
    place b{same};
    BOOST_ERROR("it listens");
  } catch (const std::runtime_error& why) {
    BOOST_TEST(std::string{why.what()}.find(a.address()) != std::string::npos);
  }
}

// -- one token, two processes
// -----------------------------------------------------------------------

namespace {

peer::network_options life_of(uint8_t number, uint64_t life, const std::string& seed) {
  auto result = options_of(number, {seed});
  result.self.life = life;
  result.self.agent = "life " + std::to_string(life);
  result.self.started_unix_ms = 1'700'000'000'000;
  return result;
}

/// Told once, where the later one is, and let go by everybody.
void check_gives_way(place& earlier, place& later, const std::string& agent,
                     std::vector<place*> all) {
  BOOST_TEST(eventually(all, [&] { return earlier.told("token_in_use").size() == 1; }));
  const auto why = earlier.told("token_in_use");
  BOOST_REQUIRE(why.size() == 1U);
  for (const auto& part : {agent, later.address(), std::string{"2023-11-14 22:13:20 UTC"}})
    BOOST_TEST(why[0].find(part) != std::string::npos, part << " in: " << why[0]);
  BOOST_TEST(eventually(all, [&] { return earlier.counted().links_up == 0; }));
  BOOST_TEST(later.told("token_in_use").empty());
}

}  // namespace

BOOST_AUTO_TEST_CASE(of_two_with_one_token_the_earlier_is_told_where_the_later_is) {
  place host{options_of(1)};
  place earlier{life_of(2, 1, host.address())};
  earlier.add_worker(1);
  BOOST_REQUIRE(eventually({&host, &earlier}, [&] { return host.reaches(earlier.id()); }));
  place later{life_of(2, 2, host.address())};
  later.add_worker(2);
  check_gives_way(earlier, later, "life 2", {&host, &earlier, &later});
  // The later one was never disturbed.
  BOOST_TEST(host.reaches(later.id()));
  BOOST_TEST(host.member_of(later.id())->id.incarnation.value() == 2U);
  BOOST_TEST(later.told("peer_down").empty());
  BOOST_TEST(host.neighbours().size() == 1U);
}

BOOST_AUTO_TEST_CASE(it_is_told_too_when_it_comes_second) {
  place host{options_of(1)};
  place later{life_of(2, 2, host.address())};
  later.add_worker(2);
  BOOST_REQUIRE(eventually({&host, &later}, [&] { return host.reaches(later.id()); }));
  place earlier{life_of(2, 1, host.address())};
  check_gives_way(earlier, later, "life 2", {&host, &earlier, &later});
  BOOST_TEST(host.reaches(later.id()));
  BOOST_TEST(later.told("peer_down").empty());
}

BOOST_AUTO_TEST_CASE(two_with_one_token_that_dial_each_other_need_nobody_else) {
  place later{life_of(2, 2, "")};
  place earlier{life_of(2, 1, later.address())};
  check_gives_way(earlier, later, "life 2", {&earlier, &later});
}

BOOST_AUTO_TEST_CASE(a_restart_with_a_smaller_life_is_let_in_when_the_dead_one_is_missed) {
  auto patient = options_of(1);
  place host{patient};
  auto before = std::make_unique<place>(life_of(2, 9, host.address()));
  before->add_worker(9);
  BOOST_REQUIRE(eventually({&host, before.get()}, [&] { return host.reaches(before->id()); }));
  auto young = life_of(2, 1, host.address());
  young.rival_patience = patience;
  place now_here{young};
  now_here.add_worker(1);
  // It comes while the old one is still taken for alive, and is turned away.
  BOOST_REQUIRE(
      eventually({&host, &now_here}, [&] { return !now_here.told("peer_down").empty(); }));
  before.reset();
  BOOST_TEST(eventually({&host, &now_here}, [&] { return host.reaches(now_here.id()); }));
  BOOST_TEST(now_here.told("token_in_use").empty());
}

// -- clocks
// -----------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_clock_that_is_hours_off_is_said_by_both_at_once) {
  constexpr int64_t here_ms = 1'700'000'000'000;
  constexpr int64_t three_hours_ms = 3 * 3'600'000;
  auto first = options_of(1);
  first.clock = [] { return here_ms; };
  place a{first};
  auto second = options_of(2, {a.address()});
  second.clock = [] { return here_ms + three_hours_ms; };
  place b{second};
  BOOST_TEST(eventually({&a, &b}, [&] {
    return !a.told("clock_differs").empty() && !b.told("clock_differs").empty();
  }));
  const auto behind = a.told("clock_differs").at(0);
  BOOST_TEST(behind.find("the clock of this machine is 3 h 0 min behind") != std::string::npos,
             behind);
  const auto ahead = b.told("clock_differs").at(0);
  BOOST_TEST(ahead.find("the clock of this machine is 3 h 0 min ahead") != std::string::npos,
             ahead);
  BOOST_TEST(b.neighbours().at(0).clock_ahead_ms == -three_hours_ms);
}

BOOST_AUTO_TEST_CASE(one_that_looks_on_with_a_wrong_clock_is_its_own_affair) {
  auto first = options_of(1);
  first.clock = [] { return int64_t{1'700'000'000'000}; };
  place a{first};
  auto looks = options_of(3, {a.address()});
  looks.self.observer = true;
  looks.endpoint.bind.clear();
  looks.clock = [] { return int64_t{1'600'000'000'000}; };
  place observer{looks};
  BOOST_TEST(eventually({&a, &observer}, [&] { return !observer.told("clock_differs").empty(); }));
  BOOST_TEST(a.told("clock_differs").empty());
}
