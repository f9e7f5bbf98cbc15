#include "actors/stage/replicator.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "actors/peer/directory.hpp"
#include "actors/stage/errc.hpp"
#include "actors/stage/replies.hpp"
#include "actors/stage/state_store.hpp"
#include "actors/telemetry/event.hpp"
#include "actors/wire/refusal.hpp"
#include "tests/actors/training/virtual_world.hpp"

/// Copies of states outside the stages that they are of, and orders to serve elsewhere. What
/// becomes of such an order: stage_peer_test. How copies are used: rescued_swarm_test.

namespace {

using namespace swarm;
using namespace std::chrono_literals;
using boost::test_tools::per_element;
using testing::life;

/// Time enough for a copy to reach its backup.
constexpr auto soon = 5s;
constexpr auto chunk_timeout = 1s;

/// Numbers that no other stage or version has.
stage::stored_state copy_of(int32_t stage, int64_t version) {
  std::vector<float> values(12);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(1'000 * stage + 20 * version) + static_cast<float>(i);
  return {step_id{version},
          tensors::host_tensor::adopt(std::move(values), {3, 4}),
          {{term_id{3}, round_id{2}}, 0.5, 7}};
}

bool is_copy_of(const std::optional<stage::stored_state>& kept, int32_t stage, int64_t version) {
  if (!kept) return false;
  const auto right = copy_of(stage, version);
  return kept->version == right.version && kept->commit.attempt == right.commit.attempt &&
         kept->commit.scale == right.commit.scale && kept->commit.counted == right.commit.counted &&
         std::equal(kept->state.as<float>(), kept->state.as<float>() + 12, right.state.as<float>());
}

/// A replicator, and a worker that only announces itself.
struct peer_life {
  stage_id stage{0};
  std::shared_ptr<stage::snapshot_store> snapshots = std::make_shared<stage::snapshot_store>();
  std::shared_ptr<stage::memory_state_store> store;
  std::vector<int32_t> moves;
  wire::replicator_actor replicator;
  caf::actor worker;
};

using items = std::set<std::string>;  ///< "stage@version"

class fixture {
 public:
  /// As many peers at each stage as `counts` says, with ids from 1.
  explicit fixture(const std::vector<int>& counts,
                   std::function<void(stage::replicator_options&)> adjust = {})
      : stages_(static_cast<int32_t>(counts.size())), adjust_(std::move(adjust)) {
    directory_ = world.own(peer::spawn_directory(world.system()));
    telemetry_ = world.own(world.system().spawn([this]() -> caf::behavior {
      return {[this](const telemetry::event& e) { ++events[e.name]; }};
    }));
    uint64_t peer = 0;
    for (size_t s = 0; s < counts.size(); ++s)
      for (int i = 0; i < counts[s]; ++i)
        add(++peer, static_cast<int32_t>(s));
  }

  ~fixture() {
    for (auto& [id, p] : peers) {
      p.replicator = nullptr;
      p.worker = nullptr;
    }
  }

  fixture(const fixture&) = delete;
  fixture& operator=(const fixture&) = delete;

  peer_life& add(uint64_t id, int32_t stage) {
    auto& p = peers[id];
    p.stage = stage_id{stage};
    stage::replicator_options options;
    options.id = peer_id{id};
    options.stages = stages_;
    options.serves = [&p] { return p.stage; };
    options.store = [&p] { return p.store; };
    options.move = [&p](stage_id to) { p.moves.push_back(to.value()); };
    options.snapshots = p.snapshots;
    options.directory = directory_;
    options.telemetry = telemetry_;
    options.chunk_timeout = chunk_timeout;
    options.chunk_bytes = 24;
    if (adjust_) adjust_(options);
    p.replicator = world.own(stage::spawn_replicator(world.system(), options));
    p.worker = spawn_worker();
    announce(id, p.stage, p.worker, caf::actor_cast<caf::actor>(p.replicator));
    return p;
  }

  /// A peer whose replicator answers requests for states as the test says.
  void add_fake(uint64_t id, int32_t stage, std::function<caf::result<wire::state_chunk>()> says) {
    const auto replicator = world.own(world.system().spawn([says]() -> caf::behavior {
      return {[says](const wire::state_request&) { return says(); }};
    }));
    announce(id, stage_id{stage}, spawn_worker(), replicator);
  }

  void kill(uint64_t id) {
    caf::anon_send_exit(peers.at(id).replicator, caf::exit_reason::kill);
    caf::anon_send_exit(peers.at(id).worker, caf::exit_reason::kill);
    world.run();
  }

  void leave(uint64_t peer, int32_t stage, int64_t version) {
    peers.at(peer).snapshots->put(stage_id{stage}, copy_of(stage, version));
  }

  bool keeps(uint64_t peer, int32_t stage, int64_t version) {
    return is_copy_of(
        peers.at(peer).snapshots->find(stage_id{stage}, {stage::any_history, step_id{version}}),
        stage, version);
  }

  items inventory(uint64_t peer) {
    const auto reply = testing::ask<wire::inventory>(
        world, peers.at(peer).replicator, wire::builder<schemas::InventoryRequest>{}.finish());
    BOOST_REQUIRE(reply->value);
    items result;
    const auto body = reply->value->read();
    for (const auto item : body->getItems())
      result.insert(std::to_string(item.getStage()) + "@" + std::to_string(item.getVersion()));
    return result;
  }

  std::shared_ptr<testing::reply_slot<wire::state_chunk>> chunk(uint64_t peer, int32_t stage,
                                                                int64_t version, uint64_t first = 0,
                                                                int64_t newer_than = -1) {
    stage::download::question q;
    q.range.first = first;
    q.shard_elements = 2;
    if (version >= 0) q.only = weights_id{stage::any_history, step_id{version}};
    return testing::ask<wire::state_chunk>(
        world, peers.at(peer).replicator,
        stage::request_of(stage_id{stage}, q, weights_id{{}, step_id{newer_than}}));
  }

  /// -1: refused.
  int64_t version_in(const std::shared_ptr<testing::reply_slot<wire::state_chunk>>& reply) {
    return reply->value ? reply->value->read()->getVersion() : -1;
  }

  testing::virtual_world world;
  std::map<uint64_t, peer_life> peers;
  std::map<std::string, int> events;

 private:
  caf::actor spawn_worker() {
    return world.own(world.system().spawn([]() -> caf::behavior { return {[](int) {}}; }));
  }

  void announce(uint64_t id, stage_id stage, const caf::actor& worker,
                const caf::actor& replicator) {
    auto m = testing::serving(life(id), stage, worker);
    m.replicator = replicator;
    caf::anon_send(directory_, wire::announce_atom::value, m);
    world.run();
  }

  int32_t stages_;
  std::function<void(stage::replicator_options&)> adjust_;
  wire::directory_actor directory_;
  caf::actor telemetry_;
};

}  // namespace

// -- backup ------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(each_stages_copy_is_backed_up_by_another_stage) {
  fixture f{{1, 1, 1}};
  for (int32_t s = 0; s < 3; ++s)
    f.leave(static_cast<uint64_t>(s) + 1, s, 4);
  f.world.pass(soon);
  BOOST_TEST(f.keeps(1, 1, 4));
  BOOST_TEST(f.keeps(2, 2, 4));
  BOOST_TEST(f.keeps(3, 0, 4));
  BOOST_TEST(f.events["backup"] == 3);
}

