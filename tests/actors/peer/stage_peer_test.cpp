#include "actors/peer/stage_peer.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "actors/peer/directory.hpp"
#include "actors/wire/ticket.hpp"
#include "tests/actors/toy_engine.hpp"
#include "tests/actors/training/virtual_world.hpp"

/// Where a peer serves, and how it comes to serve elsewhere.

namespace {

using namespace swarm;
using namespace std::chrono_literals;
using boost::test_tools::per_element;
using testing::life;

constexpr stage_id zero{0};
constexpr stage_id one{1};

/// Stage peers of a pipeline of two toy stages, and what the directory says of them.
class fixture {
 public:
  fixture() {
    directory = world.own(peer::spawn_directory(world.system()));
    roster.follow(world, directory);
  }

  // The roster holds those who must end.
  ~fixture() {
    for (const auto& [id, root] : roots_)
      caf::anon_send_exit(root, caf::exit_reason::user_shutdown);
    roots_.clear();
    world.pass(1s);
    roster.members.clear();
  }

  fixture(const fixture&) = delete;
  fixture& operator=(const fixture&) = delete;

  void add(uint64_t id, stage_id at, stage::start_mode start = stage::start_mode::fresh,
           rebalancing::policy_kind policy = rebalancing::policy_kind::none, bool movable = true) {
    peer::stage_peer_options options;
    options.id = peer_id{id};
    options.stage = at;
    options.start = start;
    options.make_engine = [this, id](stage_id s) {
      engines[id].push_back(s.value());
      return testing::make_toy_engine(s == zero, s == one, 1);
    };
    options.make_store = [this, id](stage_id s) {
      auto& store = stores[{id, s}];
      if (!store) store = std::make_shared<stage::memory_state_store>();
      return store;
    };
    options.detached = false;
    options.directory = directory;
    if (movable) options.stages.assign(2, {});
    options.policy = policy;
    roots_[id] = world.own(peer::spawn_stage_peer(world.system(), options));
    world.pass(100ms);
  }

  std::optional<wire::member> worker(uint64_t id) const { return roster.worker(id); }

  bool serves(uint64_t id, stage_id at) const {
    const auto m = worker(id);
    return m && m->stage == at && m->state == wire::member_state::serving;
  }

  std::shared_ptr<testing::reply_slot<wire::move_done>> order(uint64_t id, uint32_t stage) {
    wire::builder<schemas::MoveOrder> message;
    message->setStage(stage);
    return testing::ask<wire::move_done>(world, replicator_of(id), message.finish());
  }

  /// (stage, version) of each state that the peer can hand over.
  std::set<std::pair<uint32_t, int64_t>> inventory(uint64_t id) {
    const auto reply = testing::ask<wire::inventory>(
        world, replicator_of(id), wire::builder<schemas::InventoryRequest>{}.finish());
    BOOST_REQUIRE(reply->value);
    std::set<std::pair<uint32_t, int64_t>> result;
    const auto body = reply->value->read();
    for (const auto item : body->getItems())
      result.emplace(item.getStage(), item.getVersion());
    return result;
  }

  template <class Handle>
  void kill(const Handle& whom) {
    caf::anon_send_exit(whom, caf::exit_reason::kill);
    world.run();
  }

  testing::virtual_world world;
  wire::directory_actor directory;
  testing::roster_watch roster;
  std::map<uint64_t, std::vector<int32_t>> engines;  ///< the stages they were made for
  std::map<std::pair<uint64_t, stage_id>, std::shared_ptr<stage::memory_state_store>> stores;

 private:
  wire::replicator_actor replicator_of(uint64_t id) const {
    return caf::actor_cast<wire::replicator_actor>(worker(id).value().replicator);
  }

  std::map<uint64_t, caf::actor> roots_;
};

using stages = std::vector<int32_t>;

}  // namespace

BOOST_AUTO_TEST_CASE(a_peer_that_is_told_to_serves_the_other_stage_in_a_new_life) {
  fixture f;
  f.add(1, zero);
  f.add(2, zero);
  f.add(3, one);
  const auto before = *f.worker(2);
  const auto reply = f.order(2, 1);
  BOOST_REQUIRE(reply->value);
  BOOST_TEST(reply->value->read()->getStage() == 1U);
  f.world.pass(1s);
  BOOST_TEST(f.roster.members.count(before.id) == 0U);
  BOOST_TEST(f.serves(2, one));
  const auto after = *f.worker(2);
  BOOST_TEST((after.id == life(2, 2)));
  BOOST_TEST((after.handle != before.handle));
  BOOST_TEST((after.averager != before.averager));
  // The replicator outlives the worker.
  BOOST_TEST((after.replicator == before.replicator));
  BOOST_TEST(f.engines[2] == (stages{0, 1}), per_element());
  // The others do not notice.
  BOOST_TEST((f.worker(1)->id == life(1)));
  BOOST_TEST((f.worker(3)->id == life(3)));
}

