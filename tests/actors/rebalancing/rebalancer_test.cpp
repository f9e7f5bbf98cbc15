#include "actors/rebalancing/rebalancer.hpp"

#include <boost/test/unit_test.hpp>
#include <set>

#include "tests/actors/rebalancing/rebalancer_rig.hpp"

using namespace swarm;
using namespace swarm::rebalancing;
using namespace std::chrono_literals;
using boost::test_tools::per_element;
using fixture = rebalancer_rig;

namespace {

/// So long that every peer decides more than once.
constexpr auto long_enough = 5min;

}  // namespace

// -- the view -------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(the_view_has_the_latest_life_of_every_worker_and_nobody_else) {
  std::vector<heard_member> heard;
  const auto add = [&](worker_id id, int32_t stage, wire::member_state state, double told) {
    wire::member m;
    m.id = id;
    m.stage = stage_id{stage};
    m.state = state;
    m.rate = 2.5;
    m.queue = 3;
    heard.push_back({m, seconds{told}});
    return &heard.back().what;
  };
  add(life(1, 2), 1, wire::member_state::joining, 70);
  add(life(1, 1), 0, wire::member_state::serving, 40);
  add(life(2, 1), 0, wire::member_state::serving, 95);
  add(life(3, 1), 1, wire::member_state::following, 100);
  add(life(4, 1), 0, wire::member_state::serving, 100)->role = wire::member_role::trainer;
  add(life(5, 1), 0, wire::member_state::serving, 100)->role = wire::member_role::coordinator;
  const auto view = view_of({{1, 10}, {3, 20}}, heard, seconds{100});
  BOOST_REQUIRE(view.stages.size() == 2U);
  BOOST_TEST(view.stages[1].relative_work == 3);
  BOOST_REQUIRE(view.workers.size() == 3U);
  const auto& moved = view.workers[0];
  BOOST_TEST((moved.id == life(1, 2)));
  BOOST_TEST((moved.stage == stage_id{1}));
  BOOST_TEST((moved.state == worker_state::joining));
  BOOST_TEST(moved.age.count() == 30);
  const auto& serves = view.workers[1];
  BOOST_TEST((serves.id == life(2)));
  BOOST_TEST((serves.state == worker_state::serving));
  BOOST_TEST(serves.microbatches_per_second == 2.5);
  BOOST_TEST(serves.queue_length == 3);
  BOOST_TEST(serves.age.count() == 5);
  BOOST_TEST((view.workers[2].state == worker_state::joining));
}

// -- moves ----------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(who_is_of_more_use_elsewhere_asks_and_its_own_replicator_moves_it) {
  fixture f;
  const auto leader = f.add_leader();
  f.add_peers({3, 1});
  for (int i = 0; i < 90; ++i) {
    f.pass(1s);
    f.move_those_told();
  }
  BOOST_REQUIRE(leader->asked.size() == 1U);
  const auto wish = leader->asked[0].second;
  BOOST_TEST((wish.from == stage_id{0}));
  BOOST_TEST((wish.to == stage_id{1}));
  BOOST_TEST(wish.who.incarnation.value() == 1U);
  for (const auto& [id, p] : f.peers)
    BOOST_TEST(p.orders ==
                   (id == wish.who.peer.value() ? std::vector<int32_t>{1} : std::vector<int32_t>{}),
               per_element());
  BOOST_TEST(f.counts() == (std::vector<int>{2, 2}), per_element());
  BOOST_TEST(f.events["rebalanced"] == 1);
}

BOOST_AUTO_TEST_CASE(at_rest_nobody_moves) {
  fixture f;
  const auto leader = f.add_leader();
  f.add_peers({6, 2, 1});
  for (int i = 0; i < 600; ++i) {
    f.pass(1s);
    f.move_those_told();
  }
  BOOST_TEST(f.counts() == (std::vector<int>{3, 3, 3}), per_element());
  const auto moves = leader->asked.size();
  f.pass(30min);
  BOOST_TEST(leader->asked.size() == moves);
}

