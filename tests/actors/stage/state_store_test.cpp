#include "actors/stage/state_store.hpp"

#include <boost/test/unit_test.hpp>

#include "actors/stage/stage_worker.hpp"
#include "tests/actors/stage/donor_rig.hpp"
#include "tests/actors/stage/engine_wrapper.hpp"
#include "tests/actors/stage/store_rig.hpp"

namespace {

using namespace swarm;
using namespace swarm::testing;
using namespace std::chrono_literals;
using stage::start_mode;
using reason = schemas::Refusal::Reason;
using boost::test_tools::per_element;

/// Says what it is given, and can fail to keep it.
class watched_store final : public stage::state_store {
 public:
  void put(stage::stored_state state) override {
    if (on_put) on_put("state " + std::to_string(state.version.value()));
    if (keeps_states) kept_.put(std::move(state));
  }
  void put(stage::stored_sum sum) override {
    if (on_put) on_put("sum " + std::to_string(sum.step.value()));
    kept_.put(std::move(sum));
  }
  std::optional<stage::stored_state> state() const override { return kept_.state(); }
  std::optional<stage::stored_sum> sum() const override { return kept_.sum(); }
  std::vector<stage::stored_state> states() const override { return kept_.states(); }

  std::function<void(const std::string&)> on_put;
  bool keeps_states = true;

 private:
  stage::memory_state_store kept_;
};

/// Lives of worker 1, which leave what they have to the next one.
template <class Store>
struct lives_with {
  crew begin(worker_rig& rig, start_mode start = start_mode::fetch) {
    const auto made = rig.spawn(
        1, start,
        [applied = applied, make = rig.whole_model()] {
          return std::make_unique<counting_engine>(make(), applied);
        },
        [this](stage::stage_worker_options& options) { options.store = store; });
    rig.run();
    return made;
  }

