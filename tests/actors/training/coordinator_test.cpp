#include "actors/training/coordinator.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/sec.hpp>
#include <caf/send.hpp>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "actors/peer/directory.hpp"
#include "actors/telemetry/event.hpp"
#include "actors/wire/ticket.hpp"
#include "tests/actors/training/virtual_world.hpp"

namespace {

using namespace swarm;
using namespace std::chrono_literals;
using testing::life;

constexpr int64_t microbatches = 4;

/// A worker that says what the test wants.
struct fake_worker {
  worker_id id;
  stage_id stage{0};
  worker_id says;  ///< whom its answers name
  std::set<int64_t> held;
  std::set<int64_t> loses;  ///< by the first gather
  std::string sum = "sum";
  std::string weights = "weights";
  bool answers_gather = true;
  bool answers_reduce = true;
  int gathers = 0;
  int drops = 0;
  std::vector<size_t> groups;  ///< members of each reduce
  std::vector<double> scales;  ///< of each commit
  caf::actor handle;
};

struct fake_trainer {
  bool answers = true;
  std::set<int64_t> non_finite;
  std::vector<int> weights;  ///< of the items it got
  std::vector<int64_t> microbatches;
  caf::actor handle;
};

class fixture {
 public:
  explicit fixture(int32_t stages, std::chrono::milliseconds settle = 0ms) {
    directory_ = world.own(peer::spawn_directory(world.system()));
    training::coordinator_options options;
    options.id = life(1'000);
    options.stages = stages;
    options.settle = settle;
    options.microbatches = microbatches;
    options.optimizer.clip_norm = 0;
    options.directory = directory_;
    options.telemetry = world.own(world.system().spawn([this]() -> caf::behavior {
      return {[this](const telemetry::event& e) { ++events[e.name]; }};
    }));
    coordinator = world.own(training::spawn_coordinator(world.system(), options));
    world.run();
  }

  std::shared_ptr<fake_worker> add_worker(uint64_t peer, int32_t stage);
  std::shared_ptr<fake_trainer> add_trainer(uint64_t peer);

  void announce(const fake_worker& w, wire::member_state state = wire::member_state::serving) {
    auto m = testing::serving(w.id, w.stage, w.handle);
    m.state = state;
    caf::anon_send(directory_, wire::announce_atom::value, m);
    world.run();
  }

  void advance(int64_t version) {
    world.own(world.system().spawn([=](caf::event_based_actor* self) {
      self->request(coordinator, caf::infinite, training::advance_atom::value, version)
          .then([this](int64_t reached) { reached_ = reached; },
                [this](caf::error& error) { error_ = error; });
    }));
    world.run();
  }

  testing::virtual_world world;
  training::coordinator_actor coordinator;
  std::map<std::string, int> events;
  std::optional<int64_t> reached_;
  std::optional<caf::error> error_;
  std::map<uint64_t, std::shared_ptr<fake_worker>> workers;

 private:
  void work(const schemas::LeaseItem::Reader& item, const fake_trainer& trainer);

  wire::directory_actor directory_;
};

template <class Reply, class Request>
wire::builder<Reply> answer(const fake_worker& w, const Request& m) {
  wire::builder<Reply> reply;
  wire::to_wire(w.says, reply->initWorker());
  reply->setStep(m.read()->getStep());
  reply->setRound(m.read()->getRound());
  return reply;
}

wire::holding holding_of(const fake_worker& w, const wire::gather& m) {
  auto reply = answer<schemas::Holding>(w, m);
  std::vector<uint8_t> bits(8, 0);
  for (int64_t i : w.held)
    bits[static_cast<size_t>(i / 8)] |= static_cast<uint8_t>(1 << (i % 8));
  reply->setHeld(capnp::Data::Reader(bits.data(), bits.size()));
  return reply.finish();
}

caf::behavior play(caf::event_based_actor* self, const std::shared_ptr<fake_worker>& w) {
  return {[](const wire::beat&) {},
          [=](const wire::gather& m) -> caf::result<wire::holding> {
            ++w->gathers;
            for (int64_t m : std::exchange(w->loses, {}))
              w->held.erase(m);
            if (!w->answers_gather) return self->make_response_promise<wire::holding>();
            return holding_of(*w, m);
          },
          [=](const wire::drop& m) {
            ++w->drops;
            w->held.clear();
            return answer<schemas::Holding>(*w, m).finish();
          },
          [=](const wire::reduce& m) -> caf::result<wire::reduced> {
            w->groups.push_back(m.read()->getMembers().size());
            if (!w->answers_reduce) return self->make_response_promise<wire::reduced>();
            auto reply = answer<schemas::Reduced>(*w, m);
            reply->setHash(w->sum);
            reply->setSquaredNorm(1);
            return reply.finish();
          },
          [=](const wire::commit& m) {
            w->scales.push_back(m.read()->getScale());
            w->held.clear();
            wire::builder<schemas::Committed> reply;
            wire::to_wire(w->says, reply->initWorker());
            reply->setVersion(m.read()->getStep() + 1);
            reply->setWeightsHash(w->weights);
            return reply.finish();
          }};
}

std::shared_ptr<fake_worker> fixture::add_worker(uint64_t peer, int32_t stage) {
  auto w = std::make_shared<fake_worker>();
  w->id = w->says = life(peer);
  w->stage = stage_id{stage};
  workers[peer] = w;
  const auto actor =
      world.own(world.system().spawn([w](caf::event_based_actor* self) { return play(self, w); }));
  w->handle = actor;
  announce(*w);
  return w;
}

/// The first worker of each stage that is asked for takes the microbatch.
void fixture::work(const schemas::LeaseItem::Reader& item, const fake_trainer& trainer) {
  const int64_t m = item.getMicrobatch();
  if (trainer.non_finite.count(m) != 0) return;
  if (item.getWeight() < 0) {
    workers.at(item.getTarget().getPeer())->held.erase(m);
    return;
  }
  std::set<stage_id> done;
  for (auto& [peer, w] : workers)
    if ((item.getStages() >> w->stage.value() & 1) != 0 && done.insert(w->stage).second)
      w->held.insert(m);
}

std::shared_ptr<fake_trainer> fixture::add_trainer(uint64_t peer) {
  auto t = std::make_shared<fake_trainer>();
  t->handle = world.own(world.system().spawn([=](caf::event_based_actor* self) -> caf::behavior {
    return {[](const wire::begin_step&) {},
            [=](const wire::lease& m) {
              const auto to = caf::actor_cast<wire::coordinator_inbox>(self->current_sender());
              const auto lease = m.read();
              for (const auto& item : lease->getItems()) {
                t->weights.push_back(item.getWeight());
                t->microbatches.push_back(item.getMicrobatch());
                if (!t->answers) continue;
                work(item, *t);
                wire::builder<schemas::LeaseDone> done;
                wire::set_step_round(*done, wire::step_round_of(*lease));
                done->setItem(item.getItem());
                done->setMicrobatch(item.getMicrobatch());
                done->setOutcome(t->non_finite.count(item.getMicrobatch()) != 0
                                     ? schemas::LeaseDone::Outcome::NON_FINITE
                                     : schemas::LeaseDone::Outcome::DONE);
                done->setLoss(2);
                const auto message = done.finish();
                self->send(to, message);
                self->send(to, message);  // a repeat changes nothing
              }
            }};
  }));
  wire::member m;
  m.role = wire::member_role::trainer;
  m.id = life(peer);
  m.state = wire::member_state::serving;
  m.capacity = 2;
  m.handle = t->handle;
  caf::anon_send(directory_, wire::announce_atom::value, m);
  world.run();
  return t;
}

}  // namespace

BOOST_AUTO_TEST_CASE(steps_are_committed_until_the_target) {
  fixture f{2};
  const auto a = f.add_worker(1, 0);
  const auto b = f.add_worker(2, 1);
  f.add_trainer(100);
  f.advance(3);
  BOOST_TEST(f.reached_.value_or(-1) == 3);
  BOOST_TEST(a->scales == std::vector<double>(3, 1.0), boost::test_tools::per_element());
  BOOST_TEST(b->gathers == 3);
  f.advance(2);
  BOOST_TEST(f.error_.has_value());
}

BOOST_AUTO_TEST_CASE(a_microbatch_that_is_not_finite_is_dropped_and_the_rest_is_a_mean_again) {
  fixture f{1};
  const auto a = f.add_worker(1, 0);
  f.add_trainer(100)->non_finite = {1, 3};
  f.advance(1);
  BOOST_TEST(f.reached_.value_or(-1) == 1);
  BOOST_REQUIRE(a->scales.size() == 1U);
  BOOST_TEST(a->scales.front() == 2.0);
}

BOOST_AUTO_TEST_CASE(the_second_holder_is_told_to_give_up) {
  fixture f{1};
  f.add_worker(1, 0);
  const auto b = f.add_worker(2, 0);
  f.add_trainer(100);
  b->held = {2};
  f.advance(1);
  BOOST_TEST(f.reached_.value_or(-1) == 1);
  BOOST_TEST(b->drops == 1);  // it held nothing else
  BOOST_TEST(f.events["rework"] == 1);
}

BOOST_AUTO_TEST_CASE(what_is_lost_is_leased_to_the_trainer_that_did_it) {
  fixture f{1};
  f.add_worker(1, 0)->loses = {1, 3};
  const auto a = f.add_trainer(100);
  const auto b = f.add_trainer(101);
  f.advance(1);
  BOOST_TEST(f.reached_.value_or(-1) == 1);
  BOOST_TEST(a->microbatches == (std::vector<int64_t>{0, 2}), boost::test_tools::per_element());
  BOOST_TEST(b->microbatches == (std::vector<int64_t>{1, 3, 1, 3}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(an_empty_stage_is_waited_for) {
  fixture f{2};
  f.add_worker(1, 0);
  f.add_trainer(100);
  f.advance(1);
  f.world.pass(3s);
  BOOST_TEST(!f.reached_);
  BOOST_TEST(f.events["stage_empty"] > 2);
  f.add_worker(2, 1);
  f.world.pass(1s);
  BOOST_TEST(f.reached_.value_or(-1) == 1);
}

BOOST_AUTO_TEST_CASE(nobody_waits_longer_than_the_limit_for_a_silent_worker) {
  fixture f{1};
  f.add_worker(2, 0)->answers_gather = false;
  f.add_worker(3, 0);
  f.add_trainer(100);
  f.advance(1);
  f.world.pass(29s);
  BOOST_TEST(!f.reached_);
  f.world.pass(31s);  // the second gather, after what it held was computed again
  f.workers.erase(2);
  f.world.pass(70s);
  BOOST_TEST(f.reached_.value_or(-1) == 1);
  BOOST_TEST(f.events["worker_silent"] > 0);
}

BOOST_AUTO_TEST_CASE(a_new_run_begins_when_nobody_has_come_for_a_while) {
  fixture f{2, 2s};
  f.add_trainer(100);
  f.advance(1);
  const auto a = f.add_worker(1, 0);
  f.world.pass(10s);  // a stage has nobody
  const auto b = f.add_worker(2, 1);
  f.world.pass(1s);
  const auto late = f.add_worker(3, 1);
  f.world.pass(1500ms);
  BOOST_TEST(a->gathers == 0);
  f.world.pass(2s);
  BOOST_TEST(f.reached_.value_or(-1) == 1);
  BOOST_TEST(late->groups == std::vector<size_t>{2}, boost::test_tools::per_element());
  // Later steps wait for nobody.
  f.add_worker(4, 0);
  f.advance(2);
  BOOST_TEST(f.reached_.value_or(-1) == 2);
}

/// The commit would only tell it to fetch its state, which it has just fetched.
BOOST_AUTO_TEST_CASE(a_worker_that_comes_while_the_others_gather_is_one_of_them) {
  fixture f{1};
  const auto a = f.add_worker(1, 0);
  a->answers_gather = false;
  f.add_trainer(100);
  f.advance(1);
  BOOST_TEST(a->gathers == 1);
  const auto b = f.add_worker(2, 0);
  BOOST_TEST(b->gathers == 1);
  a->answers_gather = true;
  f.world.pass(20s);
  BOOST_TEST(f.reached_.value_or(-1) == 1);
  BOOST_TEST(a->groups == std::vector<size_t>{2}, boost::test_tools::per_element());
  BOOST_TEST(b->groups == std::vector<size_t>{2}, boost::test_tools::per_element());
  // Announced again, or at another version, it changes nothing.
  BOOST_TEST(b->gathers == 1);
}

BOOST_AUTO_TEST_CASE(a_worker_that_answers_for_another_does_not_count) {
  fixture f{1};
  const auto a = f.add_worker(1, 0);
  const auto b = f.add_worker(2, 0);
  b->says = life(1);
  f.add_trainer(100);
  f.advance(1);
  BOOST_TEST(f.reached_.value_or(-1) == 1);
  BOOST_TEST(a->groups == std::vector<size_t>{1}, boost::test_tools::per_element());
  BOOST_TEST(b->groups.empty());
}

BOOST_AUTO_TEST_CASE(a_set_beyond_the_step_does_not_count) {
  fixture f{1};
  f.add_worker(1, 0);
  const auto b = f.add_worker(2, 0);
  b->held = {7};
  f.add_trainer(100);
  f.advance(1);
  BOOST_TEST(f.reached_.value_or(-1) == 1);
  BOOST_TEST(b->groups.empty());
}

BOOST_AUTO_TEST_CASE(members_that_keep_disagreeing_do_not_stop_the_run) {
  fixture f{1};
  const auto a = f.add_worker(1, 0);
  const auto b = f.add_worker(2, 0);
  b->sum = "another";
  f.add_trainer(100);
  f.advance(1);
  BOOST_TEST(f.reached_.value_or(-1) == 1);
  BOOST_TEST(f.events["reduce_failed"] == static_cast<int>(training::failed_reduces_max));
  BOOST_TEST(a->groups.size() + b->groups.size() == 7U);
}

BOOST_AUTO_TEST_CASE(a_group_whose_reduce_never_ends_does_not_stop_the_run) {
  fixture f{1};
  const auto a = f.add_worker(1, 0);
  f.add_worker(2, 0)->answers_reduce = false;
  f.add_trainer(100);
  f.advance(1);
  f.world.pass(10min);
  BOOST_TEST(f.reached_.value_or(-1) == 1);
  // What the other one has said is in the sum: nothing is done again.
  BOOST_TEST(a->groups == std::vector<size_t>{2}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_worker_with_other_weights_is_shut_out_until_it_has_fetched) {
  fixture f{1};
  const auto a = f.add_worker(1, 0);
  const auto b = f.add_worker(2, 0);
  b->weights = "other weights";
  f.add_trainer(100);
  f.advance(1);
  BOOST_TEST(f.events["worker_diverged"] == 1);
  f.advance(2);
  BOOST_TEST(f.reached_.value_or(-1) == 2);
  BOOST_TEST(b->groups.size() == 1U);
  BOOST_TEST(b->scales.size() == 2U);  // is told, so that it learns
  b->weights = "weights";
  f.announce(*b, wire::member_state::joining);
  f.announce(*b);
  f.advance(3);
  BOOST_TEST(f.reached_.value_or(-1) == 3);
  BOOST_TEST(a->groups.back() == 2U);
}

BOOST_AUTO_TEST_CASE(the_only_worker_of_a_stage_is_never_shut_out) {
  fixture f{1};
  const auto a = f.add_worker(1, 0);
  a->says = life(1, 7);
  f.add_trainer(100);
  f.advance(1);
  f.world.pass(1s);
  BOOST_TEST(!f.reached_);
  a->says = a->id;
  f.world.pass(1s);
  BOOST_TEST(f.reached_.value_or(-1) == 1);
}

BOOST_AUTO_TEST_CASE(leases_of_a_silent_or_dead_trainer_go_to_another) {
  for (bool dead : {false, true}) {
    fixture f{1};
    f.add_worker(1, 0);
    const auto silent = f.add_trainer(100);
    silent->answers = false;
    f.add_trainer(101);
    f.advance(1);
    f.world.pass(5s);
    BOOST_TEST(!f.reached_);
    BOOST_TEST(silent->weights.size() == 2U);
    if (dead) {
      caf::anon_send_exit(silent->handle, caf::exit_reason::kill);
      f.world.pass(1s);
    } else {
      f.world.pass(10min);
    }
    BOOST_TEST(f.reached_.value_or(-1) == 1);
  }
}

BOOST_AUTO_TEST_CASE(a_worker_of_a_stage_that_the_model_does_not_have_is_nobody) {
  fixture f{1};
  f.add_worker(1, 0);
  f.add_trainer(100);
  const auto above = f.add_worker(2, 7);
  const auto below = f.add_worker(3, -1);
  f.workers.erase(2);
  f.workers.erase(3);
  f.advance(1);
  BOOST_TEST(f.reached_.value_or(-1) == 1);
  BOOST_TEST(above->gathers + below->gathers == 0);
}

BOOST_AUTO_TEST_CASE(whoever_waits_hears_when_the_coordinator_ends) {
  fixture f{1};
  f.advance(1);
  caf::anon_send_exit(f.coordinator, caf::exit_reason::kill);
  f.world.run();
  BOOST_REQUIRE(f.error_);
  BOOST_TEST((*f.error_ == caf::sec::request_receiver_down));
}