BOOST_AUTO_TEST_CASE(a_gain_that_does_not_pay_for_the_move_moves_nobody) {
  fixture even;
  const auto unasked = even.add_leader();
  even.add_peers({3, 2});
  even.pass(long_enough);
  BOOST_TEST(unasked->asked.empty());
  // At 25 MB/s, the default, one microbatch more per second for half an hour pays for a state that
  // travels 800 s, twice over, and not for one that travels 1,000 s.
  for (const double travels_s : {800, 1'000}) {
    fixture f;
    const auto leader = f.add_leader();
    f.add_peers({3, 1}, 25e6 * travels_s);
    f.pass(long_enough);
    BOOST_TEST(leader->asked.empty() == (travels_s > 900));
  }
}

BOOST_AUTO_TEST_CASE(an_empty_stage_is_filled_at_the_next_look) {
  fixture f;
  const auto leader = f.add_leader();
  f.add_peers({2, 1});
  f.pass(1s);
  BOOST_TEST(leader->asked.empty());
  f.stop_worker(3);
  f.peers.erase(3);
  f.pass(1s);
  BOOST_REQUIRE(leader->asked.size() == 1U);
  BOOST_TEST((leader->asked[0].second.to == stage_id{1}));
  f.move_those_told();
  BOOST_TEST(f.counts() == (std::vector<int>{1, 1}), per_element());
}

BOOST_AUTO_TEST_CASE(whoever_is_silent_for_long_does_not_count) {
  fixture f;
  const auto leader = f.add_leader();
  f.add_peers({2, 1});
  f.peers.at(3).talks = false;
  const auto limit = estimate_options{}.record_age_max;
  f.pass(std::chrono::seconds{static_cast<int64_t>(limit.count()) - 1});
  BOOST_TEST(leader->asked.empty());
  f.pass(3s);
  BOOST_TEST(!leader->asked.empty());
}

BOOST_AUTO_TEST_CASE(the_policy_is_the_peers_own) {
  fixture none{policy_kind::none};
  const auto unasked = none.add_leader();
  none.add_peers({5, 0});
  none.pass(long_enough);
  BOOST_TEST(unasked->asked.empty());
  fixture queue{policy_kind::queue};
  const auto leader = queue.add_leader();
  queue.add_peers({2, 2});
  queue.peers.at(3).self.queue = 5;
  queue.peers.at(1).self.queue = 1;
  queue.pass(55s);
  BOOST_TEST(leader->asked.empty());
  queue.pass(10s);
  BOOST_REQUIRE(leader->asked.size() == 1U);
  BOOST_TEST((leader->asked[0].second == move{life(2), stage_id{0}, stage_id{1}}));
}

// -- refusals -------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(whoever_is_refused_stays_and_asks_again_after_a_while) {
  for (auto what = static_cast<uint16_t>(verdict::UNKNOWN_WORKER);
       what <= static_cast<uint16_t>(verdict::NOT_LEADING); ++what) {
    fixture f;
    const auto leader = f.add_leader();
    leader->says = [=](size_t) { return answer_of(static_cast<verdict>(what)); };
    f.add_peers({3, 1});
    f.pass(3min);
    BOOST_TEST(leader->asked.size() > 5U);
    const auto retry = policy_options{}.retry.count();
    for (size_t i = 1; i < leader->asked.size(); ++i)
      BOOST_TEST(leader->asked[i].first - leader->asked[i - 1].first >= retry);
    for (const auto& [id, p] : f.peers)
      BOOST_TEST(p.orders.empty());
    BOOST_TEST(f.events["rebalanced"] == 0);
  }
}

BOOST_AUTO_TEST_CASE(an_error_is_as_good_as_a_refusal) {
  fixture f;
  const auto leader = f.add_leader();
  leader->fails = true;
  f.add_peers({3, 1});
  f.pass(3min);
  BOOST_TEST(leader->asked.size() > 10U);
  for (const auto& [id, p] : f.peers)
    BOOST_TEST(p.orders.empty());
}

BOOST_AUTO_TEST_CASE(a_grant_after_a_refusal_is_carried_out) {
  fixture f;
  const auto leader = f.add_leader();
  leader->says = [](size_t n) {
    return answer_of(n < 3 ? verdict::SOURCE_BUSY : verdict::GRANTED);
  };
  f.add_peers({3, 1});
  for (int i = 0; i < 180; ++i) {
    f.pass(1s);
    f.move_those_told();
  }
  BOOST_TEST(leader->asked.size() == 3U);
  BOOST_TEST(f.counts() == (std::vector<int>{2, 2}), per_element());
}

