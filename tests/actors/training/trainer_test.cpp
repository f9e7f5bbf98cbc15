#include "actors/training/trainer.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actors/peer/directory.hpp"
#include "actors/stage/errc.hpp"
#include "actors/training/lease_run.hpp"
#include "actors/training/step_ledger.hpp"
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

/// A worker that answers as it is told, and notes what it was asked: "F0 L0+1 B3-1".
struct fake_worker {
  enum class mood { good, silent, refusing, empty, of_another_microbatch, not_a_number };

  mood now = mood::good;
  refusal_reason why = refusal_reason::overloaded;
  std::pair<term_id, step_id> where;  ///< it says it is, when it refuses
  bool forgets_graphs = false;
  std::vector<std::string> calls;
  size_t inputs = 0;  ///< backward calls that brought their input
  worker_id id;
  caf::actor handle;
};

using worker_ptr = std::shared_ptr<fake_worker>;

caf::error refuse(refusal_reason why, std::pair<term_id, step_id> where = {}) {
  return stage::make_error(stage::refusal{why, where.first, where.second, {}});
}

template <class Schema, class Request, class Fill>
caf::result<wire::message<Schema>> answer(caf::event_based_actor* self, fake_worker& w,
                                          const Request& m, const std::string& call, Fill fill) {
  const auto ticket = wire::from_wire(m.read()->getTicket());
  w.calls.push_back(call);
  w.calls.back().insert(1, std::to_string(ticket.microbatch.value()));
  if (w.now == fake_worker::mood::silent)
    return self->make_response_promise<wire::message<Schema>>();
  if (w.now == fake_worker::mood::refusing) return refuse(w.why, w.where);
  wire::builder<Schema> reply;
  auto back = ticket;
  if (w.now == fake_worker::mood::of_another_microbatch) back.microbatch = microbatch_id{99};
  wire::to_wire(back, reply->initTicket());
  if (w.now != fake_worker::mood::empty)
    fill(reply, tensors::host_tensor::adopt(std::vector<float>{1, 2}, {1, 2}));
  return reply.finish();
}

std::string signed_text(int weight) {
  return (weight >= 0 ? "+" : "") + std::to_string(weight);
}

caf::behavior play(caf::event_based_actor* self, const worker_ptr& w) {
  return {[=](const wire::forward& m) {
            return answer<schemas::Activation>(self, *w, m, "F", [](auto& reply, const auto& x) {
              wire::attach(reply, reply->initOutput(), x);
            });
          },
          [=](const wire::loss& m) {
            return answer<schemas::LossDone>(self, *w, m, "L" + signed_text(m.read()->getWeight()),
                                             [w](auto& reply, const auto& x) {
                                               const bool nan =
                                                   w->now == fake_worker::mood::not_a_number;
                                               reply->setLoss(nan ? std::nan("") : 1.5);
                                               wire::attach(reply, reply->initInputGradient(), x);
                                             });
          },
          [=](const wire::backward& m) -> caf::result<wire::input_gradient> {
            const bool input = m.read()->getInput().getShape().size() != 0;
            if (input) ++w->inputs;
            if (w->forgets_graphs && !input) return refuse(refusal_reason::activation_missing);
            return answer<schemas::InputGradient>(
                self, *w, m, "B" + signed_text(m.read()->getWeight()),
                [](auto& reply, const auto& x) { wire::attach(reply, reply->initGradient(), x); });
          },
          [](const wire::cancel&) {}};
}

/// One trainer, workers and a coordinator that leases again what is returned.
class fixture {
 public:
  explicit fixture(int32_t stages, uint32_t in_flight = 4) {
    directory_ = world.own(peer::spawn_directory(world.system()));
    training::trainer_options options;
    options.id = life(100);
    options.stages = stages;
    options.source = testing::toy_microbatch;
    options.in_flight = in_flight;
    options.directory = directory_;
    trainer = world.own(training::spawn_trainer(world.system(), options));
    coordinator_ = world.own(world.system().spawn([this](caf::event_based_actor*) -> caf::behavior {
      return {[this](const wire::lease_done& m) {
        if (m.read()->getOutcome() == schemas::LeaseDone::Outcome::PROGRESSED) {
          progress.push_back(m);
          return;
        }
        const auto done = m.read();
        outcomes[done->getItem()].push_back(done->getOutcome());
        reports.push_back(m);
        if (done->getOutcome() == LeaseDone::Outcome::RETURNED && leases_again)
          lease({last_.at(done->getItem())}, done->getStep());
      }};
    }));
    world.run();
  }

