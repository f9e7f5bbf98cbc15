#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "actors/peer/directory.hpp"
#include "actors/telemetry/event.hpp"
#include "actors/training/coordinator.hpp"
#include "actors/wire/ticket.hpp"
#include "tests/actors/training/virtual_world.hpp"

/// What a coordinator says to whom when a stage is empty, and whom it lets move. Its workers only
/// say where they stand; rescued_swarm_test has real ones.

namespace {

using namespace swarm;
using namespace std::chrono_literals;
using boost::test_tools::per_element;
using testing::life;
using verdict = schemas::MoveAnswer::Verdict;

/// The version at which the run stands.
constexpr int64_t here = 6;
constexpr auto rescue_after = 1s;

/// By stage, the versions that a process has copies of.
using copies = std::map<uint32_t, std::set<int64_t>>;

/// A peer's worker and steward.
struct fake_peer {
  worker_id id;
  stage_id stage{0};
  wire::member_state state = wire::member_state::serving;
  int64_t version = here;
  copies kept;
  bool inventory_lost = false;  ///< the steward never answers
  bool inventory_damaged = false;
  bool restores = true;  ///< answers Restore
  caf::actor worker;
  caf::actor steward;
};

/// An order of the coordinator.
struct order {
  std::string kind;
  uint64_t peer = 0;
  uint64_t term = 0;
  int64_t value = 0;              ///< of a MoveOrder the stage, of a Restore the version
  std::vector<uint64_t> holders;  ///< of a Restore
};

class fixture {
 public:
  /// As many peers at each stage as `counts` says, with ids from 1.
  explicit fixture(const std::vector<int>& counts, std::chrono::milliseconds rescue = rescue_after)
      : stages_(static_cast<int32_t>(counts.size())), rescue_(rescue) {
    directory_ = world.own(peer::spawn_directory(world.system()));
    roster_.follow(world, directory_);
    telemetry_ = world.own(world.system().spawn([this]() -> caf::behavior {
      return {[this](const telemetry::event& e) { events.push_back(e); }};
    }));
    uint64_t peer = 0;
    for (size_t s = 0; s < counts.size(); ++s)
      for (int i = 0; i < counts[s]; ++i)
        add(++peer, static_cast<int32_t>(s));
    leader = add_candidate(1'000, true);
  }

  ~fixture() {
    for (auto& [id, p] : peers)
      p.worker = p.steward = nullptr;
    roster_.members.clear();
  }

  fixture(const fixture&) = delete;
  fixture& operator=(const fixture&) = delete;

  training::coordinator_actor add_candidate(uint64_t peer, bool first) {
    training::coordinator_options options;
    options.id = life(peer);
    options.first = first;
    options.first_step = step_id{here};
    options.stages = stages_;
    options.rescue_after = rescue_;
    options.directory = directory_;
    options.telemetry = telemetry_;
    const auto made = world.own(training::spawn_coordinator(world.system(), options));
    world.run();
    return made;
  }

  fake_peer& add(uint64_t peer, int32_t stage,
                 wire::member_state state = wire::member_state::serving) {
    auto& p = peers[peer];
    p.id = life(peer);
    p.stage = stage_id{stage};
    p.state = state;
    p.worker = spawn_worker(p);
    p.steward = spawn_steward(p);
    announce(p);
    world.run();
    return p;
  }

  /// With its steward and all that it kept.
  void kill(uint64_t peer) {
    caf::anon_send_exit(peers.at(peer).worker, caf::exit_reason::kill);
    caf::anon_send_exit(peers.at(peer).steward, caf::exit_reason::kill);
    world.run();
  }

  /// Its worker's next life, as its steward carries a move out.
  void arrive(uint64_t peer, int32_t stage) {
    auto& p = peers.at(peer);
    caf::anon_send_exit(p.worker, caf::exit_reason::kill);
    world.run();
    p.id.incarnation = p.id.incarnation.next();
    p.stage = stage_id{stage};
    p.state = wire::member_state::joining;
    p.version = 0;
    p.worker = spawn_worker(p);
    announce(p);
    world.run();
  }

  /// Stewards carry out what they are told.
  void pass(std::chrono::milliseconds time) {
    constexpr std::chrono::milliseconds step{50};
    for (; time > 0ms; time -= step) {
      world.pass(step);
      for (const auto& [peer, stage] : std::exchange(told_, {}))
        arrive(peer, stage);
    }
  }

  /// The answer to a wish to move, or nothing so far.
  struct wish {
    std::shared_ptr<testing::reply_slot<wire::move_answer>> reply;
    std::optional<verdict> said() const {
      if (!reply->value) return std::nullopt;
      return reply->value->read()->getVerdict();
    }
  };
  wish ask(uint64_t peer, int32_t from, int32_t to) { return ask(leader, peer, from, to); }
  wish ask(const training::coordinator_actor& whom, uint64_t peer, int32_t from, int32_t to) {
    wire::builder<schemas::MoveRequest> message;
    wire::to_wire(peers.at(peer).id, message->initWorker());
    message->setFrom(static_cast<uint32_t>(from));
    message->setTo(static_cast<uint32_t>(to));
    return {testing::ask<wire::move_answer>(world, whom, message.finish())};
  }

  /// Of the coordinator that leads.
  uint64_t term() const {
    uint64_t result = 0;
    for (const auto& [id, m] : roster_.members)
      if (m.role == wire::member_role::coordinator && m.state == wire::member_state::serving)
        result = std::max(result, m.term);
    return result;
  }

  std::vector<order> sent(const std::string& kind) const {
    std::vector<order> result;
    std::copy_if(orders.begin(), orders.end(), std::back_inserter(result),
                 [&](const order& o) { return o.kind == kind; });
    return result;
  }

  std::set<uint64_t> sent_to(const std::string& kind) const {
    std::set<uint64_t> result;
    for (const auto& o : sent(kind))
      result.insert(o.peer);
    return result;
  }

  size_t count(const std::string& event) const {
    return static_cast<size_t>(std::count_if(events.begin(), events.end(),
                                             [&](const auto& e) { return e.name == event; }));
  }

  /// A field of the last such event; 0 or "" if there is none.
  template <class Value>
  Value last(const std::string& event, const std::string& key) const {
    Value result{};
    for (const auto& e : events)
      if (e.name == event)
        if (const auto* value = telemetry::find(e, key)) result = std::get<Value>(*value);
    return result;
  }

  testing::virtual_world world;
  training::coordinator_actor leader;
  std::map<uint64_t, fake_peer> peers;
  std::vector<order> orders;
  std::vector<telemetry::event> events;

 private:
  void announce(const fake_peer& p) {
    auto m = testing::serving(p.id, p.stage, p.worker);
    m.state = p.state;
    m.version = p.version;
    m.steward = p.steward;
    caf::anon_send(directory_, wire::announce_atom::value, m);
  }

  static wire::standing standing_of(const fake_peer& p) {
    wire::builder<schemas::Standing> reply;
    wire::to_wire(p.id, reply->initWorker());
    reply->setStage(static_cast<uint32_t>(p.stage.value()));
    reply->setVersion(p.version);
    return reply.finish();
  }

  caf::actor spawn_worker(fake_peer& p) {
    return world.own(world.system().spawn([this, &p](caf::event_based_actor* self) {
      return caf::behavior{
          [=, &p](const wire::take_over& m) {
            orders.push_back({"TakeOver", p.id.peer.value(), m.read()->getTerm(), 0, {}});
            return standing_of(p);
          },
          [=, &p](const wire::restore& m) -> caf::result<wire::standing> {
            const auto body = m.read();
            order made{"Restore", p.id.peer.value(), body->getTerm(), body->getVersion(), {}};
            for (const auto holder : body->getHolders())
              made.holders.push_back(wire::from_wire(holder).peer.value());
            orders.push_back(made);
            if (!p.restores) return self->make_response_promise<wire::standing>();
            p.version = body->getVersion();
            p.state = wire::member_state::serving;
            announce(p);
            return standing_of(p);
          }};
    }));
  }

  caf::actor spawn_steward(fake_peer& p) {
    return world.own(world.system().spawn([this, &p](caf::event_based_actor* self) {
      return caf::behavior{
          [=, &p](const wire::inventory_request& m) -> caf::result<wire::inventory> {
            orders.push_back({"Inventory", p.id.peer.value(), m.read()->getTerm(), 0, {}});
            if (p.inventory_lost) return self->make_response_promise<wire::inventory>();
            if (p.inventory_damaged) return wire::inventory{wire::errc::malformed};
            std::vector<std::pair<uint32_t, int64_t>> items;
            for (const auto& [stage, versions] : p.kept)
              for (const auto version : versions)
                items.emplace_back(stage, version);
            wire::builder<schemas::Inventory> reply;
            auto list = reply->initItems(static_cast<unsigned>(items.size()));
            for (unsigned i = 0; i < list.size(); ++i) {
              list[i].setStage(items[i].first);
              list[i].setVersion(items[i].second);
            }
            return reply.finish();
          },
          [=, &p](const wire::move_order& m) {
            const auto stage = m.read()->getStage();
            orders.push_back({"MoveOrder", p.id.peer.value(), m.read()->getTerm(), stage, {}});
            told_.emplace_back(p.id.peer.value(), static_cast<int32_t>(stage));
            wire::builder<schemas::MoveDone> reply;
            reply->setStage(stage);
            return reply.finish();
          }};
    }));
  }

  int32_t stages_;
  std::chrono::milliseconds rescue_;
  wire::directory_actor directory_;
  testing::roster_watch roster_;
  caf::actor telemetry_;
  std::vector<std::pair<uint64_t, int32_t>> told_;
};

/// Stage 1 has nobody any more; peers 1 and 2 of stage 0 keep copies, and so does 4 of stage 2.
struct emptied : fixture {
  emptied() : fixture({2, 1, 1}) {
    peers.at(1).kept = {{0, {2, 4, 6}}, {1, {2, 4}}, {2, {4}}};
    peers.at(2).kept = {{0, {2, 4}}};
    peers.at(4).kept = {{2, {4, 6}}, {1, {2}}};
    before = term();
    kill(3);
  }
  uint64_t before = 0;
};

#define CHECK_SAID(answer, what) BOOST_CHECK((answer).said() == verdict::what)

}  // namespace

// -- rescue ---------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(an_emptied_stage_gets_a_peer_and_everybody_goes_back_to_what_all_have) {
  emptied f;
  f.pass(10s);
  BOOST_TEST(f.sent_to("Inventory") == (std::set<uint64_t>{1, 2, 4}), per_element());
  const auto moves = f.sent("MoveOrder");
  BOOST_REQUIRE(moves.size() == 1U);
  // From the only stage that has two.
  BOOST_TEST((moves[0].peer == 1 || moves[0].peer == 2));
  BOOST_TEST(moves[0].value == 1);
  BOOST_TEST(f.sent_to("Restore") == (std::set<uint64_t>{1, 2, 4}), per_element());
  for (const auto& o : f.sent("Restore")) {
    BOOST_TEST(o.value == 4);
    const auto at = f.peers.at(o.peer).stage.value();
    const std::vector<uint64_t> holders[] = {{1, 2}, {1}, {1, 4}};
    BOOST_TEST(o.holders == holders[at], per_element());
  }
  BOOST_TEST(f.count("rescue_begins") >= 1U);
  BOOST_TEST(f.count("peer_moved") == 1U);
  BOOST_REQUIRE(f.count("rescued") == 1U);
  BOOST_TEST(f.last<int64_t>("rescued", "from") == here);
  BOOST_TEST(f.last<int64_t>("rescued", "step") == 4);
  // From there on the run goes on.
  BOOST_REQUIRE(f.count("coordinator_took_over") == 1U);
  BOOST_TEST(f.last<int64_t>("coordinator_took_over", "step") == 4);
}

