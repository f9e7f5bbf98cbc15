#include "actors/stage/restorer.hpp"

#include <boost/test/unit_test.hpp>
#include <set>

#include "actors/stage/errc.hpp"
#include "actors/stage/snapshot_store.hpp"
#include "actors/stage/state_store.hpp"
#include "tests/actors/stage/donor_rig.hpp"
#include "tests/actors/stage/engine_wrapper.hpp"

/// How a worker goes back to an earlier version: with which copy, and what becomes of the order.

namespace {

using namespace swarm;
using namespace swarm::testing;
using namespace std::chrono_literals;
using stage::start_mode;
using reason = schemas::Refusal::Reason;
using boost::test_tools::per_element;
using firsts = std::vector<uint64_t>;

/// What the toy states of the holders begin with.
constexpr float toy_weight = 7;

/// One worker that a coordinator sends back.
class fixture {
 public:
  explicit fixture(bool with_snapshots = true, uint64_t peer = 1,
                   start_mode start = start_mode::fresh)
      : peer_(peer) {
    if (with_snapshots) snapshots = std::make_shared<stage::snapshot_store>();
    begin(start);
  }

  void begin(start_mode start) {
    one = rig.spawn(
        peer_, start,
        [this, make = rig.whole_model()] {
          return std::make_unique<counting_imports>(make(), imports, ranges);
        },
        [this](stage::stage_worker_options& options) {
          options.snapshots = snapshots;
          options.store = store;
          options.chunk_timeout = 1s;
          options.chunk_bytes = two_elements;
        });
    rig.run();
  }

  void commit(const when& w, bool keep = true) { commit_step(rig, one, w, 1, keep); }

  outcome<wire::position> restore(uint64_t term, int64_t version,
                                  const std::vector<uint64_t>& holders = {}) {
    return rig.call<wire::position>(one, restore_of(term, version, holders));
  }

  std::shared_ptr<outcome<wire::position>> begin_restore(uint64_t term, int64_t version,
                                                         const std::vector<uint64_t>& holders) {
    auto reply = rig.ask<wire::position>(one.worker, restore_of(term, version, holders));
    rig.run();
    return reply;
  }

  bool serves() {
    return rig.call<wire::position>(one, take_over_of(~uint64_t{0} >> 1)).value.has_value();
  }

  std::vector<float> weights() {
    return snapshot(rig.call<wire::state_chunk>(one, newest_state())).second;
  }

  worker_rig rig{1};
  std::shared_ptr<stage::snapshot_store> snapshots;
  std::shared_ptr<stage::state_store> store;
  int imports = 0;
  int ranges = 0;
  crew one;

 private:
  uint64_t peer_;
};

/// Of where it stands, or -1.
int64_t version_of(const outcome<wire::position>& reply) {
  return reply.value ? reply.value->read()->getVersion() : -1;
}

bool has_no_copy(const outcome<wire::position>& reply) {
  return reply.failed && reply.error == stage::make_error(stage::errc::no_state);
}

stage::stored_state toy_copy(int64_t version) {
  const toy_state toy;
  auto values = toy.values;
  return {step_id{version},
          tensors::host_tensor::adopt(std::move(values), {3, 4}),
          {{term_id{1}, round_id{9}}, 0.5, 3}};
}

}  // namespace

// -- copies of its own process --------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_worker_goes_back_with_the_copy_of_its_own_process) {
  fixture f;
  noting_donor other;
  spawn_holder(f.rig, 9, other.script());
  f.commit({0});
  f.commit({1});
  BOOST_TEST(version_of(f.restore(2, 1, {9})) == 1);
  BOOST_TEST(f.weights() == reference_weights(1, 1), per_element());
  BOOST_TEST(other.asked.empty());
  f.commit({1, 1, 2});
  BOOST_TEST(f.weights() == reference_weights(1, 2), per_element());
}

