#include "actors/training/lease_book.hpp"

#include <boost/test/unit_test.hpp>
#include <random>
#include <vector>

using namespace swarm;
using namespace swarm::training;

namespace {

worker_id id_of(uint64_t peer) {
  return {peer_id{peer}, incarnation_id{0}};
}

const worker_id trainer_a = id_of(100);
const worker_id trainer_b = id_of(101);
const worker_id target = id_of(1);

}  // namespace

BOOST_AUTO_TEST_CASE(a_stage_is_settled_when_no_item_names_it_any_more) {
  lease_book book{2};
  BOOST_TEST(book.settled(stage_id{0}));
  book.add(microbatch_id{0}, 3, 1, {});
  BOOST_TEST(!book.settled(stage_id{1}));
  const auto item = book.lease(trainer_a, 0);
  BOOST_REQUIRE(item);
  BOOST_TEST(!book.waiting());
  book.stage_done(item->item, stage_id{1});
  book.stage_done(item->item, stage_id{1});
  BOOST_TEST(book.settled(stage_id{1}));
  BOOST_TEST(!book.settled(stage_id{0}));
  book.settle(item->item, trainer_a);
  BOOST_TEST(book.settled(stage_id{0}));
  book.check_balance();
}

BOOST_AUTO_TEST_CASE(what_comes_back_names_only_the_stages_that_are_left) {
  lease_book book{2};
  book.add(microbatch_id{0}, 3, 1, {});
  const auto item = book.lease(trainer_a, 0);
  book.stage_done(item->item, stage_id{1});
  book.trainer_lost(trainer_a);
  BOOST_TEST(book.leased_to(trainer_a) == 0U);
  BOOST_TEST(book.lease(trainer_b, 0)->stages == 1U);
  BOOST_TEST(book.leased_to(trainer_b) == 1U);
}

BOOST_AUTO_TEST_CASE(what_several_stages_lack_of_a_microbatch_is_one_item) {
  lease_book book{3};
  book.add(microbatch_id{0}, 1, 1, {});
  book.add(microbatch_id{0}, 5, 1, {});
  book.add(microbatch_id{0}, 2, -1, target);
  BOOST_TEST(book.waiting_items() == 2U);
  const auto together = book.lease(trainer_a, 0);
  BOOST_TEST(together->stages == 5U);
  // What is out already is not added to.
  book.add(microbatch_id{0}, 2, 1, {});
  BOOST_TEST(book.find(together->item)->item.stages == 5U);
  book.settle(together->item, trainer_a);
  BOOST_TEST(book.settled(stage_id{0}));
  BOOST_TEST(book.settled(stage_id{2}));
  BOOST_TEST(!book.settled(stage_id{1}));
  book.check_balance();
}

BOOST_AUTO_TEST_CASE(items_of_a_stage_that_is_held_back_wait) {
  lease_book book{2};
  book.add(microbatch_id{0}, 1, 1, {});
  book.add(microbatch_id{1}, 2, 1, {});
  BOOST_TEST((book.lease(trainer_a, 0, 1)->microbatch == microbatch_id{1}));
  BOOST_TEST(!book.lease(trainer_a, 0, 1));
  BOOST_TEST((book.lease(trainer_a, 0)->microbatch == microbatch_id{0}));
  book.add(microbatch_id{2}, 3, 1, {});
  BOOST_TEST(book.lease(trainer_a, 0, 1)->stages == 2U);
  BOOST_TEST(!book.lease(trainer_a, 0, 1));
  BOOST_TEST(book.lease(trainer_a, 0)->stages == 1U);
  book.check_balance();
}

BOOST_AUTO_TEST_CASE(nothing_is_left_to_give_up_once_the_target_is_gone) {
  lease_book book{1};
  book.add(microbatch_id{0}, 1, -1, target);
  book.add(microbatch_id{1}, 1, -1, target);
  book.add(microbatch_id{2}, 1, 1, {});
  book.lease(trainer_a, 0);
  book.target_lost(target);
  BOOST_TEST(book.waiting_items() == 1U);
  BOOST_TEST(book.leased_to(trainer_a) == 0U);
  book.check_balance();
}

