#include <boost/test/unit_test.hpp>
#include <cstring>

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
  const auto first = rig.spawn(1, start_mode::fresh, rig.whole_model());
  rig.run();
  commit_step(rig, first, 0);
  rig.pass(200ms);
  BOOST_TEST(rig.call<wire::loss_done>(late, loss_of({1}, 0)).value.has_value());
  BOOST_TEST(
      snapshot(rig.call<wire::state_chunk>(late, newest_state())).second == reference_weights(1, 1),
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

BOOST_AUTO_TEST_CASE(chunks_are_put_together) {
  worker_rig rig{1};
  std::vector<std::pair<int64_t, uint64_t>> asked;
  spawn_donor(rig, 9, [&asked](int, schemas::StateRequest::Reader m) {
    asked.emplace_back(m.getVersion(), m.getOffsetBytes());
    return toy_state{}.chunk(m.getOffsetBytes());
  });
  const auto joiner = rig.spawn(2, start_mode::fetch, rig.whole_model());
  rig.pass(200ms);
  BOOST_TEST(first_weight(rig, joiner) == 7);
  BOOST_TEST(asked.size() == 3U);
  BOOST_TEST(asked[0].first == -1);
  BOOST_TEST(asked[2].first == 5);
  BOOST_TEST(asked[2].second == 32U);
  BOOST_TEST(rig.call<wire::loss_done>(joiner, loss_of({5}, 0)).value.has_value());
}

BOOST_AUTO_TEST_CASE(a_donor_that_dies_in_the_middle_is_replaced_without_a_time_out) {
  worker_rig rig{1};
  const auto silent = spawn_donor(rig, 3, [](int n, schemas::StateRequest::Reader m) {
    auto chunk = std::optional<wire::state_chunk>{toy_state{}.chunk(m.getOffsetBytes())};
    return n == 0 ? chunk : std::nullopt;
  });
  const auto joiner = rig.spawn(2, start_mode::fetch, rig.whole_model());
  rig.pass(200ms);
  auto other = toy_state{};
  other.values[0] = 8;
  spawn_donor(rig, 9, [other](int, schemas::StateRequest::Reader m) {
    return other.chunk(m.getOffsetBytes());
  });
  rig.pass(200ms);
  BOOST_TEST(first_weight(rig, joiner) == -1);
  rig.kill(silent);
  // The other donor has another snapshot of that version, so the download begins again.
  rig.pass(200ms);
  rig.pass(200ms);
  BOOST_TEST(first_weight(rig, joiner) == 8);
}

BOOST_AUTO_TEST_CASE(a_donor_that_never_answers_is_given_up) {
  worker_rig rig{1};
  spawn_donor(rig, 3, [](int, schemas::StateRequest::Reader) { return std::nullopt; });
  const auto joiner = rig.spawn(2, start_mode::fetch, rig.whole_model());
  rig.pass(200ms);
  spawn_donor(rig, 9, [](int, schemas::StateRequest::Reader m) {
    return toy_state{}.chunk(m.getOffsetBytes());
  });
  rig.pass(30'000ms);
  rig.pass(200ms);
  BOOST_TEST(first_weight(rig, joiner) == 7);
}

BOOST_AUTO_TEST_CASE(a_donor_that_moves_on_makes_the_joiner_start_again) {
  worker_rig rig{1};
  spawn_donor(rig, 3, [](int n, schemas::StateRequest::Reader m) {
    auto state = toy_state{};
    if (n > 0) {
      state.version = 6;
      state.values[0] = 9;
    }
    return state.chunk(m.getOffsetBytes());
  });
  const auto joiner = rig.spawn(2, start_mode::fetch, rig.whole_model());
  rig.pass(200ms);
  rig.pass(200ms);
  BOOST_TEST(first_weight(rig, joiner) == 9);
  BOOST_TEST(rig.call<wire::loss_done>(joiner, loss_of({6}, 0)).value.has_value());
}

BOOST_AUTO_TEST_CASE(a_wrong_checksum_is_never_imported) {
  worker_rig rig{1};
  spawn_donor(rig, 3, [](int n, schemas::StateRequest::Reader m) {
    return toy_state{}.chunk(m.getOffsetBytes(), n >= 6);
  });
  const auto joiner = rig.spawn(2, start_mode::fetch, rig.whole_model());
  rig.run();
  // Two attempts fail; the first comes when the joiner has heard of the donor.
  for (int attempt = 0; attempt < 2; ++attempt) {
    rig.pass(200ms);
    BOOST_TEST(first_weight(rig, joiner) == -1);
  }
  rig.pass(200ms);
  BOOST_TEST(first_weight(rig, joiner) == 7);
}

BOOST_AUTO_TEST_CASE(a_damaged_or_absurd_chunk_is_survived) {
  worker_rig rig{1};
  spawn_donor(rig, 3, [](int n, schemas::StateRequest::Reader m) {
    if (n == 0) return wire::state_chunk{};
    if (n > 2) return toy_state{}.chunk(m.getOffsetBytes());
    wire::builder<schemas::StateChunk> message;
    message->setVersion(n == 1 ? -4 : 4);
    message->setTotalBytes(n == 1 ? 12 : stage::state_bytes_max / 12 * 12);
    message->initBytes(n == 1 ? 12 : 16);
    message->setChecksum(stage::state_checksum("\0\0\0\0\0\0\0\0\0\0\0\0", 12));
    return message.finish();
  });
  const auto joiner = rig.spawn(2, start_mode::fetch, rig.whole_model());
  for (int i = 0; i < 6; ++i)
    rig.pass(200ms);
  BOOST_TEST(first_weight(rig, joiner) == 7);
}

BOOST_AUTO_TEST_CASE(a_donor_keeps_its_snapshot_while_it_moves_on) {
  worker_rig rig{1};
  const auto one = rig.spawn(1, start_mode::fresh, rig.whole_model());
  const auto before = snapshot(rig.call<wire::state_chunk>(one, newest_state()));
  commit_step(rig, one, 0);
  wire::builder<schemas::StateRequest> message;
  message->setVersion(0);
  const auto again = snapshot(rig.call<wire::state_chunk>(one, message.finish()));
  BOOST_TEST(again.first == 0);
  BOOST_TEST(again.second == before.second, per_element());
  wire::builder<schemas::StateRequest> gone;
  gone->setVersion(77);
  BOOST_TEST(rig.call<wire::state_chunk>(one, gone.finish()).failed);
  wire::builder<schemas::StateRequest> past_the_end;
  past_the_end->setVersion(0);
  past_the_end->setOffsetBytes(~uint64_t{0});
  BOOST_TEST(rig.call<wire::state_chunk>(one, past_the_end.finish()).failed);
  wire::builder<schemas::StateRequest> elsewhere;
  elsewhere->setStage(3);
  CHECK_REFUSED(rig.call<wire::state_chunk>(one, elsewhere.finish()), reason::NOT_SERVING);
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
