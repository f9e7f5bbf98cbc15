#include "actors/faults/compute_faults.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>

#include "actors/faults/conditions.hpp"
#include "actors/stage/errc.hpp"
#include "actors/wire/refusal.hpp"
#include "actors/wire/tensor.hpp"
#include "tests/actors/faults/rig.hpp"

using namespace swarm;
using namespace swarm::faults;
using namespace swarm::faults::testing;
using namespace std::chrono_literals;
using reason = schemas::Refusal::Reason;

namespace {

wire::activation some_activation(std::vector<int64_t> shape) {
  wire::builder<schemas::Activation> message;
  message->setComputeSeconds(0.25);
  auto tensor = message->initOutput();
  tensor.setType(schemas::Tensor::Type::U8);
  int64_t elements = 1;
  auto extents = tensor.initShape(static_cast<unsigned>(shape.size()));
  for (unsigned i = 0; i < shape.size(); ++i) {
    extents.set(i, shape[i]);
    elements *= shape[i];
  }
  if (!shape.empty()) {
    auto payload = tensor.initPayload(static_cast<unsigned>(elements));
    for (unsigned i = 0; i < payload.size(); ++i)
      payload[i] = static_cast<uint8_t>(i);
  }
  return message.finish();
}

/// A device that computes forwards and losses, and a trainer that asks for them.
struct device : rig {
  device() {
    target = own(system.spawn([this]() -> caf::behavior {
      return {[this](const wire::forward&) {
                ++executed;
                return some_activation({4, 6});
              },
              [this](const wire::loss&, int) {
                ++executed;
                wire::builder<schemas::LossDone> done;
                done->setLoss(1.5);
                done->setComputeSeconds(0.5);
                return done.finish();
              }};
    }));
    link = faulty_link(system, target, under);
    trainer = own(system.spawn([this](caf::event_based_actor* self) -> caf::behavior {
      const auto failed = [this](caf::error& e) { error = e; };
      return {[=](caf::ok_atom) {
                self->request(link, caf::infinite, wire::builder<schemas::Forward>{}.finish())
                    .then([this](const wire::activation& x) { forwards.push_back(x); }, failed);
              },
              [=](caf::get_atom) {
                self->request(link, caf::infinite, wire::builder<schemas::Loss>{}.finish(), 1)
                    .then([this](const wire::loss_done& x) { losses.push_back(x); }, failed);
              }};
    }));
  }

  void forward() {
    caf::anon_send(trainer, caf::ok_atom::value);
    scheduler.run();
  }
  void loss() {
    caf::anon_send(trainer, caf::get_atom::value);
    scheduler.run();
  }

  conditions under{1};
  caf::actor target;
  caf::actor link;
  caf::actor trainer;
  int executed = 0;
  std::vector<wire::activation> forwards;
  std::vector<wire::loss_done> losses;
  caf::error error;
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_full_device_refuses_as_a_stage_worker_does, device) {
  under.add(out_of_memory(next<wire::forward>()));
  forward();
  BOOST_TEST(executed == 0);
  BOOST_CHECK(wire::refusal_reason(error) == reason::OUT_OF_MEMORY);
  stage::refusal same;
  same.reason = stage::refusal_reason::out_of_memory;
  BOOST_TEST(error.code() == stage::make_error(same).code());
  BOOST_CHECK(error.category() == stage::make_error(same).category());
  BOOST_TEST(under.counts().of(fault_class::out_of_memory) == 1U);
  forward();
  BOOST_TEST(executed == 1);
}

BOOST_FIXTURE_TEST_CASE(refusals_have_their_reasons, device) {
  under.add(not_finite(next<wire::forward>()));
  forward();
  BOOST_CHECK(wire::refusal_reason(error) == reason::NON_FINITE);
  under.add(misfit(next<wire::forward>()));
  forward();
  BOOST_CHECK(wire::refusal_reason(error) == reason::WRONG_SHAPE);
  under.add(refuse(next<wire::forward>(), reason::OVERLOADED));
  forward();
  BOOST_CHECK(wire::refusal_reason(error) == reason::OVERLOADED);
  BOOST_TEST(executed == 0);
}

BOOST_FIXTURE_TEST_CASE(a_loss_can_be_nan_and_the_rest_stays, device) {
  under.add(nan_loss(next<wire::loss, int>()));
  loss();
  loss();
  BOOST_REQUIRE(losses.size() == 2U);
  BOOST_TEST(std::isnan(losses[0].read()->getLoss()));
  BOOST_TEST(losses[0].read()->getComputeSeconds() == 0.5);
  BOOST_TEST(losses[1].read()->getLoss() == 1.5);
  BOOST_TEST(under.counts().of(fault_class::not_finite) == 1U);
}

BOOST_FIXTURE_TEST_CASE(an_answer_can_have_another_shape_and_is_still_a_tensor, device) {
  under.add(wrong_shape(next<wire::forward>()));
  forward();
  BOOST_REQUIRE(forwards.size() == 1U);
  const auto answer = forwards[0].read();
  const auto tensor = wire::extract(answer->getOutput(), forwards[0].bytes());
  BOOST_REQUIRE(std::holds_alternative<tensors::host_tensor>(tensor));
  BOOST_TEST(answer->getOutput().getShape().size() == 1U);
  BOOST_TEST(answer->getOutput().getShape()[0] == 24);
  BOOST_TEST(answer->getOutput().getPayload()[23] == 23);
  BOOST_TEST(answer->getComputeSeconds() == 0.25);
}

BOOST_FIXTURE_TEST_CASE(what_has_no_loss_or_tensor_is_not_changed, rig) {
  BOOST_TEST(!with_nan_loss(caf::make_message(some_activation({4}))).has_value());
  BOOST_TEST(!with_wrong_shape(caf::make_message(some_activation({}))).has_value());
  BOOST_TEST(!with_wrong_shape(caf::make_message(caf::make_error(caf::sec::runtime_error))));
  BOOST_TEST(!with_nan_loss(caf::make_message(wire::loss_done{})).has_value());
  const auto flat = with_wrong_shape(caf::make_message(some_activation({4})));
  BOOST_REQUIRE(flat.has_value());
  BOOST_TEST(flat->get_as<wire::activation>(0).read()->getOutput().getShape().size() == 2U);
}

BOOST_FIXTURE_TEST_CASE(a_stalled_device_keeps_everybody_waiting, device) {
  under.add(stall(nth<wire::forward>(2), 1s));
  for (int i = 0; i < 3; ++i)
    forward();
  BOOST_TEST(executed == 1);
  pass(999ms);
  BOOST_TEST(executed == 1);
  pass(1ms);
  BOOST_TEST(executed == 3);
  forward();
  BOOST_TEST(executed == 4);
  BOOST_TEST(under.counts().of(fault_class::stall) == 1U);
}