  worker_ptr add_worker(uint64_t peer, int32_t stage) {
    auto w = std::make_shared<fake_worker>();
    w->id = life(peer);
    w->handle = world.own(
        world.system().spawn([w](caf::event_based_actor* self) { return play(self, w); }));
    caf::anon_send(directory_, wire::announce_atom::value,
                   testing::serving(w->id, stage_id{stage}, w->handle));
    world.run();
    return w;
  }

  training::lease_item item(uint32_t id, uint64_t stages, int weight = 1, worker_id target = {}) {
    return {id, microbatch_id{id}, stages, weight, target};
  }

  void lease(const std::vector<training::lease_item>& items, int64_t step = 0, uint64_t term = 1) {
    wire::builder<schemas::Lease> message;
    wire::set_step_round(*message, {term_id{term}, step_id{step}, round_id{1}});
    auto list = message->initItems(static_cast<unsigned>(items.size()));
    for (unsigned i = 0; i < items.size(); ++i) {
      last_[items[i].item] = items[i];
      list[i].setItem(items[i].item);
      list[i].setMicrobatch(items[i].microbatch.value());
      list[i].setStages(items[i].stages);
      list[i].setWeight(static_cast<int8_t>(items[i].weight));
      wire::to_wire(items[i].target, list[i].initTarget());
    }
    caf::send_as(coordinator_, caf::actor_cast<caf::actor>(trainer), message.finish());
  }

  testing::virtual_world world;
  training::trainer_actor trainer;
  bool leases_again = true;
  std::map<uint32_t, std::vector<LeaseDone::Outcome>> outcomes;
  std::vector<wire::lease_done> reports;   ///< of leases that have ended
  std::vector<wire::lease_done> progress;  ///< of leases that go on

 private:
  std::map<uint32_t, training::lease_item> last_;
  wire::directory_actor directory_;
  caf::actor coordinator_;
};

const std::vector<LeaseDone::Outcome> done{LeaseDone::Outcome::DONE};

}  // namespace

BOOST_AUTO_TEST_CASE(a_microbatch_goes_through_the_stages_and_back) {
  fixture f{2};
  const auto a = f.add_worker(1, 0);
  const auto b = f.add_worker(2, 1);
  f.lease({f.item(0, 3)});
  f.world.run();
  BOOST_TEST(a->calls == (std::vector<std::string>{"F0", "B0+1"}),
             boost::test_tools::per_element());
  BOOST_TEST(b->calls == (std::vector<std::string>{"L0+1"}), boost::test_tools::per_element());
  BOOST_TEST((f.outcomes[0] == done));
  // The last stage has its part before the first, and need not wait for it.
  BOOST_REQUIRE(f.progress.size() == 1U);
  BOOST_TEST(f.progress[0].read()->getStages() == 2U);
  BOOST_TEST(f.progress[0].read()->getMicrobatch() == 0);
}

BOOST_AUTO_TEST_CASE(a_call_that_fails_is_made_elsewhere) {
  for (auto mood : {fake_worker::mood::refusing, fake_worker::mood::empty,
                    fake_worker::mood::of_another_microbatch}) {
    fixture f{2};
    const auto bad = f.add_worker(1, 0);
    bad->now = mood;
    const auto good = f.add_worker(2, 0);
    f.add_worker(3, 1);
    f.lease({f.item(0, 3), f.item(1, 3)});
    f.world.run();
    BOOST_TEST(good->calls.size() == 4U);
    BOOST_TEST((f.outcomes[0] == done));
    BOOST_TEST((f.outcomes[1] == done));
  }
}

