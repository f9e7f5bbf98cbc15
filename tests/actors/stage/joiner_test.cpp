#include "actors/stage/joiner.hpp"

#include <boost/test/unit_test.hpp>

#include "actors/stage/errc.hpp"
#include "tests/actors/stage/donor_rig.hpp"

/// How a joiner downloads: from whom, from where on, and how often it asks.

namespace {

using namespace swarm;
using namespace swarm::testing;
using namespace std::chrono_literals;
using stage::start_mode;
using reason = schemas::Refusal::Reason;
using boost::test_tools::per_element;

using firsts = std::vector<uint64_t>;

crew spawn_joiner(worker_rig& rig, std::chrono::milliseconds retry = 200ms,
                  uint64_t chunk_bytes = two_elements) {
  return rig.spawn(2, start_mode::fetch, rig.whole_model(),
                   [=](stage::stage_worker_options& options) {
                     options.fetch_retry = retry;
                     options.chunk_bytes = chunk_bytes;
                   });
}

struct two_joiners_of_a_silent_donor {
  two_joiners_of_a_silent_donor() {
    only.answers = 0;
    spawn_donor(rig, 3, only.script());
    first = spawn_joiner(rig);
    rig.run();
    second = rig.spawn(5, start_mode::fetch, rig.whole_model());
    rig.run();
  }
  noting_donor only;
  worker_rig rig{1};
  crew first;
  crew second;
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_download_goes_on_at_another_donor_where_the_dead_one_stopped) {
  noting_donor a;
  noting_donor b;
  worker_rig rig{1};
  a.answers = 1;
  const auto dying = spawn_donor(rig, 3, a.script());
  const auto joiner = spawn_joiner(rig);
  rig.run();
  BOOST_TEST(a.asked == (firsts{0, 2}), per_element());
  spawn_donor(rig, 9, b.script());
  BOOST_TEST(b.asked.empty());
  rig.kill(dying);
  BOOST_TEST(b.asked == firsts{2}, per_element());
  BOOST_TEST(first_weight(rig, joiner) == 7);
  BOOST_TEST(rig.call<wire::loss_done>(joiner, loss_of({5}, 0)).value.has_value());
}

BOOST_AUTO_TEST_CASE(several_donors_are_asked_at_once) {
  noting_donor a;
  noting_donor b;
  worker_rig rig{1};
  spawn_donor(rig, 3, a.script());
  spawn_donor(rig, 9, b.script());
  const auto joiner = spawn_joiner(rig);
  rig.run();
  BOOST_TEST(a.asked.size() == 1U);
  BOOST_TEST(b.asked.size() == 1U);
  BOOST_TEST(first_weight(rig, joiner) == 7);
}

BOOST_AUTO_TEST_CASE(a_download_goes_on_at_another_donor_when_one_falls_silent) {
  noting_donor a;
  noting_donor b;
  worker_rig rig{1};
  a.answers = 1;
  spawn_donor(rig, 3, a.script());
  const auto joiner = spawn_joiner(rig);
  rig.run();
  BOOST_TEST(a.asked == (firsts{0, 2}), per_element());
  spawn_donor(rig, 9, b.script());
  // It has always answered at once: a second is long.
  rig.pass(900ms);
  BOOST_TEST(b.asked.empty());
  rig.pass(200ms);
  BOOST_TEST(b.asked == firsts{2}, per_element());
  BOOST_TEST(first_weight(rig, joiner) == 7);
}

BOOST_FIXTURE_TEST_CASE(half_as_many_fetch_at_once_as_serve_and_the_others_after_them,
                        two_joiners_of_a_silent_donor) {
  BOOST_TEST(only.asked == firsts{0}, per_element());
  only.answers = ~size_t{0};
  pass_slowly(rig, 100s);
  BOOST_TEST(first_weight(rig, first) == 7);
  BOOST_TEST(first_weight(rig, second) == 7);
}

BOOST_FIXTURE_TEST_CASE(a_joiner_whose_turn_does_not_come_begins_all_the_same,
                        two_joiners_of_a_silent_donor) {
  const auto state_of_second = [&] { return member_states(rig).rbegin()->second; };
  const std::chrono::milliseconds patience = stage::turn_patience * 30s;
  for (auto passed = 0ms; passed < patience - 10s; passed += 10s)
    rig.pass(10s);
  BOOST_TEST((state_of_second() == wire::member_state::joining));
  rig.pass(20s);
  BOOST_TEST((state_of_second() == wire::member_state::following));
}

BOOST_AUTO_TEST_CASE(what_has_arrived_stays_when_no_donor_has_the_rest) {
  noting_donor a;
  noting_donor b;
  worker_rig rig{1};
  a.answers = 1;
  b.answers = 0;
  spawn_donor(rig, 3, a.script());
  spawn_donor(rig, 9, b.script());
  const auto joiner = spawn_joiner(rig);
  pass_slowly(rig, 100s);
  BOOST_TEST(first_weight(rig, joiner) == -1);
  a.answers = b.answers = ~size_t{0};
  pass_slowly(rig, 100s);
  BOOST_TEST(first_weight(rig, joiner) == 7);
  const auto first = a.asked.at(0);
  BOOST_TEST(std::count(a.asked.begin(), a.asked.end(), first) +
                 std::count(b.asked.begin(), b.asked.end(), first) ==
             1);
}

BOOST_AUTO_TEST_CASE(one_shard_that_is_lost_does_not_cost_the_others) {
  noting_donor only;
  size_t asked = 0;
  worker_rig rig{1};
  spawn_donor(rig, 3, [&](int n, schemas::StateRequest::Reader m) {
    ++asked;
    auto chunk = only.script()(n, m);
    return asked == 2 ? std::nullopt : chunk;
  });
  const auto joiner = spawn_joiner(rig);
  pass_slowly(rig, 10s);
  BOOST_TEST(only.asked == (firsts{0, 2, 2}), per_element());
  BOOST_TEST(first_weight(rig, joiner) == 7);
}

BOOST_AUTO_TEST_CASE(shards_may_be_of_any_size) {
  for (uint64_t bytes : {1U, 24U, 47U, 48U, 1'000U}) {
    worker_rig rig{1};
    const auto one = rig.spawn(1, start_mode::fresh, rig.whole_model());
    rig.run();
    commit_step(rig, one, 0);
    const auto joiner = spawn_joiner(rig, 200ms, bytes);
    rig.pass(200ms);
    BOOST_TEST(snapshot(rig.call<wire::state_chunk>(joiner, newest_state())).second ==
                   reference_weights(1, 1),
               per_element());
  }
}

BOOST_AUTO_TEST_CASE(three_may_join_at_once_from_one_donor_while_steps_are_made) {
  worker_rig rig{1};
  const auto one = rig.spawn(1, start_mode::fresh, rig.whole_model());
  rig.run();
  std::vector<crew> joiners;
  for (uint64_t peer : {11U, 12U, 13U}) {
    joiners.push_back(
        rig.spawn(peer, start_mode::fetch, rig.whole_model(),
                  [](stage::stage_worker_options& o) { o.chunk_bytes = two_elements; }));
    // The last ones have something, and are not done, when the next step is made.
    rig.scheduler().run(25);
    commit_step(rig, one, static_cast<int64_t>(joiners.size()) - 1);
  }
  pass_slowly(rig, 2s);
  for (const auto& joiner : joiners) {
    const auto [version, weights] = snapshot(rig.call<wire::state_chunk>(joiner, newest_state()));
    BOOST_TEST(version >= 0);
    BOOST_TEST(weights == reference_weights(1, version), per_element());
  }
}

// -- old donors -----------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(older_donors_are_tried_again_and_taken_in_the_end) {
  noting_donor old;
  worker_rig rig{1};
  spawn_donor(rig, 9, old.script());
  const auto one = rig.spawn(2, start_mode::fresh, rig.whole_model());
  rig.run();
  CHECK_REFUSED(rig.call<wire::loss_done>(one, loss_of({8}, 0)), reason::BEHIND);
  pass_slowly(rig, 2min);
  BOOST_TEST(std::count(old.asked.begin(), old.asked.end(), 0U) == stage::old_answers_max + 1);
  BOOST_TEST(first_weight(rig, one) == 7);
  BOOST_TEST(rig.call<wire::loss_done>(one, loss_of({5}, 0)).value.has_value());
}

BOOST_AUTO_TEST_CASE(a_donor_that_catches_up_is_taken_at_once) {
  noting_donor donor;
  worker_rig rig{1};
  spawn_donor(rig, 9, donor.script());
  const auto one = rig.spawn(2, start_mode::fresh, rig.whole_model());
  rig.run();
  CHECK_REFUSED(rig.call<wire::loss_done>(one, loss_of({8}, 0)), reason::BEHIND);
  rig.pass(300ms);
  BOOST_TEST(first_weight(rig, one) == -1);
  donor.state.version = 8;
  donor.state.values[0] = 3;
  pass_slowly(rig, 10s);
  BOOST_TEST(first_weight(rig, one) == 3);
  BOOST_TEST(donor.asked.size() < 10U);
}

// -- back-off -------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(attempts_that_fail_double_their_distance_up_to_a_limit) {
  std::vector<std::chrono::milliseconds> times;
  worker_rig rig{1};
  const auto start = rig.scheduler().clock().now();
  const auto donor = rig.system().spawn([&](caf::event_based_actor*) -> caf::behavior {
    return {[&](const wire::state_request&) -> caf::result<wire::state_chunk> {
      times.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(
          rig.scheduler().clock().now() - start));
      return stage::make_error(stage::refusal{stage::refusal_reason::not_serving, {}, {}, {}});
    }};
  });
  rig.own(donor);
  wire::member member;
  member.id = {peer_id{9}, incarnation_id{1}};
  member.state = wire::member_state::serving;
  member.handle = donor;
  caf::anon_send(rig.directory(), wire::announce_atom::value, member);
  rig.run();
  spawn_joiner(rig, 100ms);
  for (int i = 0; i < 4'000; ++i)
    rig.pass(10ms);
  std::vector<int64_t> distances;
  for (size_t i = 1; i < times.size(); ++i)
    distances.push_back((times[i] - times[i - 1]).count());
  BOOST_REQUIRE(distances.size() > 10U);
  distances.resize(10);
  BOOST_TEST(
      distances == (std::vector<int64_t>{100, 200, 400, 800, 1600, 3200, 3200, 3200, 3200, 3200}),
      per_element());
}