BOOST_AUTO_TEST_CASE(a_question_is_open_as_long_as_the_leaders_step_lasts) {
  fixture f;
  const auto leader = f.add_leader();
  leader->says = [](size_t) { return std::nullopt; };
  f.add_peers({2, 0});
  f.pass(1h);
  BOOST_TEST(leader->asked.size() == 1U);
  // Whoever asked is still listening when the step is over.
  const auto who = leader->asked[0].second.who.peer.value();
  caf::anon_send(leader->handle, go_atom::value);
  f.world.run();
  BOOST_TEST(f.peers.at(who).orders.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_question_that_was_lost_is_asked_again_two_steps_later) {
  fixture f;
  const auto leader = f.add_leader();
  leader->says = [](size_t) { return std::nullopt; };
  f.add_peers({2, 0});
  f.pass(10s);
  f.leader_makes(leader, 1);
  f.pass(1min);
  BOOST_TEST(leader->asked.size() == 1U);
  f.leader_makes(leader, 2);
  f.pass(10s);
  BOOST_TEST(leader->asked.size() == 2U);
  // The first answer is nobody's any more.
  BOOST_REQUIRE(leader->kept.size() == 2U);
  leader->kept.pop_back();
  caf::anon_send(leader->handle, go_atom::value);
  f.world.run();
  for (const auto& [id, p] : f.peers)
    BOOST_TEST(p.orders.empty());
}

BOOST_AUTO_TEST_CASE(a_question_to_a_leader_that_was_replaced_is_given_up) {
  fixture f;
  const auto first = f.add_leader();
  first->says = [](size_t) { return std::nullopt; };
  f.add_peers({2, 0});
  f.pass(10s);
  const auto second = std::make_shared<fake_leader>();
  f.add_leader(1'001, second, 2);
  f.pass(10s);
  BOOST_TEST(!second->asked.empty());
}

BOOST_AUTO_TEST_CASE(an_answer_that_cannot_be_read_is_no_grant) {
  fixture f;
  const auto leader = f.add_leader();
  leader->says = [](size_t) { return wire::move_answer{wire::errc::malformed}; };
  f.add_peers({2, 0});
  f.pass(20s);
  BOOST_TEST(leader->asked.size() > 3U);
  for (const auto& [id, p] : f.peers)
    BOOST_TEST(p.orders.empty());
}

BOOST_AUTO_TEST_CASE(a_grant_to_an_earlier_life_is_not_carried_out) {
  for (const bool restarts : {false, true}) {
    fixture f;
    const auto leader = f.add_leader();
    leader->says = [](size_t) { return std::nullopt; };
    f.add_peers({2, 0});
    f.pass(3s);
    BOOST_REQUIRE(leader->asked.size() == 1U);
    const auto who = leader->asked[0].second.who.peer.value();
    if (restarts) f.restart(who, 0);
    caf::anon_send(leader->handle, go_atom::value);
    f.world.run();
    BOOST_TEST(f.peers.at(who).orders.size() == (restarts ? 0U : 1U));
  }
}

// -- whom it asks ---------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(while_nobody_leads_nobody_is_asked_and_nobody_moves) {
  fixture f;
  const auto standing_by = std::make_shared<fake_leader>();
  f.add_leader(1'000, standing_by, 1, wire::member_state::joining);
  f.add_peers({2, 0});
  f.pass(20s);
  BOOST_TEST(standing_by->asked.empty());
  const auto leader = std::make_shared<fake_leader>();
  f.add_leader(1'001, leader, 2);
  f.pass(5s);
  BOOST_TEST(standing_by->asked.empty());
  BOOST_TEST(!leader->asked.empty());
}

BOOST_AUTO_TEST_CASE(a_wish_that_nobody_could_be_told_is_not_put_off_for_a_period) {
  for (const auto alone : {100s, 115s, 130s, 145s, 160s}) {
    fixture f;
    f.add_peers({3, 1});
    f.pass(alone);
    const auto leader = f.add_leader();
    f.pass(10s);
    BOOST_TEST(!leader->asked.empty());
  }
}

BOOST_AUTO_TEST_CASE(of_two_who_say_that_they_lead_the_one_with_the_higher_term_is_asked) {
  for (const bool later_has_lower_id : {false, true}) {
    fixture f;
    const auto earlier = std::make_shared<fake_leader>();
    const auto later = std::make_shared<fake_leader>();
    f.add_leader(1'000, later_has_lower_id ? later : earlier, later_has_lower_id ? 2 : 1);
    f.add_leader(1'001, later_has_lower_id ? earlier : later, later_has_lower_id ? 1 : 2);
    f.add_peers({2, 0});
    f.pass(5s);
    BOOST_TEST(earlier->asked.empty());
    BOOST_TEST(!later->asked.empty());
  }
}