BOOST_AUTO_TEST_CASE(inventories_come_before_the_move_and_the_move_before_the_restore) {
  emptied f;
  f.pass(10s);
  const auto first = [&](const std::string& kind) {
    return std::find_if(f.orders.begin(), f.orders.end(),
                        [&](const order& o) { return o.kind == kind; });
  };
  BOOST_REQUIRE((first("Restore") != f.orders.end()));
  BOOST_TEST((first("Inventory") < first("MoveOrder")));
  BOOST_TEST((first("MoveOrder") < first("Restore")));
}

BOOST_AUTO_TEST_CASE(a_rescue_is_made_in_a_term_of_its_own) {
  emptied f;
  f.pass(10s);
  for (const auto* kind : {"Inventory", "MoveOrder", "Restore"})
    for (const auto& o : f.sent(kind))
      BOOST_TEST(o.term > f.before);
  BOOST_TEST(f.sent("Restore").back().term == f.term());
  // Afterwards everybody is asked in that term.
  BOOST_TEST(f.sent("TakeOver").back().term == f.term());
}

BOOST_AUTO_TEST_CASE(a_stage_that_comes_back_in_time_is_not_rescued) {
  emptied f;
  f.pass(rescue_after - 200ms);
  BOOST_TEST(f.sent("Inventory").empty());
  f.add(3, 1);
  f.pass(10s);
  BOOST_TEST(f.sent("Inventory").empty());
  BOOST_TEST(f.sent("MoveOrder").empty());
  BOOST_TEST(f.term() == f.before);
}