  std::shared_ptr<int> applied = std::make_shared<int>(0);
  std::shared_ptr<Store> store;
};

struct lives : lives_with<watched_store> {
  lives() { store = std::make_shared<watched_store>(); }
};

void reduce_step(worker_rig& rig, const crew& one, const when& w) {
  BOOST_REQUIRE(rig.call<wire::loss_done>(one, loss_of(w, 0)).value);
  BOOST_REQUIRE(rig.call<wire::holding>(one, gather_of(w)).value);
  BOOST_REQUIRE(rig.call<wire::reduced>(one, reduce_of(w, {1}, {}, 1)).value);
}

std::pair<int64_t, std::vector<float>> weights(worker_rig& rig, const crew& one) {
  return snapshot(rig.call<wire::state_chunk>(one, newest_state()));
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_is_promised_is_stored_before_it_is_said) {
  worker_rig rig{1};
  lives of_one;
  std::vector<std::string> order;
  std::shared_ptr<outcome<wire::reduced>> reduced;
  std::shared_ptr<outcome<wire::committed>> committed;
  of_one.store->on_put = [&](const std::string& what) {
    order.push_back(what);
    if (what == "sum 0") BOOST_TEST(!reduced->answered());
    if (what == "state 1") BOOST_TEST(!committed->answered());
  };
  const auto one = of_one.begin(rig, start_mode::fresh);
  BOOST_REQUIRE(rig.call<wire::loss_done>(one, loss_of({}, 0)).value);
  BOOST_REQUIRE(rig.call<wire::holding>(one, gather_of({})).value);
  reduced = rig.ask<wire::reduced>(one.worker, reduce_of({}, {1}));
  rig.run();
  BOOST_REQUIRE(reduced->value);
  committed = rig.ask<wire::committed>(one.worker, commit_of({}));
  rig.run();
  BOOST_REQUIRE(committed->value);
  BOOST_TEST(order == (std::vector<std::string>{"state 0", "sum 0", "state 1"}), per_element());
}

BOOST_AUTO_TEST_CASE(a_worker_without_a_store_forgets_and_fetches) {
  worker_rig rig{1};
  const auto one = rig.spawn(1, start_mode::fresh, rig.whole_model());
  const auto other = rig.spawn(2, start_mode::fetch, rig.whole_model());
  rig.pass(200ms);
  commit_step(rig, one, 0);
  rig.kill(one);
  const auto again = rig.spawn(1, start_mode::fetch, rig.whole_model());
  CHECK_REFUSED(rig.call<wire::position>(again, take_over_of(1)), reason::NOT_SERVING);
  rig.pass(200ms);
  BOOST_TEST(weights(rig, again).first == 0);  // what worker 2 has
}

BOOST_AUTO_TEST_CASE(a_worker_that_restarts_stands_where_it_stood_without_any_donor) {
  worker_rig rig{1};
  lives of_one;
  auto one = of_one.begin(rig, start_mode::fresh);
  for (int64_t step : {0, 1})
    commit_step(rig, one, step);
  rig.kill(one);
  one = of_one.begin(rig);
  const auto [version, numbers] = weights(rig, one);
  BOOST_TEST(version == 2);
  BOOST_TEST(numbers == reference_weights(1, 2), per_element());
  const auto reply = rig.call<wire::position>(one, take_over_of(1));
  BOOST_REQUIRE(reply.value);
  BOOST_TEST(reply.value->read()->getCommitted().getRound() == 1U);
  BOOST_TEST(reply.value->read()->getScale() == 1);
  commit_step(rig, one, 2);
  BOOST_TEST(weights(rig, one).second == reference_weights(1, 3), per_element());
}

BOOST_AUTO_TEST_CASE(a_sum_survives_its_worker_and_can_be_committed) {
  worker_rig rig{1};
  lives of_one;
  auto one = of_one.begin(rig, start_mode::fresh);
  commit_step(rig, one, 0);
  reduce_step(rig, one, {1, 2});
  const auto before = rig.call<wire::position>(one, take_over_of(1));
  rig.kill(one);
  one = of_one.begin(rig);
  const auto after = rig.call<wire::position>(one, take_over_of(1));
  BOOST_REQUIRE(before.value);
  BOOST_REQUIRE(after.value);
  const auto old = before.value->read();
  const auto now = after.value->read();
  BOOST_TEST(now->getVersion() == 1);
  BOOST_TEST(now->getReduced().getTerm() == 1U);
  BOOST_TEST(now->getReduced().getRound() == 2U);
  BOOST_TEST(now->getHash().cStr() == old->getHash().cStr());
  BOOST_TEST(now->getSquaredNorm() == old->getSquaredNorm());
  BOOST_TEST(now->getCounted() == 1U);
  CHECK_REFUSED(rig.call<wire::committed>(one, commit_of({1, 1})), reason::WRONG_ROUND);
  BOOST_REQUIRE(rig.call<wire::committed>(one, commit_of({1, 2})).value);
  BOOST_TEST(weights(rig, one).second == reference_weights(1, 2), per_element());
}

BOOST_AUTO_TEST_CASE(a_worker_that_dies_before_it_stores_the_step_makes_it_again) {
  worker_rig rig{1};
  lives of_one;
  auto one = of_one.begin(rig, start_mode::fresh);
  reduce_step(rig, one, {});
  of_one.store->keeps_states = false;
  BOOST_REQUIRE(rig.call<wire::committed>(one, commit_of({})).value);
  rig.kill(one);
  of_one.store->keeps_states = true;
  one = of_one.begin(rig);
  BOOST_REQUIRE(rig.call<wire::committed>(one, commit_of({})).value);
  BOOST_TEST(*of_one.applied == 2);
  BOOST_TEST(weights(rig, one).second == reference_weights(1, 1), per_element());
}

BOOST_AUTO_TEST_CASE(a_restarted_worker_answers_the_commit_that_it_has_made) {
  worker_rig rig{1};
  lives of_one;
  auto one = of_one.begin(rig, start_mode::fresh);
  reduce_step(rig, one, {});
  const auto first = rig.call<wire::committed>(one, commit_of({}));
  BOOST_REQUIRE(first.value);
  rig.kill(one);
  one = of_one.begin(rig);
  const auto again = rig.call<wire::committed>(one, commit_of({}));
  BOOST_REQUIRE(again.value);
  BOOST_TEST(again.value->read()->getVersion() == 1);
  BOOST_TEST(again.value->read()->getWeightsHash().cStr() ==
             first.value->read()->getWeightsHash().cStr());
  BOOST_TEST(*of_one.applied == 1);
}

BOOST_AUTO_TEST_CASE(a_stored_sum_of_an_older_version_is_ignored) {
  worker_rig rig{1};
  lives of_one;
  auto one = of_one.begin(rig, start_mode::fresh);
  commit_step(rig, one, 0);
  BOOST_REQUIRE(of_one.store->sum().has_value());
  BOOST_TEST((of_one.store->sum()->step == step_id{0}));
  rig.kill(one);
  one = of_one.begin(rig);
  const auto reply = rig.call<wire::position>(one, take_over_of(1));
  BOOST_REQUIRE(reply.value);
  BOOST_TEST(reply.value->read()->getVersion() == 1);
  BOOST_TEST(reply.value->read()->getReduced().getRound() == 0U);
  CHECK_REFUSED(rig.call<wire::committed>(one, commit_of({1})), reason::WRONG_ROUND);
}

BOOST_AUTO_TEST_CASE(an_empty_store_changes_nothing) {
  worker_rig rig{1};
  const auto donor = rig.spawn(2, start_mode::fresh, rig.whole_model());
  rig.run();
  lives of_one;
  const auto one = of_one.begin(rig);
  rig.pass(200ms);
  BOOST_TEST(weights(rig, one).first == 0);
  // What it has fetched is kept, too.
  BOOST_TEST(of_one.store->state().has_value());
}

/// It may be the only one who can still make the step.
BOOST_AUTO_TEST_CASE(a_worker_that_restarts_behind_its_stage_offers_what_it_has) {
  worker_rig rig{1};
  lives of_one;
  auto one = of_one.begin(rig, start_mode::fresh);
  reduce_step(rig, one, {});
  rig.kill(one);
  const auto other = rig.spawn(2, start_mode::fresh, rig.whole_model());
  rig.run();
  one = of_one.begin(rig);
  BOOST_TEST(serving_workers(rig).size() == 2U);
  BOOST_TEST(rig.call<wire::committed>(one, commit_of({})).value.has_value());
}

BOOST_AUTO_TEST_CASE(a_later_process_goes_on_from_the_files) {
  const scratch_directory directory;
  stage::file_store_options files;
  files.directory = directory.path();
  files.complain = [](const std::string& sentence) { BOOST_ERROR(sentence); };
  {
    worker_rig rig{1};
    lives_with<stage::state_store> of_one;
    of_one.store = stage::open_file_state_store(files);
    auto one = of_one.begin(rig, start_mode::fresh);
    commit_step(rig, one, 0);
    reduce_step(rig, one, {1, 2});
    rig.kill(one);
  }
  worker_rig rig{1};
  lives_with<stage::state_store> of_one;
  of_one.store = stage::open_file_state_store(files);
  BOOST_TEST(of_one.store->states().size() == 2U);
  const auto one = of_one.begin(rig);
  BOOST_REQUIRE(rig.call<wire::committed>(one, commit_of({1, 2})).value);
  const auto [version, numbers] = weights(rig, one);
  BOOST_TEST(version == 2);
  BOOST_TEST(numbers == reference_weights(1, 2), per_element());
}

/// It would not fit the next life either, and there are others to fetch from.
BOOST_AUTO_TEST_CASE(a_stored_state_that_does_not_fit_is_fetched_instead) {
  worker_rig rig{1};
  lives of_one;
  stage::stored_state other;
  other.version = step_id{9};
  other.state = tensors::host_tensor::adopt(std::vector<float>(2), {2});
  of_one.store->put(other);
  const auto donor = rig.spawn(2, start_mode::fresh, rig.whole_model());
  rig.run();
  const auto one = of_one.begin(rig);
  rig.pass(200ms);
  BOOST_TEST(weights(rig, one).first == 0);
  BOOST_TEST((of_one.store->state()->version == step_id{0}));
}
