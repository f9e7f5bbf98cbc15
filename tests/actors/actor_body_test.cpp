#include "actors/actor_body.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <caf/actor_cast.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace swarm;
using namespace std::chrono_literals;
using boost::test_tools::per_element;

namespace {

using ask_atom = caf::atom_constant<caf::atom("ask")>;
using end_atom = caf::atom_constant<caf::atom("end")>;
using hold_atom = caf::atom_constant<caf::atom("hold")>;
using look_atom = caf::atom_constant<caf::atom("look")>;
using throw_atom = caf::atom_constant<caf::atom("throw")>;

/// Answers all who have asked when it is told to, with the time.
using clerk_actor =
    caf::typed_actor<caf::replies_to<ask_atom>::with<double>, caf::reacts_to<end_atom>>;

using guest_actor = caf::typed_actor<
    // Ask the clerk.
    caf::reacts_to<ask_atom, clerk_actor>,
    // Keep a handle of another.
    caf::reacts_to<hold_atom, caf::actor>, caf::reacts_to<end_atom>, caf::reacts_to<throw_atom>,
    // Look at the clock after this.
    caf::reacts_to<look_atom, int64_t>, caf::reacts_to<look_atom>>;

using journal = std::shared_ptr<std::vector<std::string>>;

class guest final : public actor_body<guest_actor::base> {
 public:
  static constexpr const char* name = "guest";

  guest(pointer self, std::string word, journal says, std::shared_ptr<int> luggage)
      : actor_body(self),
        word_(std::move(word)),
        journal_(std::move(says)),
        luggage_(std::move(luggage)) {
    say("comes");
  }

  ~guest() { say("goes"); }

  behavior_type make_behavior() {
    return {[this](ask_atom, const clerk_actor& clerk) {
              request(clerk, caf::infinite, ask_atom::value)
                  .then([this](double) { say("is answered"); },
                        [this](caf::error&) { say("is refused"); });
            },
            [this](hold_atom, const caf::actor& other) { other_ = other; },
            [this](end_atom) {
              quit({});
              say("has quit");
            },
            [](throw_atom) { throw std::runtime_error{"as the test wants it"}; },
            [this](look_atom, int64_t ms) {
              began_s_ = now_s();
              delayed_send(self(), std::chrono::milliseconds{ms}, look_atom::value);
            },
            [this](look_atom) {
              say("waited " + std::to_string(static_cast<int>(now_s() - began_s_ + 0.5)) + " s");
            }};
  }

 private:
  void say(const std::string& what) { journal_->push_back(word_ + " " + what); }

  std::string word_;
  journal journal_;
  std::shared_ptr<int> luggage_;
  caf::actor other_;
  double began_s_ = 0;
};

class clerk final : public actor_body<clerk_actor::base> {
 public:
  static constexpr const char* name = "clerk";

  explicit clerk(pointer self) : actor_body(self) {}

  behavior_type make_behavior() {
    return {[this](ask_atom) {
              waiting_.push_back(make_response_promise<promise>());
              return waiting_.back();
            },
            [this](end_atom) {
              for (auto& reply : waiting_)
                reply.deliver(now_s());
              waiting_.clear();
            }};
  }

 private:
  using promise = caf::typed_response_promise<double>;
  std::vector<promise> waiting_;
};

struct inn {
  struct config : caf::actor_system_config {
    config() { set("scheduler.policy", caf::atom("testing")); }
  };

  config settings;
  caf::actor_system system{settings};
  caf::scheduler::test_coordinator& scheduler =
      dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler());
  journal said = std::make_shared<std::vector<std::string>>();
  std::shared_ptr<int> luggage = std::make_shared<int>(1);

  void run() { scheduler.run(); }
  guest_actor arrive(const std::string& word = "he") {
    return system.spawn<embodied<guest>>(word, said, luggage);
  }
  template <class... Message>
  void tell(const guest_actor& whom, const Message&... message) {
    caf::anon_send(whom, message...);
    run();
  }
  bool has_gone() const { return luggage.use_count() == 1; }
};

