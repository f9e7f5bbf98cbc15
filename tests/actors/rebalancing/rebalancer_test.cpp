#include "actors/rebalancing/rebalancer.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/sec.hpp>
#include <caf/send.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "actors/peer/directory.hpp"
#include "actors/telemetry/event.hpp"
#include "actors/wire/ticket.hpp"
#include "tests/actors/rebalancing/views.hpp"
#include "tests/actors/training/virtual_world.hpp"

namespace {

using namespace swarm;
using namespace swarm::rebalancing;
using namespace std::chrono_literals;
using verdict = schemas::MoveAnswer::Verdict;
using boost::test_tools::per_element;

using go_atom = caf::atom_constant<caf::atom("go")>;

wire::move_answer answer_of(verdict what) {
  wire::builder<schemas::MoveAnswer> message;
  message->setVerdict(what);
  return message.finish();
}

/// A candidate for the coordinator's office that says what the test wants.
struct fake_leader {
  /// Of the n-th question; nothing: it keeps the question.
  std::function<std::optional<wire::move_answer>(size_t n)> says = [](size_t) {
    return answer_of(verdict::GRANTED);
  };
  std::vector<std::pair<double, move>> asked;  ///< when, in seconds, and what
  std::vector<caf::response_promise> kept;
  bool fails = false;  ///< answers with an error
  caf::actor handle;
};

/// Peers of which each has a worker that only announces itself, a steward that carries moves out,
/// and a rebalancer.
class fixture {
 public:
  explicit fixture(policy_kind policy = policy_kind::throughput) : policy_(policy) {
    directory_ = world.own(peer::spawn_directory(world.system()));
    telemetry_ = world.own(world.system().spawn([this]() -> caf::behavior {
      return {[this](const telemetry::event& e) { ++events[e.name]; }};
    }));
  }

  // A promise that is kept holds its actor.
  ~fixture() {
    for (const auto& leader : leaders_) {
      leader->kept.clear();
      leader->handle = nullptr;
    }
  }

  fixture(const fixture&) = delete;
  fixture& operator=(const fixture&) = delete;

  /// As many equal peers at each stage as `counts` says, with ids from 1; a state of so many bytes.
  void add_peers(const std::vector<int>& counts, double state_bytes = 0) {
    stages_.assign(counts.size(), {1, state_bytes});
    uint64_t peer = 0;
    for (size_t s = 0; s < counts.size(); ++s)
      for (int i = 0; i < counts[s]; ++i)
        add_peer(++peer, static_cast<int32_t>(s));
    world.run();
    for (auto& [id, p] : peers)
      start_rebalancer(id);
  }

  void add_leader(uint64_t peer, const std::shared_ptr<fake_leader>& leader, uint64_t term = 1,
                  wire::member_state state = wire::member_state::serving) {
    leader->handle = world.own(world.system().spawn([=](caf::event_based_actor* self) {
      return caf::behavior{[=](const wire::move_request& m) {
                             auto reply = self->make_response_promise<wire::move_answer>();
                             const auto body = m.read();
                             const move wish{wire::from_wire(body->getWorker()),
                                             stage_id{static_cast<int32_t>(body->getFrom())},
                                             stage_id{static_cast<int32_t>(body->getTo())}};
                             leader->asked.emplace_back(at(), wish);
                             if (leader->fails) {
                               reply.deliver(caf::make_error(caf::sec::runtime_error));
                             } else if (const auto said = leader->says(leader->asked.size())) {
                               reply.deliver(*said);
                             } else {
                               leader->kept.push_back(reply);
                             }
                             return reply;
                           },
                           [=](go_atom) {
                             for (auto& reply : std::exchange(leader->kept, {}))
                               reply.deliver(answer_of(verdict::GRANTED));
                           }};
    }));
    leaders_.push_back(leader);
    wire::member m;
    m.role = wire::member_role::coordinator;
    m.id = life(peer);
    m.state = state;
    m.term = term;
    m.handle = leader->handle;
    announce(m);
  }

