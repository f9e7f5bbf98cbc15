#include "actors/faults/subject.hpp"

#include <boost/test/unit_test.hpp>
#include <stdexcept>

#include "actors/faults/errc.hpp"
#include "actors/faults/supervised_subject.hpp"
#include "actors/supervision/supervisor.hpp"
#include "tests/actors/faults/rig.hpp"

using namespace swarm;
using namespace swarm::faults;
using namespace swarm::faults::testing;
using namespace std::chrono_literals;

namespace {

struct diary : subject {
  void kill() override { text += "kill "; }
  void restart(bool with_state) override { text += with_state ? "resume " : "renew "; }
  void freeze() override { text += "freeze "; }
  void thaw() override { text += "thaw "; }
  void slow(double factor) override { text += factor > 1 ? "slow " : "fast "; }
  void leave() override { text += "leave "; }

  std::string text;
};

std::string told(fault_class kind) {
  diary one;
  planned_fault fault;
  fault.kind = kind;
  fault.subjects = {0};
  fault.factor = 4;
  const bool ours = apply(fault, true, {&one});
  BOOST_TEST(apply(fault, false, {&one}) == ours);
  return ours ? one.text : one.text + "not ours";
}

/// One worker under a supervisor, reached over a link under conditions.
struct tree : rig {
  explicit tree(supervision::restart_type type = supervision::restart_type::permanent) {
    supervision::child_spec worker;
    worker.id = "worker";
    worker.restart = type;
    worker.factory = [this](caf::event_based_actor* self, const supervision::children_view&) {
      ++starts;
      current = self->spawn([this]() -> caf::behavior { return {[this](int) { ++got; }}; });
      return current;
    };
    root = own(supervision::spawn_supervisor(system, {}, {worker}));
    scheduler.run();
  }
  ~tree() {
    current = nullptr;
    caf::anon_send_exit(root, caf::exit_reason::user_shutdown);
    root = nullptr;
    scheduler.run();
  }

  std::unique_ptr<subject> make(supervised_options o = {}) {
    o.supervisor = root;
    if (o.child.empty()) o.child = "worker";
    o.links = &links;
    o.on_error = [this](const caf::error& e) { errors.push_back(e); };
    return make_supervised_subject(system, std::move(o));
  }
  bool alive() {
    const auto before = got;
    caf::anon_send(current, 1);
    scheduler.run();
    return got > before;
  }

  conditions links{1};
  caf::actor root;
  caf::actor current;
  int starts = 0;
  int got = 0;
  std::vector<caf::error> errors;
};

}  // namespace

BOOST_AUTO_TEST_CASE(faults_of_peers_begin_and_end) {
  BOOST_TEST(told(fault_class::kill) == "kill renew ");
  BOOST_TEST(told(fault_class::restart_with_state) == "kill resume ");
  BOOST_TEST(told(fault_class::restart_without_state) == "kill renew ");
  BOOST_TEST(told(fault_class::stage_loss) == "kill renew ");
  BOOST_TEST(told(fault_class::leave) == "leave renew ");
  BOOST_TEST(told(fault_class::mass_leave) == "leave renew ");
  BOOST_TEST(told(fault_class::freeze) == "freeze thaw ");
  BOOST_TEST(told(fault_class::slow) == "slow fast ");
  BOOST_TEST(told(fault_class::partition) == "not ours");
  BOOST_TEST(told(fault_class::out_of_memory) == "not ours");
}

BOOST_AUTO_TEST_CASE(a_plan_for_others_hits_nobody) {
  diary one;
  planned_fault fault;
  fault.subjects = {0, 1};
  BOOST_CHECK_THROW(apply(fault, true, {&one}), std::invalid_argument);
  BOOST_CHECK_THROW(apply(fault, true, {&one, nullptr}), std::invalid_argument);
  BOOST_TEST(one.text.empty());
}

BOOST_FIXTURE_TEST_CASE(a_killed_child_is_its_supervisors_business, tree) {
  auto it = make();
  it->kill();
  scheduler.run();
  BOOST_TEST(!alive());
  pass(1s);
  BOOST_TEST(starts == 2);
  BOOST_TEST(alive());
  BOOST_TEST(errors.empty());
}

BOOST_FIXTURE_TEST_CASE(a_child_that_is_held_down_waits_for_its_restart, tree) {
  supervised_options o;
  std::vector<bool> prepared;
  o.hold_down = true;
  o.prepare = [&](bool with_state) { prepared.push_back(with_state); };
  auto it = make(std::move(o));
  it->kill();
  pass(1h);
  BOOST_TEST(starts == 1);
  it->restart(true);
  scheduler.run();
  BOOST_TEST(starts == 2);
  BOOST_TEST(alive());
  it->restart(false);
  scheduler.run();
  BOOST_TEST(starts == 3);
  BOOST_CHECK(prepared == (std::vector<bool>{true, false}));
}

BOOST_FIXTURE_TEST_CASE(a_child_that_leaves_stays_away, tree) {
  auto it = make();
  it->leave();
  pass(1h);
  BOOST_TEST(starts == 1);
  BOOST_TEST(!alive());
  it->kill();
  scheduler.run();
  BOOST_REQUIRE(errors.size() == 1U);
  BOOST_CHECK(errors[0] == make_error(errc::no_such_child));
  it->restart(false);
  scheduler.run();
  BOOST_TEST(alive());
}

BOOST_FIXTURE_TEST_CASE(an_unknown_child_is_an_error, tree) {
  supervised_options o;
  o.child = "nobody";
  auto it = make(std::move(o));
  it->kill();
  it->leave();
  it->restart(true);
  scheduler.run();
  BOOST_TEST(errors.size() == 3U);
}

BOOST_FIXTURE_TEST_CASE(freeze_and_slowness_work_on_the_links, tree) {
  auto it = make();
  auto link = faulty_link(system, current, links);
  it->freeze();
  caf::anon_send(link, 1);
  scheduler.run();
  BOOST_TEST(got == 0);
  it->thaw();
  scheduler.run();
  BOOST_TEST(got == 1);
  it->slow(11);  // 1 ms by nature
  caf::anon_send(link, 1);
  pass(9ms);
  BOOST_TEST(got == 1);
  pass(1ms);
  BOOST_TEST(got == 2);
  it->slow(1);
  caf::anon_send(link, 1);
  scheduler.run();
  BOOST_TEST(got == 3);
}

BOOST_AUTO_TEST_CASE(supervised_subjects_work_with_threads) {
  caf::actor_system_config config;
  caf::actor_system system{config};
  caf::scoped_actor self{system};
  const caf::actor me{self};
  supervision::child_spec worker;
  worker.id = "worker";
  worker.factory = [me](caf::event_based_actor* parent, const supervision::children_view&) {
    parent->send(me, caf::ok_atom::value);
    return parent->spawn([]() -> caf::behavior { return {[](int) {}}; });
  };
  supervision::supervisor_options options;
  options.policy.backoff.min = options.policy.backoff.max = 1ms;
  auto root = supervision::spawn_supervisor(system, options, {worker});
  supervised_options o;
  o.supervisor = root;
  o.child = "worker";
  auto it = make_supervised_subject(system, o);
  const auto started = [&] {
    bool yes = false;
    self->receive([&](caf::ok_atom) { yes = true; }, caf::after(10s) >> [] {});
    return yes;
  };
  BOOST_TEST(started());
  it->kill();
  BOOST_TEST(started());
  it->restart(false);
  BOOST_TEST(started());
  self->send_exit(root, caf::exit_reason::user_shutdown);
}