BOOST_AUTO_TEST_CASE(what_it_held_and_had_reduced_is_given_up) {
  fixture f;
  f.commit({0});
  f.commit({1});
  BOOST_REQUIRE(f.rig.call<wire::loss_done>(f.one, loss_of({2}, 0)).value);
  BOOST_REQUIRE(f.rig.call<wire::holding>(f.one, gather_of({2})).value);
  BOOST_REQUIRE(f.rig.call<wire::reduced>(f.one, reduce_of({2}, {1})).value);
  const auto reply = f.restore(2, 1);
  BOOST_REQUIRE(reply.value);
  BOOST_TEST(reply.value->read()->getReduced().getRound() == 0U);
  BOOST_TEST(held(f.rig.call<wire::holding>(f.one, gather_of({1, 1, 2}))).empty());
  CHECK_REFUSED(f.rig.call<wire::committed>(f.one, commit_of(2, {2})), reason::BEHIND);
}

BOOST_AUTO_TEST_CASE(where_it_stands_names_the_commit_that_made_the_copy) {
  fixture f;
  f.snapshots->put(stage_id{0}, toy_copy(4));
  const auto reply = f.restore(2, 4);
  BOOST_REQUIRE(reply.value);
  const auto body = reply.value->read();
  BOOST_TEST(body->getCommitted().getTerm() == 1U);
  BOOST_TEST(body->getCommitted().getRound() == 9U);
  BOOST_TEST(body->getScale() == 0.5);
  BOOST_TEST(body->getCommittedCounted() == 3U);
  BOOST_TEST(f.weights().at(0) == toy_weight);
}

BOOST_AUTO_TEST_CASE(without_snapshots_the_store_of_its_lives_will_do) {
  fixture f{false};
  f.rig.kill(f.one);
  f.store = std::make_shared<stage::memory_state_store>();
  f.begin(start_mode::fresh);
  f.commit({0}, false);
  f.commit({1}, false);
  BOOST_TEST(version_of(f.restore(2, 1)) == 1);
  BOOST_TEST(f.weights() == reference_weights(1, 1), per_element());
}

BOOST_AUTO_TEST_CASE(a_version_that_it_has_already_costs_nothing) {
  fixture f;
  f.commit({0});
  BOOST_REQUIRE(f.rig.call<wire::loss_done>(f.one, loss_of({1}, 0)).value);
  BOOST_TEST(version_of(f.restore(2, 1)) == 1);
  BOOST_TEST(f.imports == 0);
  BOOST_TEST(
      held(f.rig.call<wire::holding>(f.one, gather_of({1, 1, 2}))) == std::vector<int64_t>{0},
      per_element());
}

BOOST_AUTO_TEST_CASE(an_order_of_a_lower_term_is_refused) {
  fixture f;
  f.commit({0, 1, 5});
  CHECK_REFUSED(f.restore(4, 0), reason::LOWER_TERM);
  BOOST_TEST(f.imports == 0);
  BOOST_TEST(f.weights() == reference_weights(1, 1), per_element());
}

// -- copies of others -----------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(without_a_copy_it_fetches_one_from_a_holder_shard_by_shard) {
  fixture f;
  noting_donor holder;
  std::vector<int64_t> versions;
  std::vector<uint32_t> stages;
  spawn_holder(f.rig, 9, [&](int n, schemas::StateRequest::Reader m) {
    versions.push_back(m.getVersion());
    stages.push_back(m.getStage());
    return holder.script()(n, m);
  });
  BOOST_TEST(version_of(f.restore(2, 5, {9})) == 5);
  BOOST_TEST(sorted(holder.asked) == (firsts{0, 2}), per_element());
  BOOST_TEST(versions == (std::vector<int64_t>{5, 5}), per_element());
  BOOST_TEST(stages == (std::vector<uint32_t>{0, 0}), per_element());
  BOOST_TEST(f.weights().at(0) == toy_weight);
  // Straight into the engine.
  BOOST_TEST(f.ranges == 2);
  BOOST_TEST(f.imports == 0);
}