  std::shared_ptr<fake_leader> add_leader() {
    auto leader = std::make_shared<fake_leader>();
    add_leader(1'000, leader);
    return leader;
  }

  /// In steps of a second; everybody tells from time to time that it is still there.
  void pass(std::chrono::seconds time) {
    for (; time > 0s; time -= 1s) {
      if (++seconds_ % 20 == 0)
        for (const auto& [id, p] : peers)
          if (p.talks) announce(p.self);
      world.jump(1s);
      world.run();
    }
  }

  /// In seconds since the beginning.
  double at() { return std::chrono::duration<double>(world.elapsed()).count(); }

  /// Another life of this peer's worker.
  void restart(uint64_t peer, int32_t stage) {
    auto& p = peers.at(peer);
    stop_worker(peer);
    p.self.id.incarnation = p.self.id.incarnation.next();
    p.self.stage = stage_id{stage};
    p.self.handle = spawn_worker();
    announce(p.self);
  }

  void stop_worker(uint64_t peer) {
    caf::anon_send_exit(peers.at(peer).self.handle, caf::exit_reason::kill);
    world.run();
  }

  std::vector<int> counts() const {
    std::vector<int> result(stages_.size(), 0);
    for (const auto& [id, p] : peers)
      ++result[static_cast<size_t>(p.self.stage.value())];
    return result;
  }

  struct fake_peer {
    wire::member self;
    std::vector<int32_t> orders;  ///< stages
    bool talks = true;
  };

  /// Carries out what the stewards were told.
  void move_those_told() {
    for (const auto peer : std::exchange(move_later_, {}))
      restart(peer, peers.at(peer).orders.back());
  }

  testing::virtual_world world;
  std::map<uint64_t, fake_peer> peers;
  std::map<std::string, int> events;

 private:
  caf::actor spawn_worker() {
    return world.own(world.system().spawn([]() -> caf::behavior { return {[](int) {}}; }));
  }

  void announce(const wire::member& m) {
    caf::anon_send(directory_, wire::announce_atom::value, m);
    world.run();
  }

  void add_peer(uint64_t peer, int32_t stage) {
    auto& p = peers[peer];
    p.self = testing::serving(life(peer), stage_id{stage}, spawn_worker());
    p.self.rate = 1;
    p.self.steward = world.own(world.system().spawn([this, peer, &p]() -> caf::behavior {
      return {[this, peer, &p](const wire::move_order& m) {
        p.orders.push_back(static_cast<int32_t>(m.read()->getStage()));
        move_later_.push_back(peer);
        wire::builder<schemas::MoveDone> done;
        done->setStage(m.read()->getStage());
        return done.finish();
      }};
    }));
    caf::anon_send(directory_, wire::announce_atom::value, p.self);
  }

  void start_rebalancer(uint64_t peer) {
    rebalancer_options options;
    options.id = peer_id{peer};
    options.policy = policy_;
    options.seed = peer;
    options.stages = stages_;
    options.directory = directory_;
    options.telemetry = telemetry_;
    world.own(spawn_rebalancer(world.system(), options));
    world.run();
  }

  policy_kind policy_;
  wire::directory_actor directory_;
  caf::actor telemetry_;
  std::vector<stage_record> stages_;
  std::vector<std::shared_ptr<fake_leader>> leaders_;
  std::vector<uint64_t> move_later_;
  int64_t seconds_ = 0;
};

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

BOOST_AUTO_TEST_CASE(who_is_of_more_use_elsewhere_asks_and_its_own_steward_moves_it) {
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

BOOST_AUTO_TEST_CASE(one_question_is_open_at_a_time) {
  fixture f;
  const auto leader = f.add_leader();
  leader->says = [](size_t) { return std::nullopt; };
  f.add_peers({2, 0});
  f.pass(119s);
  BOOST_TEST(leader->asked.size() == 1U);
  // The answer is given up, which is as good as a refusal.
  f.pass(10s);
  BOOST_TEST(leader->asked.size() == 2U);
  for (const auto& [id, p] : f.peers)
    BOOST_TEST(p.orders.empty());
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
