#include <boost/test/unit_test.hpp>

#include "tests/actors/stage/worker_rig.hpp"

/// A worker's side of an all-reduce that takes its time, and that is repaired after a death.

namespace {

using namespace swarm;
using namespace swarm::testing;
using namespace std::chrono_literals;
using stage::start_mode;
using reason = schemas::Refusal::Reason;
using boost::test_tools::per_element;

struct loss_in_group {
  uint32_t member = 0;
  std::vector<std::pair<uint32_t, std::vector<int64_t>>> shares;  ///< helper, microbatches
};

wire::reduce reduce_with(const when& w, const std::vector<uint64_t>& peers, uint32_t hold_ms,
                         uint32_t revision = 0, const std::vector<loss_in_group>& losses = {}) {
  wire::builder<schemas::Reduce> message;
  wire::set_step_round(*message, {term_id{w.term}, step_id{w.step}, round_id{w.round}});
  auto members = message->initMembers(static_cast<unsigned>(peers.size()));
  for (unsigned i = 0; i < members.size(); ++i) {
    wire::to_wire(worker_id{peer_id{peers[i]}, incarnation_id{1}}, members[i].initWorker());
    members[i].setContributes(true);
  }
  message->setHoldMs(hold_ms);
  message->setRevision(revision);
  auto list = message->initLosses(static_cast<unsigned>(losses.size()));
  for (unsigned i = 0; i < list.size(); ++i) {
    list[i].setMember(losses[i].member);
    auto shares = list[i].initShares(static_cast<unsigned>(losses[i].shares.size()));
    for (unsigned k = 0; k < shares.size(); ++k) {
      stage::microbatch_set cut;
      for (const int64_t m : losses[i].shares[k].second)
        cut.insert(microbatch_id{m});
      shares[k].setHelper(losses[i].shares[k].first);
      shares[k].setMicrobatches(capnp::Data::Reader(cut.bytes().data(), cut.bytes().size()));
    }
  }
  return message.finish();
}

wire::loss share_loss_of(const when& w, int64_t index, uint32_t member, uint32_t share,
                         int weight = 1) {
  const auto [input, targets] = toy_microbatch(w.step, index);
  wire::builder<schemas::Loss> message;
  auto ticket = message->initTicket();
  wire::to_wire(ticket_of(w, index), ticket);
  ticket.setForShare(true);
  ticket.setLostMember(member);
  ticket.setShare(share);
  wire::attach(message, message->initInput(), input);
  wire::attach(message, message->initTargets(), targets);
  message->setWeight(static_cast<int8_t>(weight));
  return message.finish();
}

wire::commit commit_with(const when& w, const std::string& hash) {
  wire::builder<schemas::Commit> message;
  wire::set_step_round(*message, {term_id{w.term}, step_id{w.step}, round_id{w.round}});
  message->setReducedTerm(w.term);
  message->setScale(1);
  message->setHash(hash);
  return message.finish();
}

bool done(const outcome<wire::reduced>& reply) {
  return reply.value && reply.value->read()->getDone();
}

std::string hash_of(const outcome<wire::reduced>& reply) {
  return reply.value->read()->getHash().cStr();
}

/// Three workers; microbatch m of four is in the sum of worker m, the last of worker 1.
struct group_of_three {
  group_of_three() {
    for (uint64_t peer = 1; peer <= 3; ++peer)
      crews.push_back(rig.spawn(peer, start_mode::fresh, rig.whole_model()));
    for (int64_t m = 0; m < 4; ++m)
      BOOST_REQUIRE(
          rig.call<wire::loss_done>(crews[static_cast<size_t>(m) % 3], loss_of({}, m)).value);
    for (const auto& each : crews)
      BOOST_REQUIRE(rig.call<wire::holding>(each, gather_of({})).value);
  }

