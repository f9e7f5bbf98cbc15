#include <boost/test/unit_test.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>

#include "actors/wire/ticket.hpp"
#include "tests/actors/training/tapped_swarm.hpp"

/// One coordinator after another, and beside another.

namespace {

using namespace swarm;
using namespace std::chrono_literals;
using testing::fate;
using testing::life;
using testing::tapped_call;
using testing::tapped_swarm;

constexpr uint64_t leader = 1'000;
constexpr uint64_t standby = 1'001;

/// Kills the leader when the n-th such request of step 1 comes; true from then on for requests of
/// the leader's term.
struct fatal_request {
  tapped_swarm& swarm;
  std::string kind;
  int which = 1;
  uint64_t term = 0;
  int seen = 0;

  bool operator()(const tapped_call& c) {
    if (term != 0) return c.term == term;
    if (c.kind != kind || c.step != 1 || ++seen < which) return false;
    term = c.term;
    swarm.kill_candidate(leader);
    return true;
  }
};

/// Reports what the test tells it to about its leases.
struct scripted_trainer {
  explicit scripted_trainer(tapped_swarm& s, schemas::LeaseDone::Outcome outcome,
                            uint64_t seen_term = 0, int64_t seen_version = 0) {
    const auto actor = s.world.own(s.world.system().spawn([=](caf::event_based_actor* self) {
      return caf::behavior{[](const wire::begin_step&) {},
                           [=](const wire::lease& m) {
                             ++leases;
                             const auto lease = m.read();
                             for (const auto& item : lease->getItems()) {
                               wire::builder<schemas::LeaseDone> done;
                               wire::set_step_round(*done, wire::step_round_of(*lease));
                               done->setItem(item.getItem());
                               done->setMicrobatch(item.getMicrobatch());
                               done->setOutcome(outcome);
                               done->setSeenTerm(seen_term);
                               done->setSeenVersion(seen_version);
                               self->send(
                                   caf::actor_cast<wire::coordinator_inbox>(self->current_sender()),
                                   done.finish());
                             }
                           }};
    }));
    wire::member m;
    m.role = wire::member_role::trainer;
    m.id = life(101);
    m.state = wire::member_state::serving;
    m.capacity = 8;
    m.handle = actor;
    s.announce(m);
    s.run();
  }

  int leases = 0;
};

}  // namespace

// -- one after another ----------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_standby_ends_the_step_whatever_the_leader_was_at) {
  struct moment {
    std::string kind;
    int which;
    bool finishes;
  };
  // Of 2 stages with 2 workers and 4 microbatches.
  for (const auto& at :
       {moment{"Forward", 3, false}, moment{"Loss", 2, false}, moment{"Backward", 4, false},
        moment{"Gather", 1, false}, moment{"Gather", 4, false}, moment{"Reduce", 1, false},
        moment{"Reduce", 3, false}, moment{"Commit", 2, true}, moment{"Commit", 3, true},
        moment{"Commit", 4, false}}) {
    for (const bool lost : {false, true}) {
      tapped_swarm s{2};
      fatal_request fatal{s, at.kind, at.which};
      s.tap = [&](const tapped_call& c) { return fatal(c) && lost ? fate::lose : fate::pass; };
      s.add_candidate(leader, true);
      s.add_candidate(standby, false);
      s.advance(standby, 4);
      s.advance(leader, 4);
      s.pass(10min);
      BOOST_TEST_CONTEXT(at.kind << ' ' << at.which << (lost ? " lost" : " passed")) {
        BOOST_TEST(fatal.term != 0U);
        BOOST_TEST(s.reached[standby] == 4);
        BOOST_TEST(s.events["coordinator_took_over"] == 1);
        if (at.finishes && lost) BOOST_TEST(s.events["commit_finished"] == 1);
        BOOST_TEST(s.weights_are(4));
      }
    }
  }
}

/// Worker 2 has the sum and misses the commit; worker 1, who applied it, tells the new leader so
/// and dies before 2 can fetch from it.
BOOST_AUTO_TEST_CASE(a_commit_outlives_everybody_of_a_stage_who_applied_it) {
  tapped_swarm s{2};
  uint64_t term = 0;
  s.tap = [&](const tapped_call& c) {
    if (c.kind == "Commit" && c.step == 1 && term == 0) {
      term = c.term;
      s.kill_candidate(leader);
    }
    if (c.kind == "Commit" && c.term == term && c.worker == 2) return fate::lose;
    if (term != 0 && c.term > term && c.kind != "TakeOver" && s.workers.at(1).worker)
      s.kill_worker(1);
    return fate::pass;
  };
  s.add_candidate(leader, true);
  s.add_candidate(standby, false);
  s.advance(standby, 4);
  s.advance(leader, 4);
  s.pass(10min);
  BOOST_TEST(!s.workers.at(1).worker);
  BOOST_TEST(s.reached[standby] == 4);
  BOOST_TEST(s.weights_are(4));
}

BOOST_AUTO_TEST_CASE(whoever_asked_a_standby_hears_when_the_leader_gets_there) {
  tapped_swarm s{1};
  s.add_candidate(leader, true);
  s.add_candidate(standby, false);
  s.advance(standby, 2);
  s.pass(5s);
  BOOST_TEST(s.reached.count(standby) == 0U);
  s.advance(leader, 3);
  s.pass(5s);
  BOOST_TEST(s.reached[leader] == 3);
  BOOST_TEST(s.reached[standby] == 3);
  BOOST_TEST(s.events.count("coordinator_took_over") == 0U);
}

