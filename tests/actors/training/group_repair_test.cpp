#include "actors/training/group_repair.hpp"

#include <boost/test/unit_test.hpp>
#include <map>
#include <random>
#include <set>
#include <vector>

using namespace swarm;
using namespace swarm::training;

namespace {

worker_id worker(uint64_t peer) {
  return {peer_id{peer}, incarnation_id{0}};
}

held_bitmap bits(const std::set<int64_t>& held) {
  held_bitmap result(2);
  for (const int64_t m : held)
    result[static_cast<size_t>(m / 8)] |= static_cast<uint8_t>(1 << (m % 8));
  return result;
}

std::set<int64_t> set_of(const held_bitmap& held) {
  std::set<int64_t> result;
  for (size_t m = 0; m < held.size() * 8; ++m)
    if ((held[m / 8] >> (m % 8) & 1) != 0) result.insert(static_cast<int64_t>(m));
  return result;
}

group_repair four() {
  return group_repair{{{worker(1), bits({0, 1, 2})},
                       {worker(2), bits({3, 4})},
                       {worker(3), bits({})},
                       {worker(4), bits({5})}}};
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_lost_members_microbatches_are_cut_between_two_helpers) {
  auto repair = four();
  BOOST_TEST(repair.revision() == 0U);
  BOOST_TEST(repair.lose(worker(1)));
  BOOST_TEST(repair.revision() == 1U);
  BOOST_REQUIRE(repair.losses().size() == 1U);
  const auto& shares = repair.losses()[0].shares;
  BOOST_REQUIRE(shares.size() == 2U);
  BOOST_TEST((shares[0].helper != shares[1].helper));
  std::set<int64_t> all = set_of(shares[0].microbatches);
  for (const int64_t m : set_of(shares[1].microbatches))
    BOOST_TEST(all.insert(m).second);
  BOOST_TEST((all == std::set<int64_t>{0, 1, 2}));
  const auto tasks = repair.take_tasks();
  BOOST_TEST(tasks.size() == 3U);
  for (const auto& task : tasks) {
    BOOST_TEST(task.member == 0U);
    BOOST_TEST((task.helper == shares[task.share].helper));
  }
  BOOST_TEST(repair.take_tasks().empty());
}

BOOST_AUTO_TEST_CASE(one_microbatch_is_one_share_and_nothing_needs_nobody) {
  auto repair = four();
  BOOST_TEST(repair.lose(worker(4)));
  BOOST_TEST(repair.losses()[0].shares.size() == 1U);
  BOOST_TEST(repair.lose(worker(3)));
  BOOST_TEST(repair.losses()[1].shares.empty());
}

BOOST_AUTO_TEST_CASE(a_helper_that_is_lost_is_replaced_and_the_cut_stays) {
  group_repair repair{{{worker(1), bits({0})},
                       {worker(2), bits({1})},
                       {worker(3), bits({2})},
                       {worker(4), bits({3})},
                       {worker(5), bits({4})}}};
  BOOST_TEST(repair.lose(worker(1)));
  const auto first = repair.losses()[0].shares[0];
  repair.take_tasks();
  BOOST_TEST(repair.lose(first.helper));
  const auto& now = repair.losses()[0].shares[0];
  BOOST_TEST((now.helper != first.helper));
  BOOST_TEST((now.microbatches == first.microbatches));
  BOOST_TEST(repair.revision() == 2U);
  // Its own microbatches, and what it was computing for the first.
  BOOST_TEST(repair.take_tasks().size() == 2U);
}

BOOST_AUTO_TEST_CASE(in_a_large_group_many_helpers_send_a_slice_of_the_parts_each) {
  std::map<worker_id, held_bitmap> held;
  for (uint64_t peer = 1; peer <= 100; ++peer)
    held[worker(peer)] = bits({});
  held[worker(50)] = bits({1, 2, 3, 4, 5});
  group_repair repair{held};
  BOOST_TEST(repair.lose(worker(50)));
  const auto& loss = repair.losses()[0];
  BOOST_TEST(loss.slices == loss_slices_max);
  BOOST_TEST(loss.shares.size() == loss_pieces_max * loss_slices_max);
  BOOST_TEST(repair.take_tasks().size() == 5 * loss_slices_max);
}

/// As when a burst takes machines that were let together.
BOOST_AUTO_TEST_CASE(a_large_group_bears_a_seventh_of_it_in_one_round) {
  std::map<worker_id, held_bitmap> held;
  for (uint64_t peer = 1; peer <= 100; ++peer) {
    auto& bitmap = held[worker(peer)];
    bitmap.resize(100);
    bitmap[peer - 1] = 0xff;
  }
  group_repair repair{held};
  std::mt19937 random{1};
  for (int losses = 0; losses < 14;) {
    const auto victim = worker(1 + random() % 100);
    if (repair.is_lost(victim)) continue;
    BOOST_REQUIRE(repair.lose(victim));
    ++losses;
  }
}

BOOST_AUTO_TEST_CASE(a_round_that_nobody_can_repair_begins_again) {
  group_repair pair{{{worker(1), bits({0})}, {worker(2), bits({1})}}};
  BOOST_TEST(!pair.lose(worker(1)));
  auto repair = four();
  BOOST_TEST(repair.lose(worker(1)));
  BOOST_TEST(repair.lose(worker(3)));
  BOOST_TEST(!repair.lose(worker(2)));
}

/// Law: whoever dies, every microbatch of the lost is, for each slice of the parts, in exactly one
/// share of its loss, whose helper lives and has no more shares than it may, and is asked for once
/// per helper.
BOOST_AUTO_TEST_CASE(every_lost_microbatch_is_in_one_share_of_somebody_alive) {
  for (unsigned seed = 0; seed < 500; ++seed) {
    std::mt19937 random{seed};
    std::map<worker_id, held_bitmap> held;
    const unsigned members = 3 + random() % 40;
    for (unsigned i = 0; i < members; ++i)
      held[worker(i)] = bits({});
    for (int64_t m = 0; m < 16; ++m) {
      auto& bytes = held[worker(random() % members)];
      bytes[static_cast<size_t>(m / 8)] |= static_cast<uint8_t>(1 << (m % 8));
    }
    group_repair repair{held};
    std::set<std::pair<int64_t, uint64_t>> asked;
    while (true) {
      worker_id victim = worker(random() % members);
      if (repair.is_lost(victim)) continue;
      const auto before = repair.losses();
      if (!repair.lose(victim)) break;
      for (size_t i = 0; i < before.size(); ++i)
        for (size_t k = 0; k < before[i].shares.size(); ++k)
          BOOST_TEST(
              (before[i].shares[k].microbatches == repair.losses()[i].shares[k].microbatches));
      std::map<worker_id, size_t> shares;
      for (const auto& loss : repair.losses()) {
        std::vector<std::set<int64_t>> all(loss.slices);
        for (size_t k = 0; k < loss.shares.size(); ++k) {
          BOOST_TEST(!repair.is_lost(loss.shares[k].helper));
          ++shares[loss.shares[k].helper];
          for (const int64_t m : set_of(loss.shares[k].microbatches))
            BOOST_TEST(all[k % loss.slices].insert(m).second);
        }
        for (const auto& slice : all)
          BOOST_TEST((slice == set_of(held[repair.members()[loss.member]])));
      }
      for (const auto& [helper, count] : shares)
        BOOST_TEST(count <= helper_shares_max);
      for (const auto& task : repair.take_tasks())
        BOOST_TEST(asked.insert({task.microbatch.value(), task.helper.peer.value()}).second);
    }
  }
}