BOOST_AUTO_TEST_CASE(a_backup_goes_with_the_newest_copy_and_fetches_each_once) {
  fixture f{{1, 1}};
  for (const int64_t version : {2, 4, 6, 8}) {
    f.leave(2, 1, version);
    f.world.pass(soon);
    BOOST_TEST(f.keeps(1, 1, version));
  }
  BOOST_TEST(f.events["backup"] == 4);
  f.world.pass(60s);
  BOOST_TEST(f.events["backup"] == 4);
  // Older ones are dropped.
  BOOST_TEST(f.inventory(1) == (items{"1@4", "1@6", "1@8"}), per_element());
}

BOOST_AUTO_TEST_CASE(a_copy_outlives_its_whole_stage) {
  fixture f{{1, 2}};
  f.leave(2, 1, 4);
  f.world.pass(soon);
  f.kill(2);
  f.kill(3);
  f.world.pass(60s);
  BOOST_TEST(f.keeps(1, 1, 4));
  BOOST_TEST(f.version_in(f.chunk(1, 1, 4)) == 4);
}

BOOST_AUTO_TEST_CASE(a_copy_for_which_there_is_no_room_is_known_by_its_first_shard) {
  fixture f{{1}, [](auto& options) {
              options.stages = 2;
              // A copy has 4 elements of 12 bytes.
              options.snapshots = std::make_shared<stage::snapshot_store>(47);
            }};
  const auto state = copy_of(1, 4);
  // After the first of its two shards it has nothing newer.
  f.add_fake(2, 1, [&, asked = 0]() mutable -> caf::result<wire::state_chunk> {
    if (++asked > 1) return make_error(stage::errc::no_state);
    return stage::chunk_of(
        {state.weights(), state.commit, 4, 0, stage::shard_of(state.state, 0, 2).value()});
  });
  f.world.pass(soon);
  BOOST_TEST(f.events["no_room_for_copy"] == 1);
  BOOST_TEST(f.events["backup"] == 0);
}

BOOST_AUTO_TEST_CASE(whoever_joined_after_the_last_copy_gets_one_of_its_own_stage) {
  fixture f{{1, 1}};
  f.leave(1, 0, 4);
  f.leave(2, 1, 4);
  f.world.pass(soon);
  f.add(9, 0);
  f.world.pass(2 * soon);
  BOOST_TEST(f.keeps(9, 0, 4));
}