BOOST_AUTO_TEST_CASE(progress_renews_a_lease) {
  lease_book book{1};
  book.add(microbatch_id{0}, 1, 1, {});
  const auto item = book.lease(trainer_a, 0);
  book.renew(item->item, 5);
  BOOST_TEST(book.expire(10, 8) == 0U);
  BOOST_TEST(book.expire(13, 8) == 1U);
  BOOST_TEST(book.waiting());
}

BOOST_AUTO_TEST_CASE(shares_are_leased_first_and_hold_no_stage_up) {
  lease_book book{2};
  book.add(microbatch_id{0}, 3, 1, {});
  book.add_for_share(microbatch_id{5}, {stage_id{1}, 2, 1}, target);
  const auto item = book.lease(trainer_a, 0);
  BOOST_REQUIRE(item);
  BOOST_REQUIRE(item->share);
  BOOST_TEST((item->microbatch == microbatch_id{5}));
  BOOST_TEST((item->target == target));
  BOOST_TEST(item->stages == 2U);
  const auto other = book.lease(trainer_b, 0);
  book.settle(other->item, trainer_b);
  BOOST_TEST(book.settled(stage_id{1}));
  book.settle(item->item, trainer_a);
  book.check_balance();
}

BOOST_AUTO_TEST_CASE(shares_are_taken_back_with_their_helper_or_their_stage) {
  for (const bool helper : {true, false}) {
    lease_book book{2};
    book.add_for_share(microbatch_id{5}, {stage_id{1}, 2, 1}, target);
    book.add_for_share(microbatch_id{6}, {stage_id{1}, 2, 1}, target);
    book.add(microbatch_id{0}, 3, 1, {});
    book.lease(trainer_a, 0);
    helper ? book.helper_lost(target) : book.withdraw_shares(stage_id{1});
    BOOST_TEST(book.waiting_items() == 1U);
    BOOST_TEST(book.leased_to(trainer_a) == 0U);
    book.check_balance();
  }
}

/// Law: every item is waiting, out or settled, and a stage is settled exactly when none names it.
BOOST_AUTO_TEST_CASE(the_book_balances_whatever_happens) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random{seed};
    const auto below = [&](unsigned n) { return static_cast<uint32_t>(random() % n); };
    lease_book book{3};
    for (int64_t m = 0; m < 8; ++m)
      book.add(microbatch_id{m}, 7, 1, {});
    std::vector<uint32_t> out;
    for (int turn = 0; turn < 300; ++turn) {
      const auto trainer = below(2) == 0 ? trainer_a : trainer_b;
      const auto some = out.empty() ? 0 : out[below(static_cast<unsigned>(out.size()))];
      switch (below(9)) {
        case 0:
          book.trainer_lost(trainer);
          break;
        case 1:
          book.expire(turn, 20);
          break;
        case 2:
          book.again(some, below(2) == 0);
          break;
        case 3:
          book.target_lost(target);
          break;
        case 4:
          book.add(microbatch_id{below(8)}, 1U << below(3), below(2) == 0 ? 1 : -1, target);
          break;
        case 5:
          book.stage_done(some, stage_id{static_cast<int32_t>(below(3))});
          break;
        case 6:
          book.settle(some, trainer);
          break;
        default:
          if (const auto item = book.lease(trainer, turn, below(8))) out.push_back(item->item);
      }
      book.check_balance();
    }
    while (const auto item = book.lease(trainer_a, 400))
      book.settle(item->item, std::nullopt);
    book.trainer_lost(trainer_b);
    book.trainer_lost(trainer_a);
    for (const auto& trainer : {trainer_a, trainer_b})
      while (const auto item = book.lease(trainer, 400))
        book.settle(item->item, std::nullopt);
    for (int32_t s = 0; s < 3; ++s)
      BOOST_TEST(book.settled(stage_id{s}), "seed " << seed);
  }
}
