#include "actors/stage/replicator.hpp"

#include <boost/test/unit_test.hpp>
#include <functional>

#include "tests/actors/stage/replicator_rig.hpp"

/// What a replicator hands over and is ordered to do.

namespace {

using namespace swarm;
using namespace swarm::testing;
using namespace std::chrono_literals;
using boost::test_tools::per_element;

}  // namespace

// -- what it hands over
// -----------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(an_inventory_names_what_the_snapshots_and_the_store_of_its_stage_have) {
  replicators f{{1, 0, 0}};
  auto& p = f.peers.at(1);
  BOOST_TEST(f.inventory(1).empty());
  f.leave(1, 0, 2);
  f.leave(1, 0, 4);
  f.leave(1, 2, 6);
  p.store = std::make_shared<stage::memory_state_store>();
  p.store->put(copy_of(0, 9));
  BOOST_TEST(f.inventory(1) == (items{"0@2", "0@4", "0@9", "2@6"}), per_element());
  // What a store has is of the stage that the peer serves.
  p.stage = stage_id{1};
  p.store = std::make_shared<stage::memory_state_store>();
  BOOST_TEST(f.inventory(1) == (items{"0@2", "0@4", "2@6"}), per_element());
}

BOOST_AUTO_TEST_CASE(the_newest_copy_is_handed_over_only_to_those_who_have_an_older_one) {
  replicators f{{1, 1}};
  BOOST_TEST(f.version_in(f.chunk(1, 0, -1)) == -1);
  f.leave(1, 0, 2);
  f.leave(1, 0, 4);
  BOOST_TEST(f.version_in(f.chunk(1, 0, -1)) == 4);
  BOOST_TEST(f.version_in(f.chunk(1, 0, -1, 0, 3)) == 4);
  BOOST_TEST(f.chunk(1, 0, -1, 0, 4)->failed);
  BOOST_TEST(f.chunk(1, 0, -1, 0, 5)->failed);
}

BOOST_AUTO_TEST_CASE(any_version_that_is_kept_can_be_had_shard_by_shard) {
  replicators f{{1, 1}};
  f.peers.at(1).store = std::make_shared<stage::memory_state_store>();
  f.peers.at(1).store->put(copy_of(0, 9));
  f.leave(1, 0, 2);
  for (const int64_t version : {2, 9}) {
    std::vector<float> values(12);
    for (uint64_t first = 0; first < 4; first += 2) {
      const auto reply = f.chunk(1, 0, version, first);
      BOOST_REQUIRE(reply->value);
      const auto body = reply->value->read();
      BOOST_TEST(body->getVersion() == version);
      BOOST_TEST(body->getTotalElements() == 4U);
      BOOST_TEST(body->getBytes().size() == 24U);
      BOOST_TEST((stage::commit_in(*body).attempt == attempt_id{term_id{3}, round_id{2}}));
      stage::put_shard(values.data(), 4, {first, 2}, body->getBytes().begin());
    }
    const auto right = copy_of(0, version);
    BOOST_TEST(values == std::vector<float>(right.state.as<float>(), right.state.as<float>() + 12),
               per_element());
  }
}

BOOST_AUTO_TEST_CASE(an_old_version_can_still_be_had_when_newer_ones_were_handed_over) {
  replicators f{{1, 1}};
  for (const int64_t version : {2, 4, 6}) {
    f.leave(1, 0, version);
    if (version > 2) BOOST_TEST(f.version_in(f.chunk(1, 0, -1)) == version);
  }
  for (uint64_t first = 0; first < 4; first += 2)
    BOOST_TEST(f.version_in(f.chunk(1, 0, 2, first)) == 2);
}

BOOST_AUTO_TEST_CASE(what_is_not_there_is_refused) {
  replicators f{{1, 1}};
  f.leave(1, 0, 2);
  BOOST_TEST(f.chunk(1, 0, 3)->failed);
  BOOST_TEST(f.chunk(1, 1, 2)->failed);
  BOOST_TEST(f.chunk(1, 0, 2, 4)->failed);
  BOOST_TEST(f.chunk(1, 77, -1)->failed);
  const auto damaged = ask<wire::state_chunk>(f.world, f.peers.at(1).replicator,
                                              wire::state_request{wire::errc::malformed});
  BOOST_TEST(damaged->failed);
}

// -- orders to serve elsewhere
// ----------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(of_two_leaders_the_one_with_the_higher_term_is_obeyed) {
  replicators f{{2, 1, 1}};
  auto& p = f.peers.at(1);
  const auto order = [&](uint64_t term, uint32_t stage) {
    wire::builder<schemas::MoveOrder> message;
    message->setTerm(term);
    message->setStage(stage);
    return ask<wire::move_done>(f.world, p.replicator, message.finish());
  };
  wire::builder<schemas::InventoryRequest> request;
  request->setTerm(7);
  BOOST_TEST(ask<wire::inventory>(f.world, p.replicator, request.finish())->value.has_value());
  const auto replaced = order(6, 1);
  BOOST_TEST(replaced->failed);
  BOOST_TEST((wire::refusal_reason(replaced->error) == schemas::Refusal::Reason::LOWER_TERM));
  BOOST_TEST(p.moves.empty());
  BOOST_TEST(order(7, 1)->value.has_value());
  BOOST_TEST(order(9, 2)->value.has_value());
  BOOST_TEST(order(7, 1)->failed);
  BOOST_TEST(p.moves == (std::vector<int32_t>{1, 2}), per_element());
}

BOOST_AUTO_TEST_CASE(a_move_order_is_carried_out_unless_the_peer_is_there) {
  replicators f{{1, 1, 1}};
  auto& p = f.peers.at(1);
  const auto order = [&](uint32_t stage) {
    wire::builder<schemas::MoveOrder> message;
    message->setTerm(5);
    message->setStage(stage);
    return ask<wire::move_done>(f.world, p.replicator, message.finish());
  };
  const auto stays = order(0);
  BOOST_REQUIRE(stays->value);
  BOOST_TEST(stays->value->read()->getStage() == 0U);
  BOOST_TEST(p.moves.empty());
  const auto moves = order(2);
  BOOST_REQUIRE(moves->value);
  BOOST_TEST(moves->value->read()->getStage() == 2U);
  BOOST_TEST(p.moves == std::vector<int32_t>{2}, per_element());
  BOOST_TEST(f.events["moves"] == 1);
  // The peer is there now: a repeat is harmless.
  p.stage = stage_id{2};
  BOOST_TEST(order(2)->value.has_value());
  BOOST_TEST(p.moves.size() == 1U);
  for (const uint32_t absurd : {3U, ~0U})
    BOOST_TEST(order(absurd)->failed);
  BOOST_TEST(
      ask<wire::move_done>(f.world, p.replicator, wire::move_order{wire::errc::malformed})->failed);
  BOOST_TEST(p.moves.size() == 1U);
}