BOOST_AUTO_TEST_CASE(a_leader_that_comes_back_stands_by) {
  tapped_swarm s{1};
  s.add_candidate(leader, true);
  s.add_candidate(standby, false);
  s.advance(leader, 1);
  s.kill_candidate(leader);
  s.pass(20s);
  BOOST_TEST(s.events["coordinator_leads"] == 1);
  s.add_candidate(leader, false);
  s.advance(leader, 2);
  s.advance(standby, 2);
  s.pass(20s);
  BOOST_TEST(s.events["coordinator_leads"] == 1);
  BOOST_TEST(s.reached[leader] == 2);
  BOOST_TEST(s.weights_are(2));
}

// -- one beside another ---------------------------------------------------------------------------

/// Its own link is broken; the workers' are not.
BOOST_AUTO_TEST_CASE(a_candidate_that_alone_does_not_hear_the_leader_deposes_nobody) {
  tapped_swarm s{2};
  s.add_candidate(leader, true);
  s.advance(leader, 2);
  s.add_candidate(standby, false, true);
  s.pass(5min);
  BOOST_TEST(s.events.count("coordinator_leads") == 0U);
  s.advance(leader, 4);
  s.pass(1s);
  BOOST_TEST(s.reached[leader] == 4);
  BOOST_TEST(s.events.count("coordinator_stands_down") == 0U);
  BOOST_TEST(s.weights_are(4));
}

BOOST_AUTO_TEST_CASE(of_two_leaders_the_lower_is_fenced_out) {
  tapped_swarm s{2};
  s.beats_arrive = false;
  s.add_candidate(leader, true);
  s.advance(leader, 2);
  BOOST_TEST(s.reached[leader] == 2);
  // Sees nobody lead, and takes over.
  s.add_candidate(standby, false, true);
  s.pass(5s);
  s.advance(standby, 4);
  BOOST_TEST(s.reached[standby] == 4);
  BOOST_TEST(s.events.count("coordinator_stands_down") == 0U);
  s.advance(leader, 6);
  s.pass(1s);
  BOOST_TEST(s.events["coordinator_stands_down"] == 1);
  BOOST_TEST(s.weights_are(4));
}

BOOST_AUTO_TEST_CASE(a_leader_that_hears_of_a_higher_term_stands_down_at_once) {
  tapped_swarm s{1};
  s.add_candidate(leader, true);
  s.advance(leader, 1);
  wire::member m;
  m.role = wire::member_role::coordinator;
  m.id = life(2'000);
  m.state = wire::member_state::serving;
  m.term = uint64_t{1} << 60;
  m.version = 1;
  m.handle = s.world.own(s.world.system().spawn([](caf::event_based_actor*) -> caf::behavior {
    return {[](const wire::roster_update&) {}};
  }));
  s.announce(m);
  s.run();
  BOOST_TEST(s.events["coordinator_stands_down"] == 1);
  const auto before = s.calls.size();
  s.advance(leader, 2);
  s.pass(1s);
  BOOST_TEST(s.calls.size() == before);
}

/// All workers have forgotten the higher term, and its leader is dead.
BOOST_AUTO_TEST_CASE(a_standby_that_knows_of_a_higher_term_follows_the_leader_all_the_same) {
  tapped_swarm s{2};
  s.add_candidate(leader, true);
  const auto other = s.add_candidate(standby, false);
  s.pass(1s);
  wire::builder<schemas::Beat> beat;
  beat->setTerm(uint64_t{7} << 32);
  caf::anon_send(caf::actor_cast<caf::actor>(other), beat.finish());
  s.advance(leader, 2);
  s.advance(standby, 2);
  s.pass(2min);
  BOOST_TEST(s.reached[leader] == 2);
  BOOST_TEST(s.reached[standby] == 2);
  BOOST_TEST(s.events["coordinator_stands_down"] == 1);
  BOOST_TEST(s.weights_are(2));
}

BOOST_AUTO_TEST_CASE(a_trainer_tells_a_leader_of_a_higher_term_and_of_a_newer_version) {
  {
    tapped_swarm s{1, 4, false};
    scripted_trainer t{s, schemas::LeaseDone::Outcome::RETURNED, uint64_t{1} << 60};
    s.add_candidate(leader, true);
    s.advance(leader, 1);
    s.run();
    BOOST_TEST(s.events["coordinator_stands_down"] == 1);
    BOOST_TEST(t.leases == 1);
  }
  {
    tapped_swarm s{1, 4, false};
    scripted_trainer t{s, schemas::LeaseDone::Outcome::RETURNED, 0, 7};
    s.add_candidate(leader, true);
    s.advance(leader, 1);
    s.run();
    BOOST_TEST(s.events["overtaken"] == 1);
    BOOST_TEST(s.sent("TakeOver", 1) == 1);
    BOOST_TEST(s.events.count("coordinator_stands_down") == 0U);
  }
}

BOOST_AUTO_TEST_CASE(a_lease_that_is_returned_at_once_is_not_given_out_without_pause) {
  tapped_swarm s{1, 4, false};
  scripted_trainer t{s, schemas::LeaseDone::Outcome::RETURNED};
  s.add_candidate(leader, true);
  s.advance(leader, 1);
  s.pass(1s);
  BOOST_TEST(t.leases > 5);
  BOOST_TEST(t.leases < 25);
}
