#include "actors/averaging/averager.hpp"

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "tests/actors/averaging/averager_rig.hpp"

namespace {

using namespace swarm;
using namespace swarm::testing;
using boost::test_tools::per_element;
using rig = averager_rig;

wire::part part_of(uint32_t round, uint64_t sender, uint32_t part, const host_tensor& values,
                   bool sum = false) {
  wire::builder<schemas::Part> message;
  wire::set_step_round(*message, {term_id{1}, step_id{3}, round_id{round}});
  wire::to_wire(id_of(sender), message->initSender());
  message->setPart(part);
  message->setReduced(sum);
  message->setOwn(!sum);
  wire::attach(message, message->initValues(), values);
  return message.finish();
}

wire::want want_of(uint32_t round, uint64_t sender, std::vector<uint32_t> parts, bool sum) {
  wire::builder<schemas::Want> message;
  wire::set_step_round(*message, {term_id{1}, step_id{3}, round_id{round}});
  wire::to_wire(id_of(sender), message->initSender());
  auto list = message->initParts(static_cast<unsigned>(parts.size()));
  for (unsigned i = 0; i < list.size(); ++i)
    list.set(i, parts[i]);
  message->setSum(sum);
  message->setOwn(!sum);
  return message.finish();
}

host_tensor ones(size_t count) {
  return host_tensor::adopt(std::vector<int64_t>(count, 1), {static_cast<int64_t>(count)});
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_group_size_and_order_of_delivery_gives_the_sum) {
  for (uint64_t count = 1; count <= 5; ++count) {
    for (unsigned seed = 0; seed < 30; ++seed) {
      std::mt19937 random{seed};
      rig r{count};
      r.introduce();
      const auto members = first(count);
      const size_t elements = 1 + random() % 300;
      std::vector<std::shared_ptr<outcome>> replies;
      for (uint64_t peer : members)
        replies.push_back(r.order(peer, order_of(1, members), elements));
      r.run_shuffled(random);
      for (const auto& reply : replies) {
        BOOST_REQUIRE(reply->answers == 1);
        BOOST_TEST(reply->sum == sum_of(members, elements), per_element());
        BOOST_TEST(reply->hash == replies.front()->hash);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(vectors_of_many_parts_are_summed_too) {
  rig r{3};
  r.introduce();
  const auto members = first(3);
  const size_t elements = 500 * part_elements + 17;
  std::vector<std::shared_ptr<outcome>> replies;
  for (uint64_t peer : members)
    replies.push_back(r.order(peer, order_of(1, members), elements));
  r.run();
  const auto expected = sum_of(members, elements);
  for (const auto& reply : replies) {
    BOOST_REQUIRE(reply->answers == 1);
    BOOST_TEST((reply->sum == expected));
  }
}

BOOST_AUTO_TEST_CASE(the_local_sum_is_untouched) {
  rig r{2};
  r.introduce();
  const auto own = host_tensor::adopt(vector_of(1, 100), {100});
  const auto one = r.order(1, order_of(1, {1, 2}), own);
  const auto two = r.order(2, order_of(1, {1, 2}), 100);
  r.run();
  BOOST_TEST((one->sum == sum_of({1, 2}, 100)));
  const auto before = vector_of(1, 100);
  BOOST_TEST(std::memcmp(own.data(), before.data(), own.bytes()) == 0);
}

BOOST_AUTO_TEST_CASE(float_sums_have_the_same_bits_at_every_member) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::mt19937 random{seed};
    rig r{3};
    r.introduce();
    const std::vector<std::vector<float>> own{{1e8F, 1}, {1, 1e8F}, {-1e8F, -1e8F}};
    std::vector<std::shared_ptr<outcome>> replies;
    for (uint64_t peer : {1, 2, 3})
      replies.push_back(
          r.order(peer, order_of(1, {1, 2, 3}), host_tensor::adopt(own[peer - 1], {2})));
    r.run_shuffled(random);
    for (const auto& reply : replies) {
      BOOST_REQUIRE(reply->answers == 1);
      BOOST_TEST(reply->floats == replies[0]->floats, per_element());
      BOOST_TEST(reply->hash == replies[0]->hash);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_follower_gets_the_sum_and_adds_nothing) {
  rig r{3};
  r.introduce();
  std::vector<std::shared_ptr<outcome>> replies;
  for (uint64_t peer : {3, 1, 2})
    replies.push_back(r.order(peer, order_of(1, {1, 3, 2}, 3), 50));
  r.run();
  for (const auto& reply : replies)
    BOOST_TEST(reply->sum == sum_of({1, 2}, 50), per_element());
}

BOOST_AUTO_TEST_CASE(questions_that_come_before_the_order_wait_for_it) {
  rig r{3};
  r.introduce();
  const auto members = first(3);
  const auto one = r.order(1, order_of(1, members), 90);
  r.run();
  const auto two = r.order(2, order_of(1, members), 90);
  r.run();
  BOOST_TEST(!one->answered());
  const auto three = r.order(3, order_of(1, members), 90);
  r.run();
  for (const auto& reply : {one, two, three})
    BOOST_TEST(reply->sum == sum_of(members, 90), per_element());
}

BOOST_AUTO_TEST_CASE(a_member_that_is_not_known_yet_gets_its_parts_later) {
  rig r{2};
  r.introduce(1, 2);
  const auto one = r.order(1, order_of(1, {1, 2}), 40);
  const auto two = r.order(2, order_of(1, {1, 2}), 40);
  r.run();
  BOOST_TEST(!one->answered());
  r.introduce(2, 2);
  r.run();
  BOOST_TEST(!one->answered());
  r.introduce(2, 1);
  r.run();
  for (const auto& reply : {one, two})
    BOOST_TEST(reply->sum == sum_of({1, 2}, 40), per_element());
}

BOOST_AUTO_TEST_CASE(a_later_order_supersedes_and_an_earlier_one_is_refused) {
  rig r{3};
  r.introduce();
  const auto stalled = r.order(1, order_of(1, {1, 2, 3}), 60);
  const auto other = r.order(2, order_of(1, {1, 2, 3}), 60);
  r.run();
  BOOST_TEST(!stalled->answered());
  const auto one = r.order(1, order_of(2, {1, 2}), 60);
  r.run();
  BOOST_TEST(stalled->superseded());
  const auto late = r.order(1, order_of(1, {1, 2, 3}), 60);
  r.run();
  BOOST_TEST(late->superseded());
  const auto two = r.order(2, order_of(2, {1, 2}), 60);
  r.run();
  BOOST_TEST(other->superseded());
  for (const auto& reply : {one, two})
    BOOST_TEST(reply->sum == sum_of({1, 2}, 60), per_element());
  // A higher term comes after any round of a lower one.
  const auto next = r.order(1, order_of(1, {1}, 0, 2), 60);
  r.run();
  BOOST_TEST(next->sum == sum_of({1}, 60), per_element());
}

BOOST_AUTO_TEST_CASE(a_repeated_order_gets_the_same_answer_and_loses_nothing) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    std::mt19937 random{seed};
    rig r{3};
    r.introduce();
    const auto members = first(3);
    std::vector<std::shared_ptr<outcome>> replies;
    for (int copy = 0; copy < 3; ++copy)
      for (uint64_t peer : members)
        replies.push_back(r.order(peer, order_of(1, members), 70));
    r.run_shuffled(random);
    for (const auto& reply : replies) {
      BOOST_REQUIRE(reply->answers == 1);
      BOOST_TEST(reply->sum == sum_of(members, 70), per_element());
    }
  }
}

BOOST_AUTO_TEST_CASE(what_makes_no_sense_changes_nothing_and_is_reported_once_per_sender) {
  rig r{4};
  r.introduce();
  // 1 owns the first part and 2 the second.
  const auto one = r.order(1, order_of(1, {1, 2}), 64);
  r.run();
  const auto wrong = [&](const auto& m, uint64_t sender) {
    r.events.clear();
    for (int i = 0; i < 3; ++i)
      r.post(1, m);
    r.run();
    BOOST_REQUIRE(r.events.size() <= 1U);
    if (r.events.empty()) return false;
    BOOST_TEST(r.events[0].name == "wrong_part");
    for (const auto& f : r.events[0].fields)
      if (f.key == "peer") BOOST_TEST(std::get<int64_t>(f.value) == static_cast<int64_t>(sender));
    return true;
  };
  BOOST_TEST(!wrong(wire::part{}, 0));
  BOOST_TEST(!wrong(wire::want{}, 0));
  BOOST_TEST(!wrong(part_of(0, 2, 0, ones(32)), 2));
  BOOST_TEST(wrong(part_of(1, 2, 0, ones(31)), 2));
  // Known by now.
  BOOST_TEST(!wrong(part_of(1, 2, 7, ones(32)), 2));
  BOOST_TEST(!wrong(part_of(1, 2, 0, {}), 2));
  BOOST_TEST(!wrong(part_of(1, 2, 0, ones(32), true), 2));
  BOOST_TEST(!wrong(part_of(1, 2, 0, host_tensor::adopt(std::vector<float>(32, 1), {32})), 2));
  BOOST_TEST(!wrong(part_of(5, 2, 0, ones(32)), 2));
  BOOST_TEST(!wrong(want_of(1, 2, {9}, true), 2));
  BOOST_TEST(wrong(part_of(1, 3, 0, ones(32)), 3));
  BOOST_TEST(wrong(part_of(1, 1, 0, ones(32)), 1));
  BOOST_TEST(wrong(want_of(1, 4, {0}, true), 4));
  BOOST_TEST(!one->answered());
  const auto two = r.order(2, order_of(1, {1, 2}), 64);
  r.pass(5);
  for (const auto& reply : {one, two})
    BOOST_TEST(reply->sum == sum_of({1, 2}, 64), per_element());
}

BOOST_AUTO_TEST_CASE(questions_that_come_too_early_are_bounded) {
  rig r{2};
  r.introduce();
  for (uint32_t i = 0; i < 50 * averaging::early_wants_max; ++i)
    r.post(1, want_of(1, 2, {i % 2}, true));
  // Of the next attempt only what belongs to it is kept.
  for (uint32_t i = 0; i < 2; ++i)
    r.post(1, want_of(2, 2, {0}, true));
  size_t parts = 0;
  r.loses = [&](uint64_t, const wire::part&) {
    ++parts;
    return false;
  };
  r.order(1, order_of(2, {1}), 16);
  r.run();
  BOOST_TEST(parts == 0U);
  const auto one = r.order(1, order_of(3, {1, 2}), 64);
  const auto two = r.order(2, order_of(3, {1, 2}), 64);
  r.run();
  BOOST_TEST(one->sum == sum_of({1, 2}, 64), per_element());
  BOOST_TEST(two->sum == sum_of({1, 2}, 64), per_element());
}

BOOST_AUTO_TEST_CASE(the_result_s_memory_is_used_again_once_nobody_holds_it) {
  rig r{2};
  r.introduce();
  std::set<const void*> memory;
  for (uint32_t round = 1; round <= 6; ++round) {
    const auto one = r.order(1, order_of(round, {1, 2}), 20'000);
    r.order(2, order_of(round, {1, 2}), 20'000);
    r.run();
    BOOST_REQUIRE(one->answered());
    memory.insert(one->memory);
  }
  BOOST_TEST(memory.size() <= 2U);
}

BOOST_AUTO_TEST_CASE(a_result_that_somebody_holds_is_not_written_to) {
  rig r{2};
  r.introduce();
  std::vector<std::pair<host_tensor, std::vector<int64_t>>> held;
  for (uint32_t round = 1; round <= 5; ++round) {
    const auto mine = vector_of(round * 10, 500);
    const auto one = r.order(1, order_of(round, {1, 2}), host_tensor::adopt(mine, {500}));
    r.order(2, order_of(round, {1, 2}), 500);
    r.run();
    BOOST_REQUIRE(one->answered());
    held.emplace_back(one->total, one->sum);
  }
  for (const auto& [tensor, values] : held)
    BOOST_TEST(std::memcmp(tensor.data(), values.data(), tensor.bytes()) == 0);
}

BOOST_AUTO_TEST_CASE(the_local_sum_is_given_back_when_the_result_is_here) {
  rig r{2};
  r.introduce();
  auto owner = std::make_shared<std::vector<int64_t>>(vector_of(1, 100));
  const auto one = r.order(1, order_of(1, {1, 2}),
                           host_tensor{tensors::dtype::i64, {100}, owner, owner->data()});
  r.order(2, order_of(1, {1, 2}), 100);
  r.run();
  BOOST_TEST(one->answered());
  BOOST_TEST(owner.use_count() == 1);
}

BOOST_AUTO_TEST_CASE(a_death_does_not_end_the_attempt) {
  rig r{4};
  r.introduce();
  const std::vector<uint64_t> members{1, 2, 3, 4};
  std::vector<std::shared_ptr<outcome>> replies;
  for (uint64_t peer : {1, 2, 3})
    replies.push_back(r.order(peer, order_of(1, members), 200));
  r.run();
  for (const auto& reply : replies)
    BOOST_TEST(!reply->answered());
  BOOST_REQUIRE(!r.progress(1).waiting_for.empty());
  BOOST_TEST((r.progress(1).waiting_for.front() == id_of(4)));
  // 4 is dead; 1 and 2 compute its microbatches again.
  for (uint64_t peer : {1, 2, 3})
    replies.push_back(r.order(peer, order_of(1, members, 0, 1, 1, {{3, {0, 1}}}), 200));
  r.run();
  auto first = vector_of(4, 200);
  std::vector<int64_t> second(200, 0);
  for (size_t i = 0; i < 200; i += 2)
    std::swap(first[i], second[i]);
  r.share(1, 3, 0, host_tensor::adopt(first, {200}));
  r.run();
  BOOST_TEST(!replies[0]->answered());
  r.share(2, 3, 1, host_tensor::adopt(second, {200}));
  r.run();
  for (const auto& reply : replies) {
    BOOST_REQUIRE(reply->answers == 1);
    BOOST_TEST(reply->sum == sum_of(members, 200), per_element());
    BOOST_TEST(reply->hash == replies[0]->hash);
  }
  BOOST_TEST(r.progress(1).revision == 1U);
  BOOST_TEST(r.progress(1).parts_done == r.progress(1).parts_total);
}

BOOST_AUTO_TEST_CASE(a_member_that_counts_as_lost_is_told_so) {
  rig r{3};
  r.introduce();
  const auto before = r.order(3, order_of(1, {1, 2, 3}), 90);
  r.run();
  const auto after = r.order(3, order_of(1, {1, 2, 3}, 0, 1, 1, {{2, {0}}}), 90);
  r.run();
  for (const auto& reply : {before, after})
    BOOST_TEST((reply->error == averaging::make_error(averaging::averaging_errc::lost_here)));
}

BOOST_AUTO_TEST_CASE(an_order_of_the_same_attempt_for_another_group_is_refused) {
  rig r{3};
  r.introduce();
  const auto one = r.order(1, order_of(1, {1, 2}), 90);
  const auto other = r.order(1, order_of(1, {1, 3}), 90);
  r.run();
  BOOST_TEST((other->error == averaging::make_error(averaging::averaging_errc::bad_group)));
  const auto two = r.order(2, order_of(1, {1, 2}), 90);
  r.run();
  BOOST_TEST(one->sum == sum_of({1, 2}, 90), per_element());
  BOOST_TEST(two->sum == sum_of({1, 2}, 90), per_element());
}

BOOST_AUTO_TEST_CASE(a_follower_that_comes_later_gets_the_sum_too) {
  for (unsigned seed = 0; seed < 30; ++seed) {
    std::mt19937 random{seed};
    rig r{4};
    r.introduce();
    std::vector<std::shared_ptr<outcome>> replies;
    for (uint64_t peer : {1, 2})
      replies.push_back(r.order(peer, order_of(1, {1, 2}), 500));
    // When they have all of it already, or none.
    if (seed % 2 == 0) r.run();
    // The follower hears of it first, and asks those who do not know it yet.
    replies.push_back(r.order(3, order_of(1, {1, 2, 3}, 3, 1, 1), 500));
    if (seed % 4 < 2) r.run();
    for (uint64_t peer : {1, 2})
      replies.push_back(r.order(peer, order_of(1, {1, 2, 3}, 3, 1, 1), 500));
    r.run_shuffled(random);
    for (const auto& reply : replies) {
      BOOST_REQUIRE(reply->answers == 1);
      BOOST_TEST(reply->sum == sum_of({1, 2}, 500), per_element());
      BOOST_TEST(reply->hash == replies[0]->hash);
    }
    BOOST_TEST(r.events.empty());
  }
}

BOOST_AUTO_TEST_CASE(nobody_joins_the_contributors_later) {
  rig r{3};
  r.introduce();
  const auto before = r.order(1, order_of(1, {1, 2}), 90);
  const auto contributes = r.order(1, order_of(1, {1, 2, 3}, 0, 1, 1), 90);
  const auto in_front = r.order(1, order_of(1, {3, 1, 2}, 3, 1, 1), 90);
  r.run();
  for (const auto& reply : {contributes, in_front})
    BOOST_TEST((reply->error == averaging::make_error(averaging::averaging_errc::bad_group)));
  r.order(2, order_of(1, {1, 2}), 90);
  r.run();
  BOOST_TEST(before->sum == sum_of({1, 2}, 90), per_element());
}

BOOST_AUTO_TEST_CASE(a_gather_of_a_later_round_ends_the_attempt) {
  rig r{2};
  r.introduce();
  const auto one = r.order(1, order_of(1, {1, 2}), 90);
  r.gather(1, 1);
  r.run();
  BOOST_TEST(!one->answered());
  r.gather(1, 2);
  r.run();
  BOOST_TEST(one->superseded());
  BOOST_TEST(r.progress(1).parts_total == 0U);
}

BOOST_AUTO_TEST_CASE(what_is_known_of_the_line_outlives_the_step) {
  rig r{2};
  r.introduce();
  bool late = true;
  r.loses = [&](uint64_t, const wire::part& m) { return late && m.read()->getPart() % 4 != 0; };
  const size_t elements = 400 * part_elements;
  for (uint64_t peer : {1, 2})
    r.order(peer, order_of(1, {1, 2}), elements);
  r.pass(3);
  late = false;
  r.pass(20);
  BOOST_REQUIRE(r.progress(1).parts_done == 400U);
  BOOST_TEST(r.progress(1).bytes_per_s > 0);
  r.gather(1, 2);
  r.run();
  BOOST_TEST(r.progress(1).parts_total == 0U);
  r.order(1, order_of(2, {1, 2}), elements);
  r.run();
  BOOST_TEST(r.progress(1).bytes_per_s > 0);
}

BOOST_AUTO_TEST_CASE(an_order_that_makes_no_sense_gets_an_error) {
  rig r{2};
  r.introduce();
  for (const auto& members : {std::vector<uint64_t>{}, {1, 1}, {2}}) {
    const auto reply = r.order(1, order_of(1, members), 8);
    r.run();
    BOOST_TEST(reply->answers == 1);
    BOOST_TEST(static_cast<bool>(reply->error));
  }
  const auto damaged = r.order(1, wire::reduce{}, 8);
  r.run();
  BOOST_TEST(static_cast<bool>(damaged->error));
  const auto good = r.order(1, order_of(1, {1}), 8);
  r.run();
  BOOST_TEST(good->sum == sum_of({1}, 8), per_element());
}