BOOST_AUTO_TEST_CASE(a_run_without_rescue_waits_for_somebody_to_come) {
  fixture f{{2, 1}, 0ms};
  f.kill(3);
  f.pass(60s);
  BOOST_TEST(f.orders.empty());
}

BOOST_AUTO_TEST_CASE(several_empty_stages_are_filled_and_none_is_emptied_for_it) {
  fixture f{{4, 1, 1, 1}};
  f.peers.at(1).kept = {{0, {6}}, {1, {6}}, {2, {6}}, {3, {6}}};
  f.kill(5);
  f.kill(7);
  f.pass(10s);
  std::vector<int64_t> to;
  for (const auto& o : f.sent("MoveOrder")) {
    BOOST_TEST(o.peer <= 4U);
    to.push_back(o.value);
  }
  std::sort(to.begin(), to.end());
  BOOST_TEST(to == (std::vector<int64_t>{1, 3}), per_element());
  BOOST_TEST(f.count("rescued") == 1U);
}

// -- what cannot be rescued -----------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(without_copies_the_message_says_what_is_lost_and_what_to_do) {
  fixture f{{2, 1}};
  f.peers.at(1).kept = {{0, {2, 4}}};
  f.kill(3);
  f.pass(10s);
  BOOST_REQUIRE(f.count("stage_lost") >= 1U);
  BOOST_TEST(f.last<int64_t>("stage_lost", "stage") == 1);
  BOOST_TEST(f.last<std::string>("stage_lost", "detail") ==
             "no copy of stage 1 is left that goes with the others' (newest copies: stage 0 at "
             "step 4): bring back a peer that kept its state, or begin anew from a checkpoint");
  BOOST_TEST(f.sent("MoveOrder").empty());
  BOOST_TEST(f.sent("Restore").empty());
}