BOOST_AUTO_TEST_CASE(calls_to_a_worker_that_dies_are_made_again_at_once) {
  fixture f{1};
  const auto a = f.add_worker(1, 0);
  a->now = fake_worker::mood::silent;
  f.lease({f.item(0, 1)});
  f.world.run();
  BOOST_REQUIRE(a->calls.size() == 1U);
  const auto b = f.add_worker(2, 0);
  caf::anon_send_exit(a->handle, caf::exit_reason::kill);
  f.world.run();
  BOOST_TEST(b->calls.size() == 1U);
  BOOST_TEST((f.outcomes[0] == done));
}

BOOST_AUTO_TEST_CASE(a_silent_worker_is_waited_for_as_long_as_the_limit_says) {
  fixture f{1};
  const auto a = f.add_worker(1, 0);
  a->now = fake_worker::mood::silent;
  f.lease({f.item(0, 1)});
  f.world.pass(29s);
  f.add_worker(2, 0);
  BOOST_TEST(f.outcomes.empty());
  f.world.pass(2s);
  BOOST_TEST((f.outcomes[0] == done));
}

BOOST_AUTO_TEST_CASE(a_graph_that_is_gone_is_computed_again_from_the_saved_input) {
  fixture f{2};
  const auto a = f.add_worker(1, 0);
  a->forgets_graphs = true;
  f.add_worker(2, 1);
  f.lease({f.item(0, 3)});
  f.world.run();
  BOOST_TEST(a->inputs == 1U);
  BOOST_TEST((f.outcomes[0] == done));
}

/// A peer that was given up is not announced again as long as it lives.
BOOST_AUTO_TEST_CASE(a_stage_that_fails_for_long_is_asked_again) {
  fixture f{1};
  const auto a = f.add_worker(1, 0);
  a->now = fake_worker::mood::refusing;
  f.lease({f.item(0, 1)});
  f.world.pass(60min);
  a->now = fake_worker::mood::good;
  f.world.pass(5min);
  BOOST_TEST((f.outcomes[0].back() == LeaseDone::Outcome::DONE));
}

BOOST_AUTO_TEST_CASE(a_stage_without_workers_is_waited_for) {
  fixture f{1};
  f.lease({f.item(0, 1)});
  f.world.pass(30s);
  BOOST_TEST(f.outcomes.empty());
  f.add_worker(1, 0);
  f.world.pass(3s);
  BOOST_TEST((f.outcomes[0] == done));
}

BOOST_AUTO_TEST_CASE(whoever_must_give_up_is_not_asked_without_pause) {
  fixture f{1};
  const auto a = f.add_worker(1, 0);
  f.leases_again = false;
  a->now = fake_worker::mood::refusing;
  f.lease({f.item(0, 1, -1, a->id)});
  f.world.pass(1s);
  BOOST_TEST(a->calls.size() > 1U);
  BOOST_TEST(a->calls.size() < 10U);
  a->now = fake_worker::mood::good;
  f.world.pass(3s);
  BOOST_TEST(a->calls.back() == "L0-1");
  BOOST_TEST((f.outcomes[0] == done));
}

BOOST_AUTO_TEST_CASE(nobody_gives_up_what_a_dead_worker_held) {
  fixture f{1};
  const auto a = f.add_worker(1, 0);
  f.lease({f.item(0, 1, -1, life(7))});
  f.world.run();
  BOOST_TEST(a->calls.empty());
  BOOST_TEST((f.outcomes[0] == done));
}

BOOST_AUTO_TEST_CASE(a_repeated_lease_is_done_once) {
  fixture f{1, 1};
  const auto a = f.add_worker(1, 0);
  f.lease({f.item(0, 1), f.item(1, 1), f.item(2, 1)});
  f.lease({f.item(0, 1), f.item(1, 1), f.item(2, 1)});
  f.world.run();
  BOOST_TEST(a->calls.size() == 3U);
  for (uint32_t i = 0; i < 3; ++i)
    BOOST_TEST((f.outcomes[i] == done));
}