BOOST_AUTO_TEST_CASE(a_stage_that_it_serves_already_and_a_repeat_restart_nothing) {
  fixture f;
  f.add(2, zero);
  f.add(3, one);
  BOOST_TEST(f.order(2, 0)->value.has_value());
  f.world.pass(1s);
  BOOST_TEST(f.engines[2] == stages{0}, per_element());
  const auto first = f.order(2, 1);
  const auto repeat = f.order(2, 1);
  BOOST_TEST(first->value.has_value());
  BOOST_TEST(repeat->value.has_value());
  f.world.pass(1s);
  BOOST_TEST(f.order(2, 1)->value.has_value());
  f.world.pass(1s);
  BOOST_TEST(f.engines[2] == (stages{0, 1}), per_element());
  BOOST_TEST((f.worker(2)->id == life(2, 2)));
}

BOOST_AUTO_TEST_CASE(a_stage_that_does_not_exist_is_refused) {
  fixture f;
  f.add(2, zero);
  for (const uint32_t absurd : {2U, ~0U}) {
    BOOST_TEST(f.order(2, absurd)->failed);
    f.world.pass(1s);
  }
  BOOST_TEST(f.engines[2] == stages{0}, per_element());
  BOOST_TEST(f.serves(2, zero));
}

BOOST_AUTO_TEST_CASE(a_peer_that_moves_fetches_even_if_it_began_with_fresh_weights) {
  fixture f;
  f.add(2, zero);
  f.order(2, 1);
  f.world.pass(5s);
  BOOST_TEST((f.worker(2)->stage == one));
  BOOST_TEST((f.worker(2)->state == wire::member_state::joining));
  f.add(3, one);
  f.world.pass(5s);
  BOOST_TEST(f.serves(2, one));
}

BOOST_AUTO_TEST_CASE(a_worker_that_dies_after_the_move_comes_back_where_it_moved_to) {
  fixture f;
  f.add(2, zero);
  f.add(3, one);
  f.order(2, 1);
  f.world.pass(1s);
  f.kill(f.worker(2)->handle);
  f.world.pass(10s);
  BOOST_TEST(f.serves(2, one));
  BOOST_TEST((f.worker(2)->id == life(2, 3)));
  BOOST_TEST(f.engines[2] == (stages{0, 1, 1}), per_element());
}

BOOST_AUTO_TEST_CASE(a_replicator_that_dies_comes_back_with_the_stage_where_the_peer_is_now) {
  fixture f;
  f.add(2, zero);
  f.add(3, one);
  f.order(2, 1);
  f.world.pass(1s);
  const auto replicator = f.worker(2)->replicator;
  f.kill(replicator);
  f.world.pass(10s);
  BOOST_TEST(f.serves(2, one));
  BOOST_TEST((f.worker(2)->replicator != replicator));
  const auto back = f.order(2, 0);
  f.world.pass(1s);
  BOOST_TEST(back->value.has_value());
  BOOST_TEST((f.worker(2)->stage == zero));
}

BOOST_AUTO_TEST_CASE(each_stage_has_a_store_of_its_own_and_one_that_comes_back_resumes_from_it) {
  fixture f;
  f.add(2, zero);
  f.add(3, one);
  const auto left = f.stores.at({2, zero});
  BOOST_REQUIRE(left->state());
  f.order(2, 1);
  f.world.pass(1s);
  BOOST_REQUIRE((f.stores.count({2, one}) == 1U));
  BOOST_TEST(f.stores.at({2, one})->state().has_value());
  // Nobody else serves stage 0.
  f.order(2, 0);
  f.world.pass(1s);
  BOOST_TEST(f.serves(2, zero));
  BOOST_TEST(f.engines[2] == (stages{0, 1, 0}), per_element());
}

BOOST_AUTO_TEST_CASE(copies_of_the_stage_that_it_left_can_still_be_had_from_it) {
  fixture f;
  f.add(2, zero);
  BOOST_TEST((f.inventory(2) == std::set<std::pair<uint32_t, int64_t>>{{0, 0}}));
  f.order(2, 1);
  f.world.pass(5s);
  BOOST_TEST((f.inventory(2) == std::set<std::pair<uint32_t, int64_t>>{{0, 0}}));
}

BOOST_AUTO_TEST_CASE(a_peer_that_does_not_know_the_stages_has_no_replicator) {
  fixture f;
  f.add(2, zero, stage::start_mode::fresh, rebalancing::policy_kind::throughput, false);
  BOOST_TEST(f.serves(2, zero));
  BOOST_TEST(!f.worker(2)->replicator);
}

BOOST_AUTO_TEST_CASE(a_peer_with_a_policy_asks_and_moves_by_itself_and_one_without_never) {
  for (const auto policy : {rebalancing::policy_kind::none, rebalancing::policy_kind::throughput}) {
    fixture f;
    int asked = 0;
    const auto leader = f.world.own(f.world.system().spawn([&asked]() -> caf::behavior {
      return {[&asked](const wire::move_request&) {
        ++asked;
        return wire::builder<schemas::MoveAnswer>{}.finish();
      }};
    }));
    wire::member m;
    m.role = wire::member_role::coordinator;
    m.id = life(1'000);
    m.state = wire::member_state::serving;
    m.handle = leader;
    caf::anon_send(f.directory, wire::announce_atom::value, m);
    f.add(1, zero, stage::start_mode::fresh, policy);
    f.add(2, zero, stage::start_mode::fresh, policy);
    f.world.pass(5s);
    const bool moves = policy != rebalancing::policy_kind::none;
    BOOST_TEST((asked > 0) == moves);
    BOOST_TEST((f.worker(1)->stage != f.worker(2)->stage) == moves);
  }
}
