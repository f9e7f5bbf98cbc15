#include "actors/stage/fetcher.hpp"

#include <boost/test/unit_test.hpp>

#include "actors/stage/stage_worker.hpp"
#include "actors/stage/state_transfer.hpp"
#include "tests/actors/stage/donor_rig.hpp"

namespace {

using namespace swarm;
using namespace swarm::testing;
using namespace std::chrono_literals;
using stage::start_mode;
using reason = schemas::Refusal::Reason;
using boost::test_tools::per_element;
using numbers = std::vector<int64_t>;

crew spawn_joiner(worker_rig& rig) {
  return rig.spawn(2, start_mode::fetch, rig.whole_model(),
                   [](stage::stage_worker_options& o) { o.chunk_bytes = two_elements; });
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_joiner_without_a_donor_waits_and_then_takes_the_first) {
  worker_rig rig{1};
  const auto late = rig.spawn(2, start_mode::fetch, rig.whole_model());
  rig.run();
  for (int i = 0; i < 50; ++i)
    rig.pass(200ms);
  CHECK_REFUSED(rig.call<wire::loss_done>(late, loss_of({}, 0)), reason::NOT_SERVING);
  CHECK_REFUSED(rig.call<wire::holding>(late, gather_of({})), reason::NOT_SERVING);
  CHECK_REFUSED(rig.call<wire::committed>(late, commit_of({})), reason::NOT_SERVING);
  CHECK_REFUSED(rig.call<wire::state_chunk>(late, newest_state()), reason::NOT_SERVING);
  rig.spawn(1, start_mode::fresh, rig.whole_model());
  rig.run();
  BOOST_TEST(rig.call<wire::loss_done>(late, loss_of({}, 0)).value.has_value());
  BOOST_TEST(
      snapshot(rig.call<wire::state_chunk>(late, newest_state())).second == reference_weights(1, 0),
      per_element());
}

BOOST_AUTO_TEST_CASE(a_worker_that_missed_a_commit_fetches_and_serves_again) {
  worker_rig rig{1};
  const auto first = rig.spawn(1, start_mode::fresh, rig.whole_model());
  const auto left_out = rig.spawn(2, start_mode::fresh, rig.whole_model());
  rig.run();
  commit_step(rig, first, 0);
  commit_step(rig, first, 1);
  CHECK_REFUSED(rig.call<wire::loss_done>(left_out, loss_of({2}, 0)), reason::BEHIND);
  BOOST_TEST(rig.call<wire::loss_done>(left_out, loss_of({2}, 0)).value.has_value());
  BOOST_TEST(held(rig.call<wire::holding>(left_out, gather_of({2}))) == numbers{0}, per_element());
  BOOST_TEST(snapshot(rig.call<wire::state_chunk>(left_out, newest_state())).second ==
                 reference_weights(1, 2),
             per_element());
}

BOOST_AUTO_TEST_CASE(a_worker_outside_the_group_fetches_at_the_commit) {
  worker_rig rig{1};
  const auto first = rig.spawn(1, start_mode::fresh, rig.whole_model());
  rig.run();
  const auto newcomer = rig.spawn(2, start_mode::fetch, rig.whole_model());
  rig.pass(200ms);
  commit_step(rig, first, 0);
  BOOST_TEST(rig.call<wire::committed>(newcomer, commit_of({})).failed);
  BOOST_TEST(rig.call<wire::loss_done>(newcomer, loss_of({1}, 0)).value.has_value());
}

BOOST_AUTO_TEST_CASE(a_step_that_nobody_else_has_seen_does_not_empty_the_stage) {
  worker_rig rig{1};
  const crew crews[] = {rig.spawn(1, start_mode::fresh, rig.whole_model()),
                        rig.spawn(2, start_mode::fresh, rig.whole_model())};
  rig.run();
  // Both hear of it at once, and each sees the other fall back.
  std::vector<std::shared_ptr<outcome<wire::loss_done>>> replies;
  for (const auto& each : crews)
    replies.push_back(rig.ask<wire::loss_done>(each.worker, loss_of({int64_t{1} << 62}, 0)));
  rig.run();
  for (const auto& reply : replies)
    CHECK_REFUSED(*reply, reason::BEHIND);
  rig.pass(200ms);
  rig.pass(200ms);
  BOOST_TEST(serving_workers(rig).size() == 2U);
  for (const auto& each : crews)
    BOOST_TEST(rig.call<wire::loss_done>(each, loss_of({}, 0)).value.has_value());
}

BOOST_AUTO_TEST_CASE(the_last_worker_of_a_stage_keeps_its_sum) {
  worker_rig rig{1};
  const auto only = rig.spawn(1, start_mode::fresh, rig.whole_model());
  BOOST_TEST(rig.call<wire::loss_done>(only, loss_of({}, 0)).value.has_value());
  CHECK_REFUSED(rig.call<wire::loss_done>(only, loss_of({9}, 0)), reason::BEHIND);
  CHECK_REFUSED(rig.call<wire::holding>(only, gather_of({9})), reason::BEHIND);
  BOOST_TEST(held(rig.call<wire::holding>(only, gather_of({}))) == numbers{0}, per_element());
}

/// It was cut off when the run went back, and stands at a higher version that nobody wants.
BOOST_AUTO_TEST_CASE(a_worker_of_an_earlier_history_fetches_again) {
  worker_rig rig{1};
  const auto one = rig.spawn(1, start_mode::fresh, rig.whole_model());
  const auto cut_off = rig.spawn(2, start_mode::fresh, rig.whole_model());
  rig.run();
  for (int64_t step = 0; step < 3; ++step)
    for (const uint64_t peer : {1U, 2U}) {
      const auto& each = peer == 1 ? one : cut_off;
      BOOST_REQUIRE(rig.call<wire::loss_done>(each, loss_of({step}, 0)).value);
      BOOST_REQUIRE(rig.call<wire::holding>(each, gather_of({step})).value);
      const auto order = reduce_of({step}, {peer});
      BOOST_REQUIRE(rig.call<wire::reduced>(each, order).value);
      BOOST_REQUIRE(rig.call<wire::committed>(each, commit_of({step})).value);
    }
  BOOST_REQUIRE(rig.call<wire::position>(one, restore_of(7, 3)).value);
  wire::builder<schemas::Gather> message;
  wire::set_step_round(*message, {term_id{7}, step_id{3}, round_id{1}});
  message->setHistory(7);
  CHECK_REFUSED(rig.call<wire::holding>(cut_off, message.finish()), reason::NOT_SERVING);
  rig.pass(1s);
  const auto position = rig.call<wire::position>(cut_off, take_over_of(8));
  BOOST_REQUIRE(position.value);
  BOOST_TEST(position.value->read()->getHistory() == 7U);
  BOOST_TEST(position.value->read()->getVersion() == 3);
}

BOOST_AUTO_TEST_CASE(shards_are_put_together) {
  worker_rig rig{1};
  std::vector<std::pair<int64_t, uint64_t>> asked;
  spawn_donor(rig, 9, [&asked](int, schemas::StateRequest::Reader m) {
    asked.emplace_back(m.getVersion(), m.getFirstElement());
    return toy_state{}.chunk(m);
  });
  const auto joiner = spawn_joiner(rig);
  rig.run();
  BOOST_TEST(first_weight(rig, joiner) == 7);
  // Each at whatever the donor stands at.
  BOOST_TEST((asked == std::vector<std::pair<int64_t, uint64_t>>{{-1, 0}, {-1, 2}}));
  BOOST_TEST(rig.call<wire::loss_done>(joiner, loss_of({5}, 0)).value.has_value());
}

BOOST_AUTO_TEST_CASE(a_donor_that_never_answers_is_given_up) {
  worker_rig rig{1};
  spawn_donor(rig, 3, [](int, schemas::StateRequest::Reader) { return std::nullopt; });
  const auto joiner = rig.spawn(2, start_mode::fetch, rig.whole_model());
  rig.pass(200ms);
  spawn_donor(rig, 9, [](int, schemas::StateRequest::Reader m) { return toy_state{}.chunk(m); });
  rig.pass(29s);
  BOOST_TEST(first_weight(rig, joiner) == -1);
  rig.pass(1s);
  BOOST_TEST(first_weight(rig, joiner) == 7);
}

BOOST_AUTO_TEST_CASE(a_donor_that_moves_on_is_asked_again_for_what_it_had_given) {
  std::vector<uint64_t> asked;
  worker_rig rig{1};
  spawn_donor(rig, 3, [&asked](int n, schemas::StateRequest::Reader m) {
    asked.push_back(m.getFirstElement());
    auto state = toy_state{};
    if (n > 0) {
      state.version = 6;
      state.values[0] = 9;
    }
    return state.chunk(m);
  });
  const auto joiner = spawn_joiner(rig);
  rig.run();
  BOOST_TEST(asked == (std::vector<uint64_t>{0, 2, 0}), per_element());
  BOOST_TEST(first_weight(rig, joiner) == 9);
  BOOST_TEST(rig.call<wire::loss_done>(joiner, loss_of({6}, 0)).value.has_value());
}

BOOST_AUTO_TEST_CASE(a_wrong_checksum_is_never_imported) {
  worker_rig rig{1};
  spawn_donor(rig, 3,
              [](int n, schemas::StateRequest::Reader m) { return toy_state{}.chunk(m, n >= 2); });
  const auto joiner = rig.spawn(2, start_mode::fetch, rig.whole_model());
  rig.run();
  // Two attempts fail.
  BOOST_TEST(first_weight(rig, joiner) == -1);
  pass_slowly(rig, 2s);
  BOOST_TEST(first_weight(rig, joiner) == 7);
}

BOOST_AUTO_TEST_CASE(a_damaged_or_absurd_chunk_is_survived) {
  worker_rig rig{1};
  spawn_donor(rig, 3, [](int n, schemas::StateRequest::Reader) -> wire::state_chunk {
    if (n == 0) return wire::state_chunk{};
    if (n == 1) return wire::state_chunk{wire::errc::wrong_checksum};
    wire::builder<schemas::StateChunk> message;
    message->setVersion(n == 2 ? -4 : 4);
    message->setTotalElements(n == 2 ? 1 : ~uint64_t{0});
    message->initBytes(n == 2 ? 12 : 16);
    message->setChecksum(stage::state_checksum("\0\0\0\0\0\0\0\0\0\0\0\0", 12));
    return message.finish();
  });
  const auto joiner = rig.spawn(2, start_mode::fetch, rig.whole_model());
  for (int i = 0; i < 100; ++i)
    rig.pass(200ms);
  BOOST_TEST(first_weight(rig, joiner) == -1);
  spawn_donor(rig, 9, [](int, schemas::StateRequest::Reader m) { return toy_state{}.chunk(m); });
  rig.run();
  BOOST_TEST(first_weight(rig, joiner) == 7);
}

/// Another size than the engine's: never in the engine, and not for ever asked for.
BOOST_AUTO_TEST_CASE(a_donor_of_another_model_is_left_alone) {
  int asked = 0;
  worker_rig rig{1};
  spawn_donor(rig, 3, [&asked](int, schemas::StateRequest::Reader) {
    ++asked;
    return stage::chunk_of(
        {{}, {}, 6, 0, tensors::host_tensor::adopt(std::vector<float>(18), {3, 6})});
  });
  const auto joiner = rig.spawn(2, start_mode::fetch, rig.whole_model());
  for (int i = 0; i < 100; ++i)
    rig.pass(1s);
  BOOST_TEST(asked == static_cast<int>(stage::wrong_answers_max));
  BOOST_TEST(first_weight(rig, joiner) == -1);
}

BOOST_AUTO_TEST_CASE(everything_ends_whenever_a_worker_is_killed) {
  for (size_t events = 0; events < 90; events += 3) {
    worker_rig rig{1};
    const auto one = rig.spawn(1, start_mode::fresh, rig.whole_model());
    const auto two = rig.spawn(2, start_mode::fetch, rig.whole_model());
    const auto adding = rig.ask<wire::loss_done>(one.worker, loss_of({}, 0));
    const auto gathered = rig.ask<wire::holding>(one.worker, gather_of({}));
    const auto reducing = rig.ask<wire::reduced>(one.worker, reduce_of({}, {1, 2}));
    const auto early = rig.ask<wire::loss_done>(two.worker, loss_of({1}, 0));
    rig.scheduler().run(events);
    rig.kill(events % 2 == 0 ? one : two);
    rig.pass(200ms);
    BOOST_TEST(serving_workers(rig).size() <= 2U);
  }
}