BOOST_AUTO_TEST_CASE(a_copy_that_was_fetched_can_be_handed_on_and_later_ones_are_gone) {
  fixture f;
  noting_donor holder;
  spawn_holder(f.rig, 9, holder.script());
  f.snapshots->put(stage_id{0}, toy_copy(4));
  f.snapshots->put(stage_id{0}, toy_copy(8));
  BOOST_TEST(version_of(f.restore(2, 5, {9})) == 5);
  const auto at = [](uint64_t history, int64_t version) {
    return weights_id{history_id{history}, step_id{version}};
  };
  // Under both its names.
  const auto kept = f.snapshots->versions()[stage_id{0}];
  BOOST_TEST((kept == std::vector<weights_id>{at(2, 5), at(0, 5), at(0, 4), at(0, 0)}));
}

BOOST_AUTO_TEST_CASE(a_worker_that_is_joining_is_sent_back_too) {
  fixture f{true, 1, start_mode::fetch};
  BOOST_TEST(!f.serves());
  noting_donor holder;
  spawn_holder(f.rig, 9, holder.script());
  BOOST_TEST(version_of(f.restore(~uint64_t{0} >> 1, 5, {9})) == 5);
  BOOST_TEST(f.serves());
}

BOOST_AUTO_TEST_CASE(holders_share_the_work) {
  fixture f;
  std::vector<noting_donor> holders(2);
  for (size_t i = 0; i < 2; ++i)
    spawn_holder(f.rig, 8 + i, holders[i].script());
  BOOST_TEST(version_of(f.restore(2, 5, {8, 9})) == 5);
  BOOST_TEST(holders[0].asked.size() == 1U);
  BOOST_TEST(holders[1].asked.size() == 1U);
}

/// As long as no holder has a shard that others have: each comes from it once.
BOOST_AUTO_TEST_CASE(workers_that_go_back_serve_each_other_with_what_they_have) {
  fixture f;
  const auto two =
      f.rig.spawn(2, start_mode::fetch, f.rig.whole_model(), [](stage::stage_worker_options& o) {
        o.chunk_timeout = 1s;
        o.chunk_bytes = two_elements;
      });
  f.rig.run();
  std::set<uint64_t> given;
  int refused = 0;
  toy_state toy;
  spawn_holder(f.rig, 9,
               [&](int, schemas::StateRequest::Reader m) -> std::optional<wire::state_chunk> {
                 if (given.insert(m.getFirstElement()).second) return toy.chunk(m);
                 ++refused;
                 return std::nullopt;
               });
  const auto first = f.rig.ask<wire::position>(f.one.worker, restore_of(2, 5, {9}));
  const auto second = f.rig.ask<wire::position>(two.worker, restore_of(2, 5, {9}));
  f.rig.run();
  pass_slowly(f.rig, 20s);
  BOOST_TEST(version_of(*first) == 5);
  BOOST_TEST(version_of(*second) == 5);
  BOOST_TEST(first_weight(f.rig, two) == toy_weight);
}

