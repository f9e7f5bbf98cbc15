// How long a trainer waits, what it takes back, and what it remembers.

#include <boost/test/unit_test.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>
#include <chrono>
#include <memory>
#include <vector>

#include "actors/peer/directory.hpp"
#include "actors/stage/errc.hpp"
#include "actors/training/trainer.hpp"
#include "actors/wire/tensor.hpp"
#include "actors/wire/ticket.hpp"
#include "tests/actors/toy_engine.hpp"
#include "tests/actors/training/virtual_world.hpp"

namespace {

using namespace swarm;
using namespace std::chrono_literals;
using schemas::LeaseDone;
using stage::refusal_reason;
using testing::life;

/// The last stage's worker: answers each loss after `takes`; nothing: never.
struct slow_worker {
  std::optional<std::chrono::milliseconds> takes = 0ms;
  std::optional<stage::refusal> refuses;
  std::vector<wire::ticket> calls;
  std::vector<wire::ticket> taken_back;
};
using worker_ptr = std::shared_ptr<slow_worker>;
using later_atom = caf::atom_constant<caf::atom("later")>;

wire::loss_done answer_to(const wire::loss& m) {
  wire::builder<schemas::LossDone> reply;
  wire::to_wire(wire::from_wire(m.read()->getTicket()), reply->initTicket());
  reply->setLoss(1);
  wire::attach(reply, reply->initInputGradient(),
               tensors::host_tensor::adopt(std::vector<float>{1}, {1}));
  return reply.finish();
}

caf::behavior play(caf::event_based_actor* self, const worker_ptr& w) {
  using promise = caf::typed_response_promise<wire::loss_done>;
  const auto waiting = std::make_shared<std::vector<std::pair<promise, wire::loss>>>();
  return {[=](const wire::loss& m) -> caf::result<wire::loss_done> {
            w->calls.push_back(wire::from_wire(m.read()->getTicket()));
            if (w->refuses) return stage::make_error(*w->refuses);
            auto reply = self->make_response_promise<promise>();
            if (!w->takes) return reply;
            waiting->push_back({reply, m});
            self->delayed_send(self, *w->takes, later_atom::value, waiting->size() - 1);
            return reply;
          },
          [=](const wire::cancel& m) {
            w->taken_back.push_back(wire::from_wire(m.read()->getTicket()));
          },
          [=](later_atom, size_t which) {
            auto& [reply, m] = (*waiting)[which];
            reply.deliver(answer_to(m));
          }};
}

class fixture {
 public:
  explicit fixture(uint32_t in_flight = 4) {
    directory_ = world.own(peer::spawn_directory(world.system()));
    training::trainer_options options;
    options.id = life(100);
    options.source = testing::toy_microbatch;
    options.in_flight = in_flight;
    options.directory = directory_;
    trainer = world.own(training::spawn_trainer(world.system(), options));
    coordinator_ = world.own(world.system().spawn([this]() -> caf::behavior {
      return {[this](const wire::lease_done& m) {
        const auto what = m.read()->getOutcome();
        if (what == LeaseDone::Outcome::PROGRESSED) ++renewed;
        if (what == LeaseDone::Outcome::DONE) ++done;
        if (what == LeaseDone::Outcome::RETURNED) ++returned;
      }};
    }));
    world.run();
  }

  worker_ptr add_worker(uint64_t peer) {
    auto w = std::make_shared<slow_worker>();
    const auto handle = world.own(
        world.system().spawn([w](caf::event_based_actor* self) { return play(self, w); }));
    caf::anon_send(directory_, wire::announce_atom::value,
                   testing::serving(life(peer), stage_id{0}, handle));
    world.run();
    return w;
  }

  void lease(uint32_t item, int64_t step = 0) {
    wire::builder<schemas::Lease> message;
    wire::set_step_round(*message, {term_id{1}, step_id{step}, round_id{1}});
    auto list = message->initItems(1);
    list[0].setItem(item);
    list[0].setMicrobatch(item);
    list[0].setStages(1);
    list[0].setWeight(1);
    caf::send_as(coordinator_, caf::actor_cast<caf::actor>(trainer), message.finish());
    world.run();
  }

  testing::virtual_world world;
  training::trainer_actor trainer;
  int done = 0;
  int returned = 0;
  int renewed = 0;

