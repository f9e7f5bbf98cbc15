#include "actors/simulation/device.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>
#include <vector>

#include "actors/simulation/modelled_engine.hpp"
#include "actors/wire/tensor.hpp"
#include "actors/wire/ticket.hpp"

namespace {

using namespace swarm;
using namespace swarm::simulation;
using namespace std::chrono_literals;

modelled_options whole_model() {
  modelled_options options;
  options.microbatches = 4;
  options.rows = 2;
  options.context = 8;
  options.width = 4;
  return options;
}

template <class Schema>
wire::builder<Schema> of_microbatch(int64_t index) {
  wire::builder<Schema> message;
  wire::to_wire(wire::ticket{term_id{1}, step_id{0}, microbatch_id{index}, round_id{1}},
                message->initTicket());
  return message;
}

wire::loss loss_of(int64_t index) {
  auto message = of_microbatch<schemas::Loss>(index);
  const auto [input, targets] = modelled_microbatch(whole_model());
  wire::attach(message, message->initInput(), input);
  wire::attach(message, message->initTargets(), targets);
  return message.finish();
}

/// A compute actor with a modelled engine behind a device.
struct rig {
  explicit rig(const compute_cost& cost) : gpu(w, cost, 5) {
    w.in_host(w.add_host(), [&] {
      stage::compute_options options;
      options.detached = false;
      options.allow_virtual = true;
      options.make_engine = [] { return make_modelled_engine(whole_model()); };
      compute = stage::spawn_compute(w.system(), options);
      front = gpu.in_front_of(compute);
    });
  }

  template <class Reply, class... Args>
  void ask(const Args&... args) {
    askers.push_back(w.system().spawn([&, this](caf::event_based_actor* self) {
      self->request(front, caf::infinite, args...)
          .then([this](const Reply&) { done.push_back(w.now()); },
                [this](const caf::error&) { failed.push_back(w.now()); });
    }));
    w.settle();
  }

  world w{1};
  device gpu;
  stage::compute_actor compute;
  stage::compute_actor front;
  std::vector<caf::actor> askers;
  std::vector<moment> done;
  std::vector<moment> failed;
};

}  // namespace

BOOST_AUTO_TEST_CASE(requests_are_served_one_after_the_other) {
  compute_cost cost;
  cost.loss = 10ms;
  cost.apply = 4ms;
  rig r{cost};
  r.ask<wire::loss_done>(loss_of(0), 1);
  r.ask<wire::loss_done>(loss_of(1), 1);
  r.ask<std::string>(stage::apply_atom::value, int64_t{0}, 1.0);
  BOOST_TEST(r.done.empty());
  r.w.run_until(1s);
  BOOST_TEST((r.done == std::vector<moment>{10ms, 20ms, 24ms}));
  r.ask<wire::loss_done>(loss_of(0), 1);
  r.w.run_until(2s);
  BOOST_TEST((r.done.back() == 1010ms));
  BOOST_TEST(r.gpu.calls(work::loss) == 3U);
  BOOST_TEST((r.gpu.busy(work::loss) == 30ms));
  BOOST_TEST(r.failed.empty());
}

BOOST_AUTO_TEST_CASE(what_takes_no_time_waits_for_its_turn) {
  compute_cost cost;
  cost.loss = 10ms;
  rig r{cost};
  r.ask<wire::loss_done>(loss_of(0), 1);
  r.ask<tensors::host_tensor>(stage::sum_atom::value);
  r.ask<bool>(stage::clear_atom::value);
  r.w.run_until(1s);
  BOOST_TEST((r.done == std::vector<moment>{10ms, 10ms, 10ms}));
}

BOOST_AUTO_TEST_CASE(a_slow_device_takes_longer_from_now_on) {
  compute_cost cost;
  cost.loss = 10ms;
  rig r{cost};
  r.ask<wire::loss_done>(loss_of(0), 1);
  r.gpu.slow(50);
  r.ask<wire::loss_done>(loss_of(1), 1);
  r.w.run_until(10s);
  BOOST_TEST((r.done == std::vector<moment>{10ms, 510ms}));
  r.gpu.slow(1);
  BOOST_TEST(r.gpu.slowness() == 1);
}

BOOST_AUTO_TEST_CASE(a_backward_that_recomputes_costs_a_forward_too) {
  compute_cost cost;
  cost.forward = 3ms;
  cost.backward = 5ms;
  rig r{cost};
  r.ask<wire::input_gradient>(of_microbatch<schemas::Backward>(0).finish(), 1);
  r.w.run_until(1s);
  auto with_input = of_microbatch<schemas::Backward>(0);
  wire::attach(with_input, with_input->initInput(), modelled_microbatch(whole_model()).first);
  r.ask<wire::input_gradient>(with_input.finish(), 1);
  r.w.run_until(2s);
  // Both are refused: the graph is missing, the gradient too.
  BOOST_TEST((r.failed == std::vector<moment>{5ms, 1008ms}));
}

BOOST_AUTO_TEST_CASE(microbatches_differ_as_the_spread_says_and_always_alike) {
  compute_cost cost;
  cost.loss = 10ms;
  cost.spread = 0.2;
  std::vector<std::vector<moment>> runs;
  for (int i = 0; i < 2; ++i) {
    rig r{cost};
    for (int64_t m = 0; m < 20; ++m)
      r.ask<wire::loss_done>(loss_of(m), 1);
    r.w.run_until(1s);
    runs.push_back(r.done);
  }
  BOOST_TEST((runs[0] == runs[1]));
  moment before{0};
  for (const auto at : runs[0]) {
    BOOST_TEST((at - before >= 8ms));
    BOOST_TEST((at - before <= 12ms));
    before = at;
  }
}

BOOST_AUTO_TEST_CASE(a_successor_does_not_wait_for_what_died_with_its_predecessor) {
  compute_cost cost;
  cost.loss = 10s;
  rig r{cost};
  r.ask<wire::loss_done>(loss_of(0), 1);
  r.front = r.gpu.in_front_of(r.compute);
  r.ask<bool>(stage::clear_atom::value);
  r.w.run_until(1s);
  BOOST_TEST(r.done.size() == 1U);
}