namespace {

/// What the first of two holders may do instead of handing its copy over.
void goes_on_at_the_next(donor_script bad, std::chrono::milliseconds after) {
  fixture f;
  noting_donor good;
  int asked = 0;
  spawn_holder(f.rig, 8, [&](int n, schemas::StateRequest::Reader m) {
    ++asked;
    return bad(n, m);
  });
  spawn_holder(f.rig, 9, good.script());
  const auto reply = f.begin_restore(2, 5, {8, 9});
  BOOST_TEST(asked > 0);
  if (after > 0ms) {
    BOOST_TEST(!reply->answered());
    f.rig.pass(after);
  }
  BOOST_TEST(sorted(good.asked) == (firsts{0, 2}), per_element());
  BOOST_TEST(version_of(*reply) == 5);
  BOOST_TEST(f.weights().at(0) == toy_weight);
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_holder_that_falls_silent_is_left_for_the_next) {
  noting_donor silent;
  silent.answers = 0;
  goes_on_at_the_next(silent.script(), 1100ms);
  BOOST_TEST(silent.asked.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_holder_with_another_version_is_left_for_the_next) {
  noting_donor other;
  other.state.version = 6;
  goes_on_at_the_next(other.script(), 0ms);
}

BOOST_AUTO_TEST_CASE(a_copy_with_a_wrong_checksum_is_left_for_the_next) {
  const toy_state spoiled;
  goes_on_at_the_next([&](int, schemas::StateRequest::Reader m) { return spoiled.chunk(m, false); },
                      0ms);
}

BOOST_AUTO_TEST_CASE(a_damaged_chunk_is_left_for_the_next) {
  goes_on_at_the_next(
      [](int, schemas::StateRequest::Reader) {
        return wire::state_chunk{wire::errc::wrong_checksum};
      },
      0ms);
}

BOOST_AUTO_TEST_CASE(a_chunk_that_was_not_asked_for_is_left_for_the_next) {
  const toy_state toy;
  goes_on_at_the_next(
      [&](int, schemas::StateRequest::Reader m) { return toy.chunk(2 - m.getFirstElement(), 2); },
      0ms);
}

BOOST_AUTO_TEST_CASE(a_holder_that_dies_is_left_for_the_next_at_once) {
  fixture f;
  noting_donor dying;
  noting_donor good;
  dying.answers = 0;
  const auto first = spawn_holder(f.rig, 8, dying.script());
  spawn_holder(f.rig, 9, good.script());
  const auto reply = f.begin_restore(2, 5, {8, 9});
  BOOST_TEST(good.asked.size() == 1U);
  f.rig.kill(first);
  BOOST_TEST(sorted(good.asked) == (firsts{0, 2}), per_element());
  BOOST_TEST(version_of(*reply) == 5);
}

BOOST_AUTO_TEST_CASE(holders_that_never_answer_are_no_hope) {
  fixture f;
  noting_donor silent;
  silent.answers = 0;
  spawn_holder(f.rig, 8, silent.script());
  const auto reply = f.begin_restore(2, 5, {8});
  pass_slowly(f.rig, 5s);
  BOOST_TEST(!reply->answered());
  pass_slowly(f.rig, 60s);
  BOOST_TEST(has_no_copy(*reply));
}

BOOST_AUTO_TEST_CASE(holders_that_nobody_knows_are_passed_over) {
  fixture f;
  noting_donor good;
  const auto gone = spawn_holder(f.rig, 8, noting_donor{}.script());
  f.rig.kill(gone);
  spawn_holder(f.rig, 9, good.script());
  BOOST_TEST(version_of(f.restore(2, 5, {8, 77, 9})) == 5);
}

// -- no copy anywhere -----------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(without_any_copy_it_refuses_and_fetches_as_a_joiner_does) {
  fixture f;
  f.commit({0});
  BOOST_TEST(has_no_copy(f.restore(2, 5, {77})));
  BOOST_TEST(!f.serves());
  noting_donor stage_mate;
  spawn_donor(f.rig, 3, stage_mate.script());
  f.rig.pass(1s);
  BOOST_TEST(f.serves());
  BOOST_TEST(f.weights().at(0) == toy_weight);
}

BOOST_AUTO_TEST_CASE(a_copy_of_another_model_is_refused_and_the_worker_lives) {
  fixture f;
  f.snapshots->put(stage_id{0},
                   {step_id{5}, tensors::host_tensor::adopt(std::vector<float>(6), {3, 2}), {}});
  BOOST_TEST(has_no_copy(f.restore(2, 5)));
  noting_donor stage_mate;
  spawn_donor(f.rig, 3, stage_mate.script());
  f.rig.pass(1s);
  BOOST_TEST(f.weights().at(0) == toy_weight);
}

// -- repeats and later orders ---------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(repeats_share_one_download_and_are_all_answered) {
  fixture f;
  noting_donor holder;
  holder.answers = 1;
  spawn_holder(f.rig, 9, holder.script());
  std::vector<std::shared_ptr<outcome<wire::position>>> replies;
  for (int i = 0; i < 3; ++i)
    replies.push_back(f.begin_restore(2, 5, {9}));
  BOOST_TEST(sorted(holder.asked) == (firsts{0, 2}), per_element());
  noting_donor second;
  spawn_holder(f.rig, 10, second.script());
  // A later one names another holder, and the download goes on there.
  replies.push_back(f.begin_restore(3, 5, {10}));
  f.rig.pass(2s);
  BOOST_TEST(second.asked.size() == 1U);
  for (const auto& reply : replies) {
    BOOST_TEST(version_of(*reply) == 5);
    BOOST_REQUIRE(reply->value);
    // The weights are of the history that the last order begins.
    BOOST_TEST(reply->value->read()->getHistory() == 3U);
  }
  BOOST_TEST(f.ranges == 2);
}