BOOST_AUTO_TEST_CASE(a_run_that_was_lost_goes_on_when_a_copy_turns_up) {
  fixture f{{2, 1}};
  f.peers.at(1).kept = {{0, {2, 4}}};
  f.kill(3);
  f.pass(10s);
  BOOST_REQUIRE(f.count("stage_lost") >= 1U);
  // A peer that kept its state is started again.
  f.add(9, 1, wire::member_state::joining).kept = {{1, {2}}};
  f.pass(10s);
  BOOST_TEST(f.sent("MoveOrder").empty());
  BOOST_REQUIRE(f.count("rescued") == 1U);
  BOOST_TEST(f.last<int64_t>("rescued", "step") == 2);
  BOOST_TEST(f.count("coordinator_took_over") == 1U);
}

BOOST_AUTO_TEST_CASE(the_last_peer_of_a_stage_is_never_moved_and_the_message_asks_for_another) {
  fixture f{{1, 1}};
  f.peers.at(1).kept = {{0, {6}}, {1, {6}}};
  f.kill(2);
  f.pass(10s);
  BOOST_TEST(f.sent("MoveOrder").empty());
  BOOST_TEST(f.sent("Restore").empty());
  BOOST_REQUIRE(f.count("stage_needs_peer") >= 1U);
  BOOST_TEST(f.last<std::string>("stage_needs_peer", "detail") ==
             "stage 1 has no peer and no other stage can spare one: start a further peer");
  f.add(9, 1, wire::member_state::joining);
  f.pass(10s);
  BOOST_TEST(f.count("rescued") == 1U);
  BOOST_TEST(f.sent_to("Restore") == (std::set<uint64_t>{1, 9}), per_element());
}

