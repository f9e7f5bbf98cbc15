#include <boost/test/unit_test.hpp>
#include <set>
#include <tuple>

#include "tests/actors/averaging/averager_rig.hpp"

/// Questions and parts that are lost between averagers, and orders that come again.

namespace {

using namespace swarm;
using namespace swarm::testing;
using boost::test_tools::per_element;

constexpr size_t elements = 150;

/// From, to, and whether it is about the finished sum.
using direction = std::tuple<uint64_t, uint64_t, bool>;

/// One all-reduce of the averagers 1..n.
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
    BOOST_TEST(rig.events.empty());
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

direction direction_of(uint64_t to, const wire::want& m) {
  return {m.read()->getSender().getPeer(), to, m.read()->getSum()};
}

}  // namespace

BOOST_AUTO_TEST_CASE(any_message_that_is_lost_once_is_asked_for_again) {
  for (uint64_t count : {2U, 3U, 4U}) {
    for (uint64_t from = 1; from <= count; ++from) {
      for (uint64_t to = 1; to <= count; ++to) {
        if (from == to) continue;
        for (const bool sum : {false, true}) {
          for (const bool question : {false, true}) {
            all_reduce run{count};
            int lost = 0;
            const auto loses = [&](uint64_t at, const auto& m) {
              return direction_of(at, m) == direction{from, to, sum} && lost++ == 0;
            };
            if (question)
              run.rig.loses_want = loses;
            else
              run.rig.loses = loses;
            run.order_all();
            BOOST_TEST(lost > 0);
            run.rig.pass(10);
            run.everybody_has_the_sum();
          }
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_repeated_order_sends_nothing_again) {
  all_reduce run{3};
  size_t sent = 0;
  run.rig.loses = [&](uint64_t, const wire::part&) {
    ++sent;
    return false;
  };
  // The third has no order yet.
  for (int repeat = 0; repeat < 5; ++repeat) {
    run.order(1);
    run.order(2);
    run.rig.run();
  }
  run.order(3);
  run.rig.run();
  run.everybody_has_the_sum();
  // Every contribution and every sum of every part crosses once.
  const size_t parts = (elements + part_elements - 1) / part_elements;
  BOOST_TEST(sent == parts * 2 * 2);
}

/// Whoever has its answer must still help the others.
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
  run.rig.pass(20);
  BOOST_TEST(!run.answered(2));
  BOOST_TEST(!run.rig.progress(2).waiting_for.empty());
  loses = false;
  run.rig.pass(100);
  run.everybody_has_the_sum();
}

BOOST_AUTO_TEST_CASE(messages_may_be_lost_again_and_again_in_both_directions) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    std::mt19937 random{seed};
    all_reduce run{2 + seed % 4};
    size_t lost = 0;
    const auto loses = [&](uint64_t, const auto&) {
      const bool now = random() % 3 == 0;
      if (now) ++lost;
      return now;
    };
    run.rig.loses = loses;
    run.rig.loses_want = loses;
    run.order_all();
    run.rig.pass(18000);
    BOOST_TEST_CONTEXT("seed " << seed << ", lost " << lost) {
      run.everybody_has_the_sum();
    }
  }
}

BOOST_AUTO_TEST_CASE(a_message_that_comes_twice_counts_once) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    std::mt19937 random{seed};
    all_reduce run{3};
    // Late, and once more.
    std::vector<std::pair<uint64_t, wire::part>> parts;
    std::vector<std::pair<uint64_t, wire::want>> wants;
    run.rig.loses = [&](uint64_t to, const wire::part& m) {
      if (random() % 2 == 0) parts.emplace_back(to, m);
      return false;
    };
    run.rig.loses_want = [&](uint64_t to, const wire::want& m) {
      if (random() % 2 == 0) wants.emplace_back(to, m);
      return random() % 4 == 0;
    };
    for (uint64_t peer : run.members)
      run.order(peer);
    run.rig.run();
    run.rig.loses = nullptr;
    run.rig.loses_want = nullptr;
    for (int copy = 0; copy < 2; ++copy) {
      for (const auto& [to, m] : parts)
        run.rig.post(to, m);
      for (const auto& [to, m] : wants)
        run.rig.post(to, m);
    }
    run.rig.pass(30);
    run.everybody_has_the_sum();
  }
}

BOOST_AUTO_TEST_CASE(a_follower_gets_the_sum_whatever_the_members_lose) {
  for (unsigned seed = 0; seed < 30; ++seed) {
    std::mt19937 random{seed};
    constexpr uint64_t follower = 3;
    all_reduce run{4, follower};
    run.rig.loses = [&](uint64_t to, const wire::part&) {
      return to != follower && random() % 3 == 0;
    };
    run.order_all();
    run.rig.pass(1800);
    run.everybody_has_the_sum();
  }
}

BOOST_AUTO_TEST_CASE(of_more_copies_of_an_order_than_the_limit_the_first_is_sent_away) {
  all_reduce run{2};
  const auto early = run.rig.order(1, order_of(1, run.members), elements);
  for (size_t i = 0; i < averaging::repeats_max; ++i)
    run.order(1);
  run.rig.run();
  BOOST_TEST(early->superseded());
  run.order(2);
  run.rig.run();
  run.everybody_has_the_sum();
}