std::string name_of(const caf::actor& who) {
  auto* actor = caf::actor_cast<caf::abstract_actor*>(who);
  return dynamic_cast<caf::local_actor&>(*actor).name();
}

}  // namespace

BOOST_FIXTURE_TEST_CASE(the_arguments_of_spawn_reach_the_body, inn) {
  const auto who = arrive("Ada");
  BOOST_TEST(*said == (std::vector<std::string>{"Ada comes"}), per_element());
  BOOST_TEST(!has_gone());
  tell(who, end_atom::value);
}

BOOST_FIXTURE_TEST_CASE(what_a_body_holds_goes_at_the_end_though_somebody_holds_the_actor, inn) {
  const auto held = arrive();
  run();
  BOOST_TEST(!has_gone());
  tell(held, end_atom::value);
  BOOST_TEST(has_gone());
  // The handler that ends it still finds the body whole.
  BOOST_TEST(*said == (std::vector<std::string>{"he comes", "he has quit", "he goes"}),
             per_element());
}

BOOST_FIXTURE_TEST_CASE(the_body_goes_whatever_ends_the_actor, inn) {
  const auto thrown = arrive();
  tell(thrown, throw_atom::value);
  BOOST_TEST(has_gone());
  const auto killed = arrive();
  run();
  caf::anon_send_exit(killed, caf::exit_reason::kill);
  run();
  BOOST_TEST(has_gone());
  const auto stopped_at_once = arrive();
  caf::anon_send_exit(stopped_at_once, caf::exit_reason::user_shutdown);
  run();
  BOOST_TEST(has_gone());
  auto nobodys = arrive();
  run();
  nobodys = guest_actor{};
  BOOST_TEST(has_gone());
  BOOST_TEST(std::count(said->begin(), said->end(), "he goes") == 4);
}

BOOST_FIXTURE_TEST_CASE(no_handler_runs_for_an_answer_that_comes_after_the_end, inn) {
  const auto clerk_handle = system.spawn<embodied<clerk>>();
  const auto stays = arrive("one");
  const auto leaves = arrive("other");
  tell(stays, ask_atom::value, clerk_handle);
  tell(leaves, ask_atom::value, clerk_handle);
  tell(leaves, end_atom::value);
  BOOST_TEST(said->back() == "other goes");
  caf::anon_send(clerk_handle, end_atom::value);
  run();
  BOOST_TEST(*said == (std::vector<std::string>{"one comes", "other comes", "other has quit",
                                                "other goes", "one is answered"}),
             per_element());
  tell(stays, end_atom::value);
}

BOOST_FIXTURE_TEST_CASE(an_actor_has_its_name_after_its_end, inn) {
  const auto who = arrive();
  run();
  BOOST_TEST(name_of(caf::actor_cast<caf::actor>(who)) == "guest");
  tell(who, end_atom::value);
  BOOST_TEST(has_gone());
  BOOST_TEST(name_of(caf::actor_cast<caf::actor>(who)) == "guest");
}

BOOST_FIXTURE_TEST_CASE(two_that_hold_each_other_are_out_of_memory_after_their_end, inn) {
  auto one = arrive("one");
  auto other = arrive("other");
  tell(one, hold_atom::value, caf::actor_cast<caf::actor>(other));
  tell(other, hold_atom::value, caf::actor_cast<caf::actor>(one));
  const caf::actor_addr address = one.address();
  tell(one, end_atom::value);
  tell(other, end_atom::value);
  one = guest_actor{};
  other = guest_actor{};
  BOOST_TEST(!caf::actor_cast<caf::actor>(address));
}

BOOST_FIXTURE_TEST_CASE(a_body_goes_by_the_systems_clock, inn) {
  const auto who = arrive();
  tell(who, look_atom::value, int64_t{3'000});
  scheduler.advance_time(2s);
  run();
  BOOST_TEST(said->back() == "he comes");
  scheduler.advance_time(1s);
  run();
  BOOST_TEST(said->back() == "he waited 3 s");
  tell(who, end_atom::value);
}