 private:
  wire::directory_actor directory_;
  caf::actor coordinator_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(every_call_says_how_long_its_trainer_waits) {
  fixture f;
  const auto a = f.add_worker(1);
  a->takes = 4s;
  f.lease(0);
  f.world.pass(5s);
  BOOST_REQUIRE(a->calls.size() == 1U);
  BOOST_TEST(a->calls[0].patience_ms == 30'000U);
  for (uint32_t i = 1; i < 20; ++i) {
    f.lease(i);
    f.world.pass(5s);
  }
  // By then it knows the stage, which is not given 30 s any more, nor less than it takes.
  BOOST_TEST(a->calls.back().patience_ms > 4'000U);
  BOOST_TEST(a->calls.back().patience_ms < 20'000U);
  BOOST_TEST(f.done == 20);
}

BOOST_AUTO_TEST_CASE(a_call_that_is_given_up_is_taken_back) {
  fixture f;
  const auto silent = f.add_worker(1);
  silent->takes.reset();
  f.lease(3);
  const auto good = f.add_worker(2);
  f.world.pass(29s);
  BOOST_TEST(silent->taken_back.empty());
  f.world.pass(2s);
  BOOST_REQUIRE(silent->taken_back.size() == 1U);
  const auto& t = silent->taken_back[0];
  BOOST_TEST((t.step == step_id{0} && t.microbatch == microbatch_id{3} && t.round == round_id{1}));
  BOOST_TEST(f.done == 1);
  BOOST_TEST(good->taken_back.empty());
}

BOOST_AUTO_TEST_CASE(of_calls_that_time_out_together_some_are_made_again_at_once) {
  constexpr uint32_t in_flight = 16;
  fixture f{in_flight};
  const auto silent = f.add_worker(1);
  silent->takes.reset();
  for (uint32_t i = 0; i < in_flight; ++i)
    f.lease(i);
  const auto other = f.add_worker(2);
  other->takes.reset();
  f.world.pass(31s);
  BOOST_TEST(other->calls.size() == in_flight);
  // The budget is empty by now: of the next ones only as many as it has left.
  f.world.pass(61s);
  const auto again = silent->calls.size() + other->calls.size();
  BOOST_TEST(again <= 4U * in_flight);
  f.world.pass(30min);
  BOOST_TEST(silent->calls.size() + other->calls.size() < 12U * in_flight);
}

BOOST_AUTO_TEST_CASE(a_lease_that_was_done_is_answered_from_memory) {
  fixture f;
  const auto a = f.add_worker(1);
  f.lease(0);
  f.world.pass(20ms);
  BOOST_TEST(f.done == 1);
  // The report was lost.
  f.lease(0);
  f.world.pass(20ms);
  BOOST_TEST(f.done == 2);
  BOOST_TEST(a->calls.size() == 1U);
  // Another step's item of that number is another one.
  f.lease(0, 1);
  f.world.pass(20ms);
  BOOST_TEST(f.done == 3);
  BOOST_TEST(a->calls.size() == 2U);
}

BOOST_AUTO_TEST_CASE(while_something_moves_leases_are_renewed) {
  fixture f{1};
  const auto a = f.add_worker(1);
  a->takes = 8s;
  for (uint32_t i = 0; i < 4; ++i)
    f.lease(i);
  f.world.pass(25s);
  BOOST_TEST(f.renewed > 0);
  const auto before = f.renewed;
  // Nothing comes back any more.
  a->takes.reset();
  f.world.pass(10s);
  const auto last = f.renewed;
  f.world.pass(5min);
  BOOST_TEST(f.renewed == last);
  BOOST_TEST(last <= before + 4);
}

BOOST_AUTO_TEST_CASE(whoever_stands_in_a_history_that_was_given_up_is_set_aside) {
  fixture f;
  const auto stray = f.add_worker(1);
  const auto good = f.add_worker(2);
  // The run is at step 0; it went back from 18.
  stray->refuses = stage::refusal{refusal_reason::ahead, term_id{1}, step_id{18}, {}};
  for (uint32_t i = 0; i < 8; ++i)
    f.lease(i);
  f.world.pass(5s);
  BOOST_TEST(f.done == 8);
  BOOST_TEST(f.returned == 0);
  BOOST_TEST(stray->calls.size() <= 4U);
  BOOST_TEST(good->calls.size() == 8U);
}

BOOST_AUTO_TEST_CASE(whoever_says_again_that_a_step_is_over_that_goes_on_is_set_aside) {
  fixture f{1};
  const auto stray = f.add_worker(1);
  stray->refuses = stage::refusal{refusal_reason::ahead, term_id{1}, step_id{1}, {}};
  f.lease(0);
  f.world.run();
  // It may be so.
  BOOST_TEST(f.returned == 1);
  const auto good = f.add_worker(2);
  for (int i = 0; i < 20; ++i) {
    f.lease(0);
    f.lease(1);
    f.world.pass(1s);
  }
  BOOST_TEST(f.returned == 1);
  BOOST_TEST(f.done >= 2);
  BOOST_TEST(good->calls.size() == 2U);
}