BOOST_AUTO_TEST_CASE(a_run_of_one_stage_has_no_backups) {
  fixture f{{2}};
  f.leave(1, 0, 4);
  f.world.pass(60s);
  BOOST_TEST(f.inventory(2).empty());
}

BOOST_AUTO_TEST_CASE(a_replicator_that_backs_nothing_up_hands_over_all_the_same) {
  fixture f{{1, 1}, [](stage::replicator_options& options) { options.backup_period = 0ms; }};
  f.leave(2, 1, 4);
  f.world.pass(60s);
  BOOST_TEST(f.inventory(1).empty());
  BOOST_TEST(f.version_in(f.chunk(2, 1, -1)) == 4);
}

BOOST_AUTO_TEST_CASE(a_donor_that_is_silent_or_refuses_is_left_for_another) {
  for (const bool silent : {true, false}) {
    fixture f{{1, 0}};
    // The first of the stage, and so the first to be asked.
    f.add_fake(2, 1, [silent]() -> caf::result<wire::state_chunk> {
      if (silent) return caf::delegated<wire::state_chunk>{};
      return caf::make_error(caf::sec::runtime_error);
    });
    f.add(3, 1);
    f.leave(3, 1, 4);
    f.world.pass(10 * chunk_timeout);
    BOOST_TEST(f.keeps(1, 1, 4));
  }
}

BOOST_AUTO_TEST_CASE(a_damaged_copy_is_never_kept) {
  fixture f{{1, 0}};
  int asked = 0;
  const auto spoiled = copy_of(1, 4);
  f.add_fake(2, 1, [&asked, spoiled]() -> caf::result<wire::state_chunk> {
    ++asked;
    // Another size than it says.
    return stage::chunk_of({spoiled.weights(), spoiled.commit, 4, 0, spoiled.state});
  });
  f.world.pass(soon);
  BOOST_TEST(asked > 0);
  BOOST_TEST(f.inventory(1).empty());
  BOOST_TEST(f.events["backup"] == 0);
  // Somebody who has it whole.
  f.add(3, 1);
  f.leave(3, 1, 4);
  f.world.pass(10 * chunk_timeout);
  BOOST_TEST(f.keeps(1, 1, 4));
}

BOOST_AUTO_TEST_CASE(a_donor_that_dies_in_the_middle_is_left_for_another) {
  fixture f{{1, 0}};
  int asked = 0;
  const auto state = copy_of(1, 4);
  f.add_fake(2, 1, [&asked, state]() -> caf::result<wire::state_chunk> {
    // The first shard, and then nothing.
    if (++asked > 1) return caf::delegated<wire::state_chunk>{};
    return stage::chunk_of(
        {state.weights(), state.commit, 4, 0, *stage::shard_of(state.state, 0, 2)});
  });
  f.add(3, 1);
  f.leave(3, 1, 4);
  f.world.pass(10 * chunk_timeout);
  BOOST_TEST(asked >= 2);
  BOOST_TEST(f.keeps(1, 1, 4));
}

BOOST_AUTO_TEST_CASE(weights_that_are_here_by_another_name_are_not_fetched_again) {
  fixture f{{1, 0}};
  const auto state = copy_of(1, 4);
  const history_id later{7};
  int asked = 0;
  f.add_fake(2, 1, [&, shard = [&](uint64_t first, history_id history) {
               return stage::chunk_of({{history, state.version},
                                       state.commit,
                                       4,
                                       first,
                                       stage::shard_of(state.state, first, 2).value(),
                                       {},
                                       {state.history}});
             }]() -> caf::result<wire::state_chunk> {
    switch (++asked) {
      case 1:
        return shard(0, state.history);
      case 2:
        return shard(2, state.history);
      case 3:  // the run has gone back
        return shard(0, later);
      default:
        return make_error(stage::errc::no_state);
    }
  });
  f.world.pass(2 * soon);
  BOOST_TEST(f.keeps(1, 1, 4));
  const auto newest = f.peers.at(1).snapshots->newest(stage_id{1});
  BOOST_REQUIRE(newest.has_value());
  BOOST_TEST((*newest == weights_id{later, step_id{4}}));
  BOOST_TEST(f.events["backup"] == 2);
}

