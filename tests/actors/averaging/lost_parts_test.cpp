#include <boost/test/unit_test.hpp>
#include <set>
#include <tuple>

#include "tests/actors/averaging/averager_rig.hpp"

/// Parts that are lost between averagers, and orders that come again because of it.

namespace {

using namespace swarm;
using namespace swarm::testing;
using boost::test_tools::per_element;

constexpr size_t elements = 90;

/// From, to, and whether it is the finished sum.
using direction = std::tuple<uint64_t, uint64_t, bool>;

/// One all-reduce of the averagers 1..n, whose workers repeat the order while they have no answer.
class all_reduce {
 public:
  explicit all_reduce(uint64_t count, uint64_t follower = 0)
      : rig(count), members(first(count)), follower_(follower) {
    rig.introduce();
    rig.run();
  }

  void order(uint64_t peer) {
    replies[peer].push_back(rig.order(peer, order_of(1, members, follower_), elements));
  }

  void order_all() {
    for (uint64_t peer : members)
      order(peer);
    rig.run();
  }

  /// The order again, to those who have not answered. True: there were any.
  bool repeat() {
    bool any = false;
    for (uint64_t peer : members) {
      if (answered(peer)) continue;
      any = true;
      order(peer);
    }
    rig.run();
    return any;
  }

  bool answered(uint64_t peer) const { return replies.at(peer).front()->answered(); }

  /// Everybody, to every copy of the order, once.
  void everybody_has_the_sum() {
    std::vector<uint64_t> contributors;
    for (uint64_t peer : members)
      if (peer != follower_) contributors.push_back(peer);
    const auto expected = sum_of(contributors, elements);
    for (const auto& [peer, answers] : replies) {
      for (const auto& reply : answers) {
        BOOST_REQUIRE(reply->answers == 1);
        BOOST_TEST(reply->sum == expected, per_element());
        BOOST_TEST(reply->hash == replies.at(1).front()->hash);
      }
    }
  }

  averager_rig rig;
  std::vector<uint64_t> members;
  std::map<uint64_t, std::vector<std::shared_ptr<outcome>>> replies;

 private:
  uint64_t follower_;
};

direction direction_of(uint64_t to, const wire::part& m) {
  return {m.read()->getSender().getPeer(), to, m.read()->getReduced()};
}

}  // namespace

BOOST_AUTO_TEST_CASE(any_part_that_is_lost_once_is_made_up_for_by_repeating_the_order) {
  for (uint64_t count : {2U, 3U, 4U}) {
    for (uint64_t from = 1; from <= count; ++from) {
      for (uint64_t to = 1; to <= count; ++to) {
        if (from == to) continue;
        for (const bool finished : {false, true}) {
          all_reduce run{count};
          int lost = 0;
          run.rig.loses = [&](uint64_t at, const wire::part& m) {
            return direction_of(at, m) == direction{from, to, finished} && lost++ == 0;
          };
          run.order_all();
          BOOST_TEST(lost == 1);
          BOOST_TEST(!run.answered(to));
          BOOST_TEST(run.repeat());
          run.everybody_has_the_sum();
        }
      }
    }
  }
}

/// Whoever has its answer is not asked again, and must still help the others.
BOOST_AUTO_TEST_CASE(a_member_that_is_done_answers_those_who_are_not) {
  all_reduce run{3};
  bool loses = true;
  run.rig.loses = [&](uint64_t to, const wire::part& m) {
    return loses && to == 2 && m.read()->getReduced();
  };
  run.order_all();
  BOOST_TEST(run.answered(1));
  BOOST_TEST(!run.answered(2));
  BOOST_TEST(run.answered(3));
  for (int i = 0; i < 3; ++i)
    run.repeat();
  BOOST_TEST(!run.answered(2));
  loses = false;
  run.repeat();
  BOOST_TEST(run.replies[1].size() == 1U);
  BOOST_TEST(run.replies[3].size() == 1U);
  run.everybody_has_the_sum();
}

BOOST_AUTO_TEST_CASE(parts_may_be_lost_again_and_again_in_both_directions) {
  for (unsigned seed = 0; seed < 150; ++seed) {
    std::mt19937 random{seed};
    all_reduce run{2 + seed % 4};
    size_t lost = 0;
    run.rig.loses = [&](uint64_t, const wire::part&) {
      const bool now = random() % 3 == 0;
      if (now) ++lost;
      return now;
    };
    run.order_all();
    int repeats = 0;
    while (run.repeat() && repeats < 15)
      ++repeats;
    BOOST_TEST_CONTEXT("seed " << seed << ", lost " << lost) {
      run.everybody_has_the_sum();
    }
  }
}

BOOST_AUTO_TEST_CASE(a_part_that_comes_twice_counts_once) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    std::mt19937 random{seed};
    all_reduce run{3};
    // Late, and once more.
    std::vector<std::pair<uint64_t, wire::part>> kept;
    run.rig.loses = [&](uint64_t to, const wire::part& m) {
      if (random() % 2 == 0) kept.emplace_back(to, m);
      return false;
    };
    for (uint64_t peer : run.members)
      run.order(peer);
    run.rig.run();
    run.rig.loses = nullptr;
    for (int copy = 0; copy < 2; ++copy)
      for (const auto& [to, m] : kept)
        run.rig.post(to, m);
    run.rig.run();
    run.everybody_has_the_sum();
  }
}

BOOST_AUTO_TEST_CASE(a_follower_gets_the_sum_whatever_the_members_lose) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    std::mt19937 random{seed};
    constexpr uint64_t follower = 3;
    all_reduce run{4, follower};
    run.rig.loses = [&](uint64_t to, const wire::part&) {
      return to != follower && random() % 3 == 0;
    };
    run.order_all();
    int repeats = 0;
    while (run.repeat() && repeats < 15)
      ++repeats;
    run.everybody_has_the_sum();
  }
}

BOOST_AUTO_TEST_CASE(more_copies_of_an_order_than_the_limit_are_sent_away) {
  all_reduce run{2};
  for (size_t i = 0; i < averaging::repeats_max; ++i)
    run.order(1);
  run.rig.run();
  const auto late = run.rig.order(1, order_of(1, run.members), elements);
  run.rig.run();
  BOOST_TEST(late->superseded());
  run.order(2);
  run.rig.run();
  run.everybody_has_the_sum();
}