BOOST_AUTO_TEST_CASE(a_closed_round_returns_the_lease_and_a_bad_number_drops_the_microbatch) {
  const std::map<refusal_reason, LeaseDone::Outcome> expected{
      {refusal_reason::frozen, LeaseDone::Outcome::RETURNED},
      {refusal_reason::ahead, LeaseDone::Outcome::RETURNED},
      {refusal_reason::lower_term, LeaseDone::Outcome::RETURNED},
      {refusal_reason::non_finite, LeaseDone::Outcome::NON_FINITE}};
  for (const auto& [why, outcome] : expected) {
    fixture f{1};
    f.leases_again = false;
    const auto a = f.add_worker(1, 0);
    a->now = fake_worker::mood::refusing;
    a->why = why;
    f.lease({f.item(0, 1)});
    f.world.run();
    BOOST_TEST(a->calls.size() == 1U);
    BOOST_TEST((f.outcomes[0] == std::vector<LeaseDone::Outcome>{outcome}));
  }
}

BOOST_AUTO_TEST_CASE(the_next_step_ends_everything_of_the_last_one) {
  fixture f{1};
  const auto a = f.add_worker(1, 0);
  a->now = fake_worker::mood::silent;
  f.lease({f.item(0, 1)});
  f.world.run();
  a->now = fake_worker::mood::good;
  f.lease({f.item(0, 1)}, 1);
  f.lease({f.item(1, 1)}, 0);  // late
  f.world.pass(60s);
  BOOST_TEST(a->calls.size() == 2U);
  BOOST_TEST((f.outcomes[0] == done));
  BOOST_TEST(f.outcomes.count(1) == 0U);
}

// -- coordinators that follow each other ----------------------------------------------------------

BOOST_AUTO_TEST_CASE(what_is_saved_of_a_step_serves_the_next_coordinator_too) {
  fixture f{2};
  const auto a = f.add_worker(1, 0);
  const auto b = f.add_worker(2, 1);
  f.lease({f.item(0, 3)});
  f.world.run();
  // The last stage has lost its sum: it is asked alone.
  f.lease({f.item(0, 2)}, 0, 2);
  f.world.run();
  BOOST_TEST(a->calls == (std::vector<std::string>{"F0", "B0+1"}),
             boost::test_tools::per_element());
  BOOST_TEST(b->calls == (std::vector<std::string>{"L0+1", "L0+1"}),
             boost::test_tools::per_element());
  BOOST_TEST(f.outcomes[0].size() == 2U);
  BOOST_TEST(f.reports.back().read()->getTerm() == 2U);
}