BOOST_AUTO_TEST_CASE(any_number_of_repeats_joins_the_download_under_way) {
  fixture f;
  noting_donor holder;
  holder.answers = 1;
  spawn_holder(f.rig, 9, holder.script());
  std::vector<std::shared_ptr<outcome<wire::position>>> replies;
  for (size_t i = 0; i < stage::restore_repeats_max + 10; ++i)
    replies.push_back(f.begin_restore(2, 5, {9}));
  BOOST_TEST(sorted(holder.asked) == (firsts{0, 2}), per_element());
  BOOST_TEST(f.ranges == 1);
  // The oldest are told how far it is, so that there is an end to those that wait.
  CHECK_REFUSED(*replies.front(), reason::RESTORING);
  const auto why = wire::refusal_of(replies.front()->error);
  BOOST_TEST(why->read()->getDoneBytes() == 24U);
  BOOST_TEST(why->read()->getTotalBytes() == 48U);
  BOOST_TEST(!replies.back()->answered());
}

BOOST_AUTO_TEST_CASE(a_repeat_may_ask_how_far_it_is) {
  fixture f;
  noting_donor holder;
  holder.answers = 1;
  spawn_holder(f.rig, 9, holder.script());
  const auto order = f.begin_restore(2, 5, {9});
  wire::builder<schemas::Restore> message;
  message->setTerm(2);
  message->setVersion(5);
  message->setProgress(true);
  const auto repeat = f.rig.call<wire::position>(f.one, message.finish());
  CHECK_REFUSED(repeat, reason::RESTORING);
  BOOST_TEST(wire::refusal_of(repeat.error)->read()->getDoneBytes() == 24U);
  BOOST_TEST(!order->answered());
}

BOOST_AUTO_TEST_CASE(a_later_order_replaces_one_that_is_under_way) {
  fixture f;
  f.commit({0});
  f.commit({1});
  // Holds its answer back until the test says so.
  std::optional<wire::state_chunk> late;
  caf::response_promise held_back;
  const toy_state toy;
  const auto slow = f.rig.system().spawn([&](caf::event_based_actor* self) -> caf::behavior {
    return {[&, self](const wire::state_request&) {
              auto reply = self->make_response_promise<wire::state_chunk>();
              held_back = reply;
              return reply;
            },
            [&](stage::export_atom) { held_back.deliver(*late); }};
  });
  f.rig.own(slow);
  wire::member member;
  member.id = {peer_id{9}, incarnation_id{1}};
  member.stage = stage_id{1};
  member.state = wire::member_state::serving;
  member.handle = member.replicator = slow;
  caf::anon_send(f.rig.directory(), wire::announce_atom::value, member);
  f.rig.run();
  const auto first = f.begin_restore(2, 5, {9});
  BOOST_TEST(!first->answered());
  BOOST_TEST(version_of(f.restore(3, 1, {9})) == 1);
  BOOST_TEST(has_no_copy(*first));
  late = toy.chunk(0, 2);
  caf::anon_send(slow, stage::export_atom::value);
  f.rig.run();
  f.rig.pass(1s);
  BOOST_TEST(f.weights() == reference_weights(1, 1), per_element());
  BOOST_TEST(f.imports == 1);
}

// -- the next life --------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(the_next_life_stands_where_the_worker_went_back_to) {
  fixture f{false};
  f.rig.kill(f.one);
  f.store = std::make_shared<stage::memory_state_store>();
  f.begin(start_mode::fresh);
  f.commit({0}, false);
  f.commit({1}, false);
  BOOST_REQUIRE(version_of(f.restore(2, 1)) == 1);
  f.rig.kill(f.one);
  f.begin(start_mode::fetch);
  BOOST_TEST(version_of(f.rig.call<wire::position>(f.one, take_over_of(3))) == 1);
  BOOST_TEST(f.weights() == reference_weights(1, 1), per_element());
}
