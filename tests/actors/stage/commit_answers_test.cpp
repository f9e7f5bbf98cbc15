#include "actors/stage/commit_answers.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/actors/stage/worker_rig.hpp"

namespace {

using namespace swarm;
using namespace swarm::testing;
using stage::refusal_reason;
using reason = schemas::Refusal::Reason;

using go_atom = caf::atom_constant<caf::atom("go")>;
using arbiter_actor =
    caf::typed_actor<caf::replies_to<wire::commit>::with<wire::committed>, caf::reacts_to<go_atom>>;

/// An actor that answers commits with nothing but the unit, and otherwise does as the test says.
class fixture {
 public:
  fixture() {
    arbiter_ =
        rig_.system().spawn([this](arbiter_actor::pointer self) -> arbiter_actor::behavior_type {
          return {[=](const wire::commit&) {
                    auto reply = self->make_response_promise<stage::promise<wire::committed>>();
                    answers_.answer(guard, reply);
                    return reply;
                  },
                  [=](go_atom) { order_(); }};
        });
    rig_.own(caf::actor_cast<caf::actor>(arbiter_));
  }

  std::shared_ptr<outcome<wire::committed>> ask() {
    auto reply = rig_.ask<wire::committed>(arbiter_, commit_of({}));
    rig_.run();
    return reply;
  }

  void made(int64_t version, const std::string& hash) {
    order([=] { answers_.made(step_id{version}, hash); });
  }

  void refuse(const stage::refusal& why) {
    order([=] { answers_.refuse(why); });
  }

  stage::step_guard guard{step_id{0}};

 private:
  void order(std::function<void()> what) {
    order_ = std::move(what);
    caf::anon_send(arbiter_, go_atom::value);
    rig_.run();
  }

  worker_rig rig_;
  stage::commit_answers answers_{{peer_id{7}, incarnation_id{2}}};
  std::function<void()> order_;
  arbiter_actor arbiter_;
};

/// Worker, version and hash of an answer, or "none".
std::string said(const std::shared_ptr<outcome<wire::committed>>& reply) {
  if (!reply->value) return reply->failed ? "error" : "none";
  const auto body = reply->value->read();
  const auto id = wire::from_wire(body->getWorker());
  return std::to_string(id.peer.value()) + "/" + std::to_string(id.incarnation.value()) + " " +
         std::to_string(body->getVersion()) + " " + std::string{body->getWeightsHash().cStr()};
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_commit_is_answered_when_its_weights_are_made_and_not_before) {
  fixture f;
  f.guard.advance(step_id{1});
  const auto first = f.ask();
  const auto repeat = f.ask();
  BOOST_TEST(said(first) == "none");
  f.made(1, "one");
  BOOST_TEST(said(first) == "7/2 1 one");
  BOOST_TEST(said(repeat) == "7/2 1 one");
}

BOOST_AUTO_TEST_CASE(a_repeat_that_comes_later_gets_the_same_answer_at_once) {
  fixture f;
  f.guard.advance(step_id{1});
  f.made(1, "one");
  for (int i = 0; i < 3; ++i)
    BOOST_TEST(said(f.ask()) == "7/2 1 one");
}

BOOST_AUTO_TEST_CASE(the_weights_of_one_version_answer_no_commit_of_another) {
  fixture f;
  f.guard.advance(step_id{1});
  const auto of_one = f.ask();
  f.guard.advance(step_id{2});
  const auto of_two = f.ask();
  f.made(1, "one");
  BOOST_TEST(said(of_one) == "7/2 1 one");
  BOOST_TEST(said(of_two) == "none");
  // The answer that is known is the last version's.
  const auto late = f.ask();
  BOOST_TEST(said(late) == "none");
  f.made(2, "two");
  BOOST_TEST(said(of_two) == "7/2 2 two");
  BOOST_TEST(said(late) == "7/2 2 two");
}

BOOST_AUTO_TEST_CASE(only_so_many_repeats_wait_and_the_next_is_sent_away) {
  fixture f;
  f.guard.take_over(term_id{4});
  f.guard.advance(step_id{1});
  std::vector<std::shared_ptr<outcome<wire::committed>>> replies;
  for (size_t i = 0; i < stage::commit_repeats_max; ++i)
    replies.push_back(f.ask());
  const auto above = f.ask();
  CHECK_REFUSED(*above, reason::OVERLOADED);
  const auto why = wire::refusal_of(above->error);
  BOOST_REQUIRE(why);
  BOOST_TEST(why->read()->getTerm() == 4U);
  BOOST_TEST(why->read()->getVersion() == 1);
  for (const auto& reply : replies)
    BOOST_TEST(said(reply) == "none");
  f.made(1, "one");
  for (const auto& reply : replies)
    BOOST_TEST(said(reply) == "7/2 1 one");
  BOOST_TEST(said(f.ask()) == "7/2 1 one");
}

BOOST_AUTO_TEST_CASE(when_another_state_comes_whoever_waits_is_refused_and_later_ones_wait_again) {
  fixture f;
  f.guard.advance(step_id{1});
  const auto before = f.ask();
  f.refuse({refusal_reason::not_serving, term_id{3}, step_id{1}, {}});
  CHECK_REFUSED(*before, reason::NOT_SERVING);
  f.guard.advance(step_id{5});
  const auto after = f.ask();
  BOOST_TEST(said(after) == "none");
  f.made(5, "five");
  BOOST_TEST(said(after) == "7/2 5 five");
}
