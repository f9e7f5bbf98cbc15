#include "actors/training/evaluator.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/sec.hpp>
#include <caf/send.hpp>
#include <cmath>
#include <memory>
#include <optional>
#include <vector>

#include "actors/peer/directory.hpp"
#include "actors/wire/tensor.hpp"
#include "tests/actors/toy_engine.hpp"
#include "tests/actors/training/virtual_world.hpp"

namespace {

using namespace swarm;
using namespace std::chrono_literals;
using tensors::host_tensor;
using testing::life;

struct fake_worker {
  bool silent = false;
  host_tensor output = host_tensor::adopt(std::vector<float>{0, 3, 1, 2}, {1, 4});
  size_t calls = 0;
  caf::actor handle;
};

class fixture {
 public:
  explicit fixture(int32_t stages) {
    directory_ = world.own(peer::spawn_directory(world.system()));
    training::evaluator_options options;
    options.stages = stages;
    options.context = 6;
    options.batches = [](int64_t index) { return testing::toy_microbatch(0, index); };
    options.directory = directory_;
    evaluator = world.own(training::spawn_evaluator(world.system(), options));
    world.run();
  }

  std::shared_ptr<fake_worker> add_worker(uint64_t peer, int32_t stage) {
    auto w = std::make_shared<fake_worker>();
    w->handle = world.own(world.system().spawn([w](caf::event_based_actor* self) -> caf::behavior {
      return {[=](const wire::infer& m) -> caf::result<wire::inferred> {
        ++w->calls;
        if (w->silent) return self->make_response_promise<wire::inferred>();
        wire::builder<schemas::Inferred> reply;
        reply->setLoss(static_cast<double>(w->calls));
        wire::attach(reply, reply->initOutput(), w->output);
        return reply.finish();
      }};
    }));
    caf::anon_send(directory_, wire::announce_atom::value,
                   testing::serving(life(peer), stage_id{stage}, w->handle));
    world.run();
    return w;
  }

  void evaluate(int64_t batches) {
    world.own(world.system().spawn([=](caf::event_based_actor* self) {
      self->request(evaluator, caf::infinite, training::evaluate_atom::value, batches)
          .then([this](double value) { loss = value; }, [this](caf::error& e) { error = e; });
    }));
    world.run();
  }

  void generate(const std::vector<int32_t>& prompt, int64_t count, double temperature) {
    world.own(world.system().spawn([=](caf::event_based_actor* self) {
      self->request(evaluator, caf::infinite, training::generate_atom::value, prompt, count,
                    temperature, uint64_t{1})
          .then([this](const std::vector<int32_t>& value) { tokens = value; },
                [this](caf::error& e) { error = e; });
    }));
    world.run();
  }

  testing::virtual_world world;
  training::evaluator_actor evaluator;
  std::optional<double> loss;
  std::optional<std::vector<int32_t>> tokens;
  std::optional<caf::error> error;

 private:
  wire::directory_actor directory_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(the_loss_is_the_mean_over_the_batches) {
  fixture f{2};
  const auto a = f.add_worker(1, 0);
  f.add_worker(2, 1);
  f.evaluate(5);
  BOOST_TEST(f.loss.value_or(0) == 3.0);
  BOOST_TEST(a->calls == 5U);
}

BOOST_AUTO_TEST_CASE(calls_to_a_worker_that_dies_go_to_another_at_once) {
  fixture f{1};
  const auto a = f.add_worker(1, 0);
  a->silent = true;
  f.add_worker(2, 0);
  f.evaluate(3);
  BOOST_TEST(!f.loss);
  caf::anon_send_exit(a->handle, caf::exit_reason::kill);
  f.world.run();
  BOOST_TEST(f.loss.has_value());
}

BOOST_AUTO_TEST_CASE(a_silent_worker_is_replaced_after_the_limit) {
  fixture f{1};
  f.add_worker(1, 0)->silent = true;
  f.add_worker(2, 0);
  f.evaluate(4);
  BOOST_TEST(!f.loss);
  f.world.pass(31s);
  BOOST_TEST(f.loss.has_value());
}

BOOST_AUTO_TEST_CASE(a_worker_that_announces_itself_late_is_waited_for) {
  fixture f{2};
  f.add_worker(1, 0);
  f.evaluate(4);
  BOOST_TEST(!f.loss);
  f.world.pass(10s);
  f.add_worker(2, 1);
  f.world.run();
  BOOST_TEST(f.loss.has_value());
}

BOOST_AUTO_TEST_CASE(a_stage_that_stays_empty_is_an_error) {
  fixture f{2};
  f.add_worker(1, 0);
  f.evaluate(4);
  BOOST_TEST(!f.error);
  f.world.pass(31s);
  BOOST_REQUIRE(f.error);
  BOOST_TEST((*f.error == training::make_error(training::errc::stage_unreachable)));
}

BOOST_AUTO_TEST_CASE(as_many_tokens_come_as_were_asked_for) {
  fixture f{2};
  f.add_worker(1, 0);
  f.add_worker(2, 1);
  for (const auto& prompt : {std::vector<int32_t>{}, {1}, {1, 2, 3}}) {
    f.generate(prompt, 4, 0);
    BOOST_REQUIRE(f.tokens);
    BOOST_TEST(*f.tokens == std::vector<int32_t>(4, 1), boost::test_tools::per_element());
    f.tokens.reset();
  }
}

BOOST_AUTO_TEST_CASE(logits_of_another_kind_are_an_error) {
  fixture f{1};
  const auto a = f.add_worker(1, 0);
  a->output = host_tensor::adopt(std::vector<int32_t>{1, 2}, {1, 2});
  f.generate({1}, 1, 0);
  BOOST_REQUIRE(f.error);
  BOOST_TEST((*f.error == training::make_error(training::errc::bad_reply)));
}

BOOST_AUTO_TEST_CASE(logits_that_are_not_numbers_still_give_a_token_of_the_vocabulary) {
  fixture f{1};
  const auto a = f.add_worker(1, 0);
  a->output = host_tensor::adopt(std::vector<float>(4, std::nanf("")), {1, 4});
  for (double temperature : {0.0, 1.0}) {
    f.generate({1}, 3, temperature);
    BOOST_REQUIRE(f.tokens);
    for (int32_t token : *f.tokens)
      BOOST_TEST((token >= 0 && token < 4));
    f.tokens.reset();
  }
}

BOOST_AUTO_TEST_CASE(whoever_waits_hears_when_the_evaluator_ends) {
  fixture f{1};
  f.add_worker(1, 0)->silent = true;
  f.evaluate(4);
  caf::anon_send_exit(f.evaluator, caf::exit_reason::kill);
  f.world.run();
  BOOST_REQUIRE(f.error);
  BOOST_TEST((*f.error == caf::sec::request_receiver_down));
}
