#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <caf/send.hpp>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actors/peer/directory.hpp"
#include "actors/peer/stage_peer.hpp"
#include "actors/telemetry/event.hpp"
#include "actors/training/coordinator.hpp"
#include "actors/training/trainer.hpp"
#include "actors/wire/ticket.hpp"
#include "tests/actors/toy_engine.hpp"
#include "tests/actors/training/virtual_world.hpp"

/// Stages that are lost or left in the middle of a run of real stage peers: the weights in the end
/// are those of a run in which nothing happened. What the coordinator says to whom:
/// coordinator_rescue_test.

namespace {

using namespace swarm;
using namespace std::chrono_literals;
using testing::life;

constexpr int64_t microbatches = 2;
constexpr int64_t keep_every = 2;

class fixture {
 public:
  /// As many peers at each stage as `counts` says, with ids from 1.
  explicit fixture(const std::vector<int>& counts, bool trainer = true)
      : stages_(static_cast<int32_t>(counts.size())) {
    directory_ = world.own(peer::spawn_directory(world.system()));
    roster_.follow(world, directory_);
    telemetry_ = world.own(world.system().spawn([this]() -> caf::behavior {
      return {[this](const telemetry::event& e) { events.push_back(e); }};
    }));
    uint64_t peer = 0;
    for (size_t s = 0; s < counts.size(); ++s)
      for (int i = 0; i < counts[s]; ++i)
        add_peer(++peer, static_cast<int32_t>(s), stage::start_mode::fresh);
    if (trainer) add_trainer();
    training::coordinator_options options;
    options.id = life(1'000);
    options.stages = stages_;
    options.microbatches = microbatches;
    options.keep_every = keep_every;
    options.rescue_after = 1s;
    options.directory = directory_;
    options.telemetry = telemetry_;
    coordinator_ = world.own(training::spawn_coordinator(world.system(), options));
    world.pass(1s);
  }

  ~fixture() {
    for (auto& [id, root] : roots_)
      caf::anon_send_exit(root, caf::exit_reason::user_shutdown);
    roots_.clear();
    world.pass(1s);
    roster_.members.clear();
  }

  fixture(const fixture&) = delete;
  fixture& operator=(const fixture&) = delete;

  void add_peer(uint64_t id, int32_t at, stage::start_mode start) {
    peer::stage_peer_options options;
    options.id = peer_id{id};
    options.stage = stage_id{at};
    options.start = start;
    options.make_engine = [n = stages_](stage_id s) {
      return testing::make_toy_engine(s.value() == 0, s.value() == n - 1, microbatches);
    };
    options.detached = false;
    options.directory = directory_;
    options.telemetry = telemetry_;
    options.stages.assign(static_cast<size_t>(stages_), {});
    roots_[id] = world.own(peer::spawn_stage_peer(world.system(), options));
    world.run();
  }

  void add_trainer() {
    training::trainer_options options;
    options.id = life(100);
    options.stages = stages_;
    options.source = testing::toy_microbatch;
    options.directory = directory_;
    world.own(training::spawn_trainer(world.system(), options));
    world.run();
  }

  /// With worker, replicator and copies.
  void kill(uint64_t peer) {
    caf::anon_send_exit(roots_.at(peer), caf::exit_reason::kill);
    roots_.erase(peer);
    world.run();
  }

  /// Step by step, so that copies can be made between them.
  bool train_to(int64_t version) {
    for (; at_ < version; ++at_) {
      const auto reply = begin(at_ + 1);
      for (int i = 0; i < 60 && !reply->answered(); ++i)
        world.pass(1s);
      if (!reply->value) return false;
      world.pass(2s);
    }
    return true;
  }

  std::shared_ptr<testing::reply_slot<int64_t>> begin(int64_t version) {
    return testing::ask<int64_t>(world, coordinator_, training::advance_atom::value, version);
  }

  /// Its wish, and when it is granted the order to its own replicator, as a rebalancer does it.
  std::shared_ptr<testing::reply_slot<wire::move_answer>> wish(uint64_t peer, int32_t to) {
    const auto me = roster_.worker(peer).value();
    wire::builder<schemas::MoveRequest> message;
    wire::to_wire(me.id, message->initWorker());
    message->setFrom(static_cast<uint32_t>(me.stage.value()));
    message->setTo(static_cast<uint32_t>(to));
    return testing::ask<wire::move_answer>(world, coordinator_, message.finish());
  }

  /// As the answer to its wish says.
  void move(uint64_t peer, int32_t to, const wire::move_answer& granted) {
    const auto replicator =
        caf::actor_cast<wire::replicator_actor>(roster_.worker(peer).value().replicator);
    wire::builder<schemas::MoveOrder> message;
    message->setStage(static_cast<uint32_t>(to));
    message->setTerm(granted.read()->getTerm());
    testing::ask<wire::move_done>(world, replicator, message.finish());
  }

  int32_t stage_of(uint64_t peer) const { return roster_.worker(peer).value().stage.value(); }

  /// Every worker serves, and has bit for bit the weights of so many steps without actors.
  bool weights_are(int64_t steps) {
    const auto right = testing::toy_reference(stages_, microbatches, steps);
    return std::all_of(roots_.begin(), roots_.end(), [&](const auto& root) {
      const auto m = roster_.worker(root.first);
      if (!m || m->state != wire::member_state::serving) return false;
      wire::builder<schemas::StateRequest> message;
      message->setStage(static_cast<uint32_t>(m->stage.value()));
      message->setVersion(-1);
      message->setElements(1'000);
      const auto reply = testing::ask<wire::state_chunk>(
          world, caf::actor_cast<wire::stage_worker_actor>(m->handle), message.finish());
      if (!reply->value) return false;
      const auto chunk = reply->value->read();
      const auto& expected = right[static_cast<size_t>(m->stage.value())];
      const auto bytes = chunk->getBytes();
      return chunk->getVersion() == steps && bytes.size() >= expected.bytes() &&
             std::memcmp(bytes.begin(), expected.data(), expected.bytes()) == 0;
    });
  }

  size_t count(const std::string& event) const {
    return static_cast<size_t>(std::count_if(events.begin(), events.end(),
                                             [&](const auto& e) { return e.name == event; }));
  }

  /// Of the last such event, or -1.
  int64_t last(const std::string& event, const std::string& key) const {
    int64_t result = -1;
    for (const auto& e : events)
      if (e.name == event)
        if (const auto* value = telemetry::find(e, key)) result = std::get<int64_t>(*value);
    return result;
  }

  testing::virtual_world world;
  std::vector<telemetry::event> events;

 private:
  int32_t stages_;
  int64_t at_ = 0;
  wire::directory_actor directory_;
  testing::roster_watch roster_;
  caf::actor telemetry_;
  training::coordinator_actor coordinator_;
  std::map<uint64_t, caf::actor> roots_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(training_goes_on_after_a_stage_has_lost_everybody) {
  for (const int64_t lost_at : {3, 4, 5}) {
    fixture f{{2, 1}};
    BOOST_REQUIRE(f.train_to(lost_at));
    BOOST_REQUIRE(f.weights_are(lost_at));
    const auto term = f.last("step", "term");
    f.kill(3);
    BOOST_REQUIRE(f.train_to(lost_at + 5));
    BOOST_TEST(f.weights_are(lost_at + 5));
    BOOST_TEST(f.count("peer_moved") == 1U);
    BOOST_TEST(f.last("peer_moved", "stage") == 1);
    BOOST_TEST(f.count("rescued") == 1U);
    BOOST_TEST(f.last("rescued", "from") == lost_at);
    BOOST_TEST(f.last("rescued", "step") >= lost_at - keep_every);
    BOOST_TEST(f.last("step", "term") > term);
    BOOST_TEST(f.stage_of(1) + f.stage_of(2) == 1);
  }
}

BOOST_AUTO_TEST_CASE(it_does_not_matter_which_stage_is_lost) {
  for (const int32_t lost : {0, 1, 2}) {
    fixture f{{2, 2, 2}};
    BOOST_REQUIRE(f.train_to(5));
    for (const uint64_t i : {1U, 2U})
      f.kill(static_cast<uint64_t>(lost) * 2 + i);
    BOOST_REQUIRE(f.train_to(9));
    BOOST_TEST(f.weights_are(9));
    BOOST_TEST(f.last("peer_moved", "stage") == lost);
  }
}

BOOST_AUTO_TEST_CASE(two_stages_one_after_the_other_may_be_lost) {
  fixture f{{3, 1}};
  BOOST_REQUIRE(f.train_to(4));
  f.kill(4);
  BOOST_REQUIRE(f.train_to(7));
  // Whoever was moved is the only one again.
  for (const uint64_t peer : {1U, 2U, 3U})
    if (f.stage_of(peer) == 1) {
      f.kill(peer);
      break;
    }
  BOOST_REQUIRE(f.train_to(10));
  BOOST_TEST(f.weights_are(10));
  BOOST_TEST(f.count("rescued") == 2U);
}

BOOST_AUTO_TEST_CASE(a_stage_that_is_lost_in_the_middle_of_a_step_costs_no_gradient) {
  fixture f{{2, 1}, false};
  const auto reply = f.begin(1);
  f.world.pass(5s);
  f.kill(3);
  f.world.pass(5s);
  BOOST_TEST(!reply->answered());
  f.add_trainer();
  f.world.pass(30s);
  BOOST_TEST(reply->value.has_value());
  BOOST_TEST(f.weights_are(1));
}

BOOST_AUTO_TEST_CASE(when_nobody_can_be_spared_the_run_waits_for_a_newcomer) {
  fixture f{{1, 1}};
  BOOST_REQUIRE(f.train_to(4));
  f.kill(2);
  const auto reply = f.begin(5);
  f.world.pass(20s);
  BOOST_TEST(!reply->answered());
  BOOST_TEST(f.count("stage_needs_peer") >= 1U);
  BOOST_TEST(f.stage_of(1) == 0);
  f.add_peer(9, 1, stage::start_mode::fetch);
  f.world.pass(20s);
  BOOST_TEST(reply->value.has_value());
  BOOST_TEST(f.weights_are(5));
}

BOOST_AUTO_TEST_CASE(a_copy_that_went_with_its_backups_is_missed_by_name) {
  fixture f{{1, 1, 1}};
  BOOST_REQUIRE(f.train_to(4));
  // Both stage 1 and the one that keeps its copies.
  f.kill(2);
  f.kill(1);
  f.add_peer(9, 1, stage::start_mode::fetch);
  f.add_peer(10, 0, stage::start_mode::fetch);
  f.world.pass(20s);
  BOOST_TEST(f.count("stage_lost") >= 1U);
  BOOST_TEST(f.last("stage_lost", "stage") == 1);
  BOOST_TEST(f.count("rescued") == 0U);
}

// -- moves by a peer's own wish -------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_wish_is_granted_when_the_step_is_over_and_training_goes_on) {
  fixture f{{3, 1}, false};
  const auto step = f.begin(1);
  const auto wish = f.wish(1, 1);
  f.world.pass(10s);
  BOOST_TEST(!step->answered());
  BOOST_TEST(!wish->answered());
  f.add_trainer();
  f.world.pass(1s);
  BOOST_REQUIRE(wish->value);
  BOOST_CHECK(wish->value->read()->getVerdict() == schemas::MoveAnswer::Verdict::GRANTED);
  const auto at = [&](const std::string& name) {
    return std::find_if(f.events.begin(), f.events.end(),
                        [&](const auto& e) { return e.name == name; });
  };
  BOOST_REQUIRE((at("step") != f.events.end()));
  BOOST_TEST((at("step") < at("move_granted")));
  f.move(1, 1, *wish->value);
  BOOST_REQUIRE(f.train_to(5));
  BOOST_TEST(f.stage_of(1) == 1);
  BOOST_TEST(f.weights_are(5));
  BOOST_TEST(f.count("rescue_begins") == 0U);
}
