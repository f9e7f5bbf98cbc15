// How to test your own CAF actors with actors/faults. Nothing here knows of training: a bank and
// its cashier, with messages of their own.
//
//     cashier -- deposit --> link --> bank
//        ^ retries after a time-out      |
//        +------------- balance ---------+
//
// A cashier that hears nothing asks again. If what was lost was the answer, the bank has already
// booked the deposit: a naive bank books it twice. The idempotent bank has each deposit carry a
// key and books a key once. The tests run both banks under the same faults.

#include <boost/test/unit_test.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <chrono>
#include <cstdint>
#include <set>
#include <string>

#include "actors/faults/conditions.hpp"

namespace {

using namespace std::chrono_literals;
namespace faults = swarm::faults;

// ---- the embedder's own actors -----------------------------------------------------------------

using deposit = caf::atom_constant<caf::atom("deposit")>;
using balance = caf::atom_constant<caf::atom("balance")>;

/// deposit, key, cents -> the new balance; balance -> the balance.
using bank_actor = caf::typed_actor<caf::replies_to<deposit, uint64_t, int64_t>::with<int64_t>,
                                    caf::replies_to<balance>::with<int64_t>>;

struct account {
  int64_t cents = 0;
  std::set<uint64_t> booked;
};

bank_actor::behavior_type naive_bank(bank_actor::stateful_pointer<account> self) {
  return {[self](deposit, uint64_t, int64_t cents) { return self->state.cents += cents; },
          [self](balance) { return self->state.cents; }};
}

bank_actor::behavior_type idempotent_bank(bank_actor::stateful_pointer<account> self) {
  return {[self](deposit, uint64_t key, int64_t cents) {
            if (self->state.booked.insert(key).second) self->state.cents += cents;
            return self->state.cents;
          },
          [self](balance) { return self->state.cents; }};
}

/// Pays in `left` deposits of one cent, one after the other, each until the bank confirms it; then
/// says ok to `boss`.
void pay_in(caf::event_based_actor* self, const bank_actor& bank, uint64_t left, caf::actor boss) {
  if (left == 0) {
    self->send(boss, caf::ok_atom::value);
    return;
  }
  self->request(bank, 100ms, deposit::value, left, int64_t{1})
      .then([=](int64_t) { pay_in(self, bank, left - 1, boss); },
            [=](caf::error&) { pay_in(self, bank, left, boss); });
}

// ---- the tests ---------------------------------------------------------------------------------

using bank_function = bank_actor::behavior_type (*)(bank_actor::stateful_pointer<account>);

/// In virtual time: one thread, and a time-out of 100 ms costs nothing. Returns what the bank has
/// after one deposit whose first answer is lost.
int64_t balance_after_a_lost_answer(bank_function kind) {
  caf::actor_system_config config;
  config.set("scheduler.policy", caf::atom("testing"));
  caf::actor_system system{config};
  auto& scheduler = dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler());
  faults::conditions street{/*seed=*/1};

  auto bank = system.spawn(kind);
  auto link = faults::faulty_link(system, bank, street);  // of the same type as `bank`
  street.add(faults::lose_reply(faults::next<deposit, uint64_t, int64_t>()));

  caf::scoped_actor self{system};
  system.spawn([&](caf::event_based_actor* cashier) { pay_in(cashier, link, 1, self); });
  scheduler.run();
  scheduler.advance_time(100ms);  // the cashier gives up waiting, and asks again
  scheduler.run();
  self->receive([](caf::ok_atom) {});

  BOOST_TEST(street.counts().of(faults::fault_class::lost_reply) == 1U);
  int64_t cents = -1;
  auto auditor = system.spawn([&](caf::event_based_actor* it) {
    it->request(bank, 1s, balance::value).then([&](int64_t x) { cents = x; });
  });
  scheduler.run();
  self->send_exit(bank, caf::exit_reason::user_shutdown);
  scheduler.run();
  return cents;
}

/// In real time: CAF's threads, a bad street, a hundred deposits. Nothing but the link differs
/// from production.
int64_t balance_after_a_bad_day(bank_function kind) {
  caf::actor_system_config config;
  caf::actor_system system{config};
  faults::weather rain;
  rain.duplication = 0.3;
  rain.delay_tail_mean = 50us;
  faults::conditions street{/*seed=*/1, rain};
  street.add(faults::fail_before(
      faults::sometimes<deposit, uint64_t, int64_t>(0.1)));  // not booked, the cashier hears so
  street.add(faults::fail_during(
      faults::sometimes<deposit, uint64_t, int64_t>(0.1)));  // booked, the cashier hears an error

  auto bank = system.spawn(kind);
  auto link = faults::faulty_link(system, bank, street);
  caf::scoped_actor self{system};
  system.spawn([&](caf::event_based_actor* cashier) { pay_in(cashier, link, 100, self); });
  self->receive([](caf::ok_atom) {});

  int64_t cents = -1;
  self->request(bank, 10s, balance::value)
      .receive([&](int64_t x) { cents = x; }, [](caf::error&) {});
  self->send_exit(bank, caf::exit_reason::user_shutdown);
  return cents;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_lost_answer_shows_that_the_naive_bank_books_twice) {
  BOOST_TEST(balance_after_a_lost_answer(naive_bank) == 2);
}

BOOST_AUTO_TEST_CASE(a_lost_answer_does_not_trouble_the_idempotent_bank) {
  BOOST_TEST(balance_after_a_lost_answer(idempotent_bank) == 1);
}

BOOST_AUTO_TEST_CASE(a_bad_day_shows_it_too) {
  BOOST_TEST(balance_after_a_bad_day(naive_bank) > 100);
}

BOOST_AUTO_TEST_CASE(the_idempotent_bank_survives_a_bad_day) {
  BOOST_TEST(balance_after_a_bad_day(idempotent_bank) == 100);
}