BOOST_AUTO_TEST_CASE(a_steward_that_is_silent_or_damaged_holds_nothing_up_and_offers_nothing) {
  for (const bool silent : {true, false}) {
    emptied f;
    // It alone has version 4 of stage 1.
    auto& p = f.peers.at(1);
    (silent ? p.inventory_lost : p.inventory_damaged) = true;
    f.peers.at(2).kept = {{0, {2, 4}}, {2, {2}}};
    f.pass(30s);
    BOOST_REQUIRE(f.count("rescued") == 1U);
    BOOST_TEST(f.last<int64_t>("rescued", "step") == 2);
  }
}

BOOST_AUTO_TEST_CASE(absurd_inventories_are_read_with_care) {
  emptied f;
  auto& p = f.peers.at(4);
  p.kept[77] = {6};
  p.kept[1] = {-5, 2};
  p.kept[~0U] = {4};
  for (int64_t v = 1'000; v < 3'000; ++v)
    p.kept[78].insert(v);
  f.pass(10s);
  BOOST_REQUIRE(f.count("rescued") == 1U);
  BOOST_TEST(f.last<int64_t>("rescued", "step") == 4);
}

BOOST_AUTO_TEST_CASE(copies_that_cannot_exist_are_none) {
  fixture f{{2, 1}};
  f.peers.at(1).kept = {{0, {-5, 4}}, {1, {-5}}, {77, {4}}};
  f.kill(3);
  f.pass(10s);
  BOOST_TEST(f.count("rescued") == 0U);
  BOOST_REQUIRE(f.count("stage_lost") >= 1U);
  const auto detail = f.last<std::string>("stage_lost", "detail");
  BOOST_TEST(detail.find("(newest copies: stage 0 at step 4)") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_worker_that_does_not_answer_the_restore_holds_nothing_up_for_ever) {
  emptied f;
  f.peers.at(4).restores = false;
  f.pass(35s);
  BOOST_TEST(f.count("rescued") >= 1U);
  f.peers.at(4).restores = true;
  f.pass(60s);
  BOOST_TEST(f.peers.at(4).version == 4);
}

// -- moves that peers ask for
// -----------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_move_is_granted_between_two_steps) {
  fixture f{{3, 1}};
  CHECK_SAID(f.ask(1, 0, 1), GRANTED);
  BOOST_TEST(f.count("move_granted") == 1U);
  BOOST_TEST(f.last<int64_t>("move_granted", "peer") == 1);
  BOOST_TEST(f.last<int64_t>("move_granted", "from") == 0);
  BOOST_TEST(f.last<int64_t>("move_granted", "to") == 1);
}

BOOST_AUTO_TEST_CASE(in_the_middle_of_a_step_nobody_is_answered) {
  fixture f{{3, 1}};
  // Nobody trains, so the step does not end.
  testing::ask<int64_t>(f.world, f.leader, training::advance_atom::value, here + 1);
  const auto wish = f.ask(1, 0, 1);
  f.pass(20s);
  BOOST_TEST(!wish.reply->answered());
  BOOST_TEST(f.count("move_granted") == 0U);
}