  worker_rig rig;
  std::vector<crew> crews;
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_poll_is_answered_with_how_far_the_all_reduce_is) {
  group_of_three g;
  const auto order = reduce_with({}, {1, 2, 3}, 1000);
  const auto first = g.rig.ask<wire::reduced>(g.crews[0].worker, order);
  g.rig.ask<wire::reduced>(g.crews[1].worker, order);
  g.rig.pass(500ms);
  BOOST_TEST(!first->answered());
  g.rig.pass(600ms);
  BOOST_REQUIRE(first->value);
  BOOST_TEST(!done(*first));
  const auto body = first->value->read();
  BOOST_TEST(body->getPartsTotal() == 1U);
  BOOST_TEST(body->getPartsDone() == 0U);
  BOOST_REQUIRE(body->getWaitingFor().size() > 0U);
  // Asked again; the answer comes as soon as there is a result.
  const auto again = g.rig.ask<wire::reduced>(g.crews[0].worker, order);
  const auto last = g.rig.ask<wire::reduced>(g.crews[2].worker, order);
  g.rig.run();
  BOOST_TEST(done(*again));
  BOOST_TEST(done(*last));
  BOOST_TEST(hash_of(*again) == hash_of(*last));
  // And at once when it is there.
  BOOST_TEST(done(g.rig.call<wire::reduced>(g.crews[0], order)));
}

BOOST_AUTO_TEST_CASE(a_helper_computes_a_dead_member_s_microbatches_and_the_attempt_goes_on) {
  group_of_three g;
  const auto order = reduce_with({}, {1, 2, 3}, 0);
  std::vector<std::shared_ptr<outcome<wire::reduced>>> replies;
  for (size_t i = 0; i < 2; ++i)
    replies.push_back(g.rig.ask<wire::reduced>(g.crews[i].worker, order));
  g.rig.run();
  g.rig.kill(g.crews[2]);
  BOOST_TEST(!replies[0]->answered());
  // Worker 3 held microbatch 2; worker 2 computes it again.
  const auto repaired = reduce_with({}, {1, 2, 3}, 0, 1, {{2, {{1, {2}}}}});
  const auto too_early = g.rig.call<wire::loss_done>(g.crews[1], share_loss_of({}, 2, 2, 0));
  CHECK_REFUSED(too_early, reason::WRONG_ROUND);
  for (size_t i = 0; i < 2; ++i)
    replies.push_back(g.rig.ask<wire::reduced>(g.crews[i].worker, repaired));
  g.rig.run();
  CHECK_REFUSED(g.rig.call<wire::loss_done>(g.crews[0], share_loss_of({}, 2, 2, 0)),
                reason::WRONG_ROUND);
  CHECK_REFUSED(g.rig.call<wire::loss_done>(g.crews[1], share_loss_of({}, 3, 2, 0)),
                reason::WRONG_ROUND);
  BOOST_TEST(g.rig.call<wire::loss_done>(g.crews[1], share_loss_of({}, 2, 2, 0, -1)).failed);
  // Its own sum is frozen all the while.
  CHECK_REFUSED(g.rig.call<wire::loss_done>(g.crews[1], loss_of({}, 2)), reason::FROZEN);
  for (int copy = 0; copy < 2; ++copy)
    g.rig.ask<wire::loss_done>(g.crews[1].worker, share_loss_of({}, 2, 2, 0));
  g.rig.pass(5s);
  for (const auto& reply : replies) {
    BOOST_REQUIRE(reply->value);
    BOOST_TEST(done(*reply));
    BOOST_TEST(hash_of(*reply) == hash_of(*replies[0]));
  }
  for (size_t i = 0; i < 2; ++i) {
    const auto made =
        g.rig.call<wire::committed>(g.crews[i], commit_with({}, hash_of(*replies[0])));
    BOOST_REQUIRE(made.value);
    BOOST_TEST(made.value->read()->getVersion() == 1);
    const auto weights = snapshot(g.rig.call<wire::state_chunk>(g.crews[i], newest_state()));
    BOOST_TEST(weights.second == reference_weights(4, 1), per_element());
  }
}

BOOST_AUTO_TEST_CASE(a_share_does_not_outlive_its_round) {
  group_of_three g;
  g.rig.kill(g.crews[2]);
  const auto repaired = reduce_with({}, {1, 2, 3}, 0, 1, {{2, {{1, {2}}}}});
  const auto stalled = g.rig.ask<wire::reduced>(g.crews[1].worker, repaired);
  g.rig.run();
  BOOST_REQUIRE(g.rig.call<wire::loss_done>(g.crews[1], share_loss_of({}, 2, 2, 0)).value);
  for (size_t i = 0; i < 2; ++i) {
    const auto held_now = g.rig.call<wire::holding>(g.crews[i], gather_of({0, 2}));
    // What was computed for a share is not the worker's own.
    BOOST_TEST(held(held_now).size() == (i == 0 ? 2U : 1U));
  }
  BOOST_TEST(stalled->failed);
  CHECK_REFUSED(g.rig.call<wire::loss_done>(g.crews[1], share_loss_of({}, 2, 2, 0)),
                reason::FROZEN);
  // The next round has it leased to whoever is there.
  BOOST_REQUIRE(g.rig.call<wire::loss_done>(g.crews[0], loss_of({0, 3}, 2)).value);
  for (size_t i = 0; i < 2; ++i)
    BOOST_REQUIRE(g.rig.call<wire::holding>(g.crews[i], gather_of({0, 3})).value);
  std::vector<std::shared_ptr<outcome<wire::reduced>>> replies;
  for (size_t i = 0; i < 2; ++i)
    replies.push_back(g.rig.ask<wire::reduced>(g.crews[i].worker, reduce_with({0, 3}, {1, 2}, 0)));
  g.rig.run();
  for (size_t i = 0; i < 2; ++i) {
    BOOST_REQUIRE(done(*replies[i]));
    BOOST_REQUIRE(
        g.rig.call<wire::committed>(g.crews[i], commit_with({0, 3}, hash_of(*replies[i]))).value);
    const auto weights = snapshot(g.rig.call<wire::state_chunk>(g.crews[i], newest_state()));
    BOOST_TEST(weights.second == reference_weights(4, 1), per_element());
  }
}

BOOST_AUTO_TEST_CASE(a_commit_of_another_sum_than_ours_is_refused) {
  group_of_three g;
  std::vector<std::shared_ptr<outcome<wire::reduced>>> replies;
  for (const auto& each : g.crews)
    replies.push_back(g.rig.ask<wire::reduced>(each.worker, reduce_with({}, {1, 2, 3}, 0)));
  g.rig.run();
  BOOST_REQUIRE(done(*replies[0]));
  for (size_t i = 1; i < 3; ++i)
    BOOST_REQUIRE(
        g.rig.call<wire::committed>(g.crews[i], commit_with({}, hash_of(*replies[i]))).value);
  // As if it had counted as lost, and had gone on.
  const auto refused = g.rig.call<wire::committed>(g.crews[0], commit_with({}, "of others"));
  BOOST_TEST(refused.failed);
  g.rig.pass(5s);
  // It has fetched what the others have.
  const auto weights = snapshot(g.rig.call<wire::state_chunk>(g.crews[0], newest_state()));
  BOOST_TEST(weights.first == 1);
  BOOST_TEST(weights.second == reference_weights(4, 1), per_element());
}

BOOST_AUTO_TEST_CASE(polls_of_one_order_are_bounded) {
  group_of_three g;
  std::vector<std::shared_ptr<outcome<wire::reduced>>> replies;
  for (int i = 0; i < 40; ++i)
    replies.push_back(g.rig.ask<wire::reduced>(g.crews[0].worker, reduce_with({}, {1, 2, 3}, 0)));
  g.rig.run();
  size_t waiting = 0;
  for (const auto& reply : replies)
    waiting += reply->answered() ? 0 : 1;
  BOOST_TEST(waiting == 16U);
  for (size_t i = 1; i < 3; ++i)
    g.rig.ask<wire::reduced>(g.crews[i].worker, reduce_with({}, {1, 2, 3}, 0));
  g.rig.run();
  BOOST_TEST(done(*replies.back()));
}