BOOST_AUTO_TEST_CASE(the_next_step_saves_anew) {
  fixture f{2};
  const auto a = f.add_worker(1, 0);
  f.add_worker(2, 1);
  f.lease({f.item(0, 3)});
  f.world.run();
  f.lease({f.item(0, 2)}, 1);
  f.world.run();
  BOOST_TEST(a->calls == (std::vector<std::string>{"F0", "B0+1", "F0"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_higher_term_ends_what_is_under_way_and_a_lower_one_is_told_so) {
  fixture f{1};
  f.leases_again = false;
  const auto a = f.add_worker(1, 0);
  a->now = fake_worker::mood::silent;
  f.lease({f.item(0, 1)}, 0, 2);
  f.world.run();
  a->now = fake_worker::mood::good;
  f.lease({f.item(1, 1)}, 0, 3);
  f.world.run();
  f.lease({f.item(2, 1)}, 5, 1);
  f.world.pass(2min);
  BOOST_TEST(f.outcomes.count(0) == 0U);
  BOOST_TEST((f.outcomes[1] == done));
  BOOST_TEST((f.outcomes[2] == std::vector<LeaseDone::Outcome>{LeaseDone::Outcome::RETURNED}));
  BOOST_TEST(f.reports.back().read()->getSeenTerm() == 3U);
  BOOST_TEST(a->calls.size() == 2U);
}

BOOST_AUTO_TEST_CASE(a_report_names_the_highest_term_and_version_of_the_refusals) {
  fixture f{1};
  f.leases_again = false;
  const auto a = f.add_worker(1, 0);
  a->now = fake_worker::mood::refusing;
  a->why = refusal_reason::lower_term;
  a->where = {term_id{7}, step_id{4}};
  f.lease({f.item(0, 1)});
  f.world.run();
  BOOST_REQUIRE(f.reports.size() == 1U);
  BOOST_TEST(f.reports[0].read()->getSeenTerm() == 7U);
  BOOST_TEST(f.reports[0].read()->getSeenVersion() == 4);
  // One that nobody has refused names nothing.
  a->now = fake_worker::mood::good;
  f.lease({f.item(1, 1)});
  f.world.run();
  BOOST_TEST(f.reports.back().read()->getSeenTerm() == 0U);
}

// -- numbers that are none ------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_microbatch_that_is_not_finite_is_reported_and_begun_from_its_tokens_again) {
  fixture f{2};
  f.leases_again = false;
  const auto a = f.add_worker(1, 0);
  const auto b = f.add_worker(2, 1);
  b->now = fake_worker::mood::refusing;
  b->why = refusal_reason::non_finite;
  f.lease({f.item(0, 3)});
  f.world.run();
  BOOST_TEST((f.outcomes[0] == std::vector<LeaseDone::Outcome>{LeaseDone::Outcome::NON_FINITE}));
  b->now = fake_worker::mood::good;
  f.lease({f.item(0, 3)});
  f.world.run();
  // The forward that had been saved may have been the bad one.
  BOOST_TEST(a->calls == (std::vector<std::string>{"F0", "F0", "B0+1"}),
             boost::test_tools::per_element());
  BOOST_TEST((f.outcomes[0].back() == LeaseDone::Outcome::DONE));
}

BOOST_AUTO_TEST_CASE(another_item_of_the_same_microbatch_keeps_what_is_saved) {
  fixture f{2};
  f.leases_again = false;
  const auto a = f.add_worker(1, 0);
  const auto b = f.add_worker(2, 1);
  // Item 9 waits for its last stage while item 0 gives the same microbatch up.
  b->now = fake_worker::mood::silent;
  auto other = f.item(9, 3);
  other.microbatch = microbatch_id{0};
  f.lease({other});
  f.world.run();
  b->now = fake_worker::mood::refusing;
  b->why = refusal_reason::non_finite;
  f.lease({f.item(0, 2)});
  f.world.run();
  BOOST_TEST((f.outcomes[0] == std::vector<LeaseDone::Outcome>{LeaseDone::Outcome::NON_FINITE}));
  b->now = fake_worker::mood::good;
  f.world.pass(1min);
  BOOST_TEST((f.outcomes[9] == done));
  BOOST_TEST(a->calls == (std::vector<std::string>{"F0", "B0+1"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_loss_that_is_no_number_is_no_answer) {
  fixture f{2};
  f.add_worker(1, 0);
  const auto bad = f.add_worker(2, 1);
  bad->now = fake_worker::mood::not_a_number;
  const auto good = f.add_worker(3, 1);
  for (uint32_t i = 0; i < 3; ++i)
    f.lease({f.item(i, 3)});
  f.world.pass(10s);
  BOOST_TEST(!bad->calls.empty());
  BOOST_TEST(good->calls.size() == 3U);
  for (uint32_t i = 0; i < 3; ++i)
    BOOST_TEST((f.outcomes[i] == done));
  for (const auto& report : f.reports)
    BOOST_TEST(report.read()->getLoss() == 1.5);
}

BOOST_AUTO_TEST_CASE(a_loss_that_is_never_a_number_gives_the_lease_back) {
  fixture f{1};
  f.leases_again = false;
  const auto a = f.add_worker(1, 0);
  a->now = fake_worker::mood::not_a_number;
  f.lease({f.item(0, 1)});
  f.world.pass(10min);
  BOOST_TEST((f.outcomes[0] == std::vector<LeaseDone::Outcome>{LeaseDone::Outcome::RETURNED}));
  BOOST_TEST(a->calls.size() > 1U);
  BOOST_TEST(a->calls.size() <= training::attempts_max);
}