BOOST_AUTO_TEST_CASE(one_move_per_stage_until_the_mover_is_there) {
  fixture f{{3, 3, 2}};
  CHECK_SAID(f.ask(1, 0, 1), GRANTED);
  CHECK_SAID(f.ask(2, 0, 2), SOURCE_BUSY);
  CHECK_SAID(f.ask(4, 1, 2), SOURCE_BUSY);
  CHECK_SAID(f.ask(7, 2, 1), TARGET_BUSY);
  // The answer may have been lost.
  CHECK_SAID(f.ask(1, 0, 1), GRANTED);
  f.arrive(1, 1);
  CHECK_SAID(f.ask(2, 0, 2), GRANTED);
}

BOOST_AUTO_TEST_CASE(the_last_live_peer_of_a_stage_stays) {
  fixture f{{2, 1}};
  CHECK_SAID(f.ask(3, 1, 0), LAST_OF_STAGE);
  // One that only fetches its state is no substitute.
  f.add(4, 1, wire::member_state::joining);
  CHECK_SAID(f.ask(3, 1, 0), LAST_OF_STAGE);
  CHECK_SAID(f.ask(1, 0, 1), GRANTED);
  f.arrive(1, 1);
  CHECK_SAID(f.ask(2, 0, 1), LAST_OF_STAGE);
}

BOOST_AUTO_TEST_CASE(a_peer_that_dies_does_not_count_as_one_that_stays) {
  fixture f{{3, 1}};
  CHECK_SAID(f.ask(4, 1, 0), LAST_OF_STAGE);
  f.kill(1);
  f.kill(2);
  CHECK_SAID(f.ask(3, 0, 1), LAST_OF_STAGE);
}

BOOST_AUTO_TEST_CASE(who_comes_later_may_move_too_and_can_be_left_behind) {
  fixture f{{2, 1}};
  CHECK_SAID(f.ask(3, 1, 0), LAST_OF_STAGE);
  f.add(8, 1);
  f.add(9, 0);
  CHECK_SAID(f.ask(9, 0, 1), GRANTED);
  f.arrive(9, 1);
  CHECK_SAID(f.ask(3, 1, 0), GRANTED);
}

BOOST_AUTO_TEST_CASE(nonsense_is_refused_by_name) {
  fixture f{{3, 1}};
  CHECK_SAID(f.ask(1, 1, 0), WRONG_SOURCE);
  CHECK_SAID(f.ask(1, 0, 9), UNKNOWN_STAGE);
  CHECK_SAID(f.ask(1, 0, 0), SAME_STAGE);
  const auto earlier = f.peers.at(1).id;
  f.arrive(1, 0);
  f.peers.at(1).id = earlier;
  CHECK_SAID(f.ask(1, 0, 1), UNKNOWN_WORKER);
  const auto damaged =
      testing::ask<wire::move_answer>(f.world, f.leader, wire::move_request{wire::errc::malformed});
  BOOST_TEST(damaged->failed);
}

BOOST_AUTO_TEST_CASE(who_does_not_lead_grants_nothing) {
  fixture f{{3, 1}};
  const auto other = f.add_candidate(1'001, false);
  CHECK_SAID(f.ask(other, 1, 0, 1), NOT_LEADING);
}

BOOST_AUTO_TEST_CASE(a_new_leader_grants_nothing_until_older_grants_are_over) {
  fixture f{{3, 1}};
  const auto other = f.add_candidate(1'001, false);
  caf::anon_send_exit(f.leader, caf::exit_reason::kill);
  f.pass(10s);
  BOOST_REQUIRE(f.count("coordinator_took_over") == 1U);
  CHECK_SAID(f.ask(other, 1, 0, 1), DESK_IS_NEW);
  f.pass(60s);
  CHECK_SAID(f.ask(other, 1, 0, 1), GRANTED);
}

BOOST_AUTO_TEST_CASE(while_a_stage_is_being_rescued_nobody_moves_by_himself) {
  fixture f{{3, 1}};
  f.peers.at(1).kept = {{0, {6}}};
  f.kill(4);
  f.pass(5s);
  BOOST_REQUIRE(f.count("stage_lost") >= 1U);
  CHECK_SAID(f.ask(1, 0, 1), DESK_IS_NEW);
  BOOST_TEST(f.count("move_granted") == 0U);
}