/// Copies of 120 were under way when a stage was lost, and everybody went back to 100.
BOOST_AUTO_TEST_CASE(a_copy_from_before_the_run_went_back_is_replaced_by_the_next_one) {
  fixture f{{1, 1}};
  f.leave(2, 1, 100);
  f.world.pass(soon);
  f.leave(2, 1, 120);
  f.world.pass(soon);
  BOOST_TEST(f.inventory(1) == (items{"1@100", "1@120"}), per_element());
  auto back = copy_of(1, 100);
  back.history = history_id{7};
  back.also = {history_id{0}};
  f.peers.at(2).snapshots->put(stage_id{1}, back);
  auto next = copy_of(1, 101);
  next.history = history_id{7};
  f.peers.at(2).snapshots->put(stage_id{1}, next);
  f.world.pass(soon);
  BOOST_TEST(f.keeps(1, 1, 101));
  BOOST_TEST(!f.keeps(1, 1, 120));
}

// -- what is dropped ------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(what_is_neither_its_own_nor_its_to_keep_goes_after_a_while) {
  fixture f{{1, 1, 1}};
  f.leave(1, 0, 4);
  f.leave(1, 1, 4);
  // Of a stage that it served before.
  f.leave(1, 2, 4);
  f.world.pass(2s);
  BOOST_TEST(f.keeps(1, 2, 4));
  f.world.pass(30s);
  BOOST_TEST(!f.keeps(1, 2, 4));
  BOOST_TEST(f.keeps(1, 0, 4));
  BOOST_TEST(f.keeps(1, 1, 4));
}

BOOST_AUTO_TEST_CASE(nothing_goes_while_a_stage_has_nobody) {
  for (const uint64_t lost : {2U, 3U}) {
    fixture f{{1, 1, 1}};
    f.leave(1, 0, 4);
    f.leave(1, 1, 4);
    f.leave(1, 2, 4);
    f.kill(lost);
    f.world.pass(60s);
    for (int32_t s = 0; s < 3; ++s)
      BOOST_TEST(f.keeps(1, s, 4));
  }
}

// -- what it hands over
// -----------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(an_inventory_names_what_the_snapshots_and_the_store_of_its_stage_have) {
  fixture f{{1, 0, 0}};
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
  fixture f{{1, 1}};
  BOOST_TEST(f.version_in(f.chunk(1, 0, -1)) == -1);
  f.leave(1, 0, 2);
  f.leave(1, 0, 4);
  BOOST_TEST(f.version_in(f.chunk(1, 0, -1)) == 4);
  BOOST_TEST(f.version_in(f.chunk(1, 0, -1, 0, 3)) == 4);
  BOOST_TEST(f.chunk(1, 0, -1, 0, 4)->failed);
  BOOST_TEST(f.chunk(1, 0, -1, 0, 5)->failed);
}

BOOST_AUTO_TEST_CASE(any_version_that_is_kept_can_be_had_shard_by_shard) {
  fixture f{{1, 1}};
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
  fixture f{{1, 1}};
  for (const int64_t version : {2, 4, 6}) {
    f.leave(1, 0, version);
    if (version > 2) BOOST_TEST(f.version_in(f.chunk(1, 0, -1)) == version);
  }
  for (uint64_t first = 0; first < 4; first += 2)
    BOOST_TEST(f.version_in(f.chunk(1, 0, 2, first)) == 2);
}

BOOST_AUTO_TEST_CASE(what_is_not_there_is_refused) {
  fixture f{{1, 1}};
  f.leave(1, 0, 2);
  BOOST_TEST(f.chunk(1, 0, 3)->failed);
  BOOST_TEST(f.chunk(1, 1, 2)->failed);
  BOOST_TEST(f.chunk(1, 0, 2, 4)->failed);
  BOOST_TEST(f.chunk(1, 77, -1)->failed);
  const auto damaged = testing::ask<wire::state_chunk>(f.world, f.peers.at(1).replicator,
                                                       wire::state_request{wire::errc::malformed});
  BOOST_TEST(damaged->failed);
}

// -- orders to serve elsewhere
// ----------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(of_two_leaders_the_one_with_the_higher_term_is_obeyed) {
  fixture f{{2, 1, 1}};
  auto& p = f.peers.at(1);
  const auto order = [&](uint64_t term, uint32_t stage) {
    wire::builder<schemas::MoveOrder> message;
    message->setTerm(term);
    message->setStage(stage);
    return testing::ask<wire::move_done>(f.world, p.replicator, message.finish());
  };
  wire::builder<schemas::InventoryRequest> request;
  request->setTerm(7);
  BOOST_TEST(
      testing::ask<wire::inventory>(f.world, p.replicator, request.finish())->value.has_value());
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
  fixture f{{1, 1, 1}};
  auto& p = f.peers.at(1);
  const auto order = [&](uint32_t stage) {
    wire::builder<schemas::MoveOrder> message;
    message->setTerm(5);
    message->setStage(stage);
    return testing::ask<wire::move_done>(f.world, p.replicator, message.finish());
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
      testing::ask<wire::move_done>(f.world, p.replicator, wire::move_order{wire::errc::malformed})
          ->failed);
  BOOST_TEST(p.moves.size() == 1U);
}
