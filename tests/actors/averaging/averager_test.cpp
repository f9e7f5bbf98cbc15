#include "actors/averaging/averager.hpp"

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "tests/actors/averaging/averager_rig.hpp"

namespace {

using namespace swarm;
using namespace swarm::testing;
using boost::test_tools::per_element;
using rig = averager_rig;

wire::part part_of(uint32_t round, uint64_t sender, uint32_t slice, const host_tensor& values,
                   bool reduced = false, uint32_t part = 0) {
  wire::builder<schemas::Part> message;
  wire::set_epoch(*message, {term_id{1}, step_id{3}, round_id{round}});
  wire::to_wire(id_of(sender), message->initSender());
  message->setSlice(slice);
  message->setPart(part);
  message->setReduced(reduced);
  wire::attach(message, message->initValues(), values);
  return message.finish();
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
  const size_t elements = 5 * averaging::default_part_elements_max + 17;
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

BOOST_AUTO_TEST_CASE(floats_are_added_in_member_order_at_every_member) {
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
      BOOST_TEST(reply->floats[0] == 1e8F + 1 - 1e8F);
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

BOOST_AUTO_TEST_CASE(parts_that_come_before_the_order_wait_for_it) {
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

BOOST_AUTO_TEST_CASE(parts_that_make_no_sense_change_nothing) {
  rig r{2};
  r.introduce();
  const auto ones = [](size_t count) {
    return host_tensor::adopt(std::vector<int64_t>(count, 1), {static_cast<int64_t>(count)});
  };
  const auto one = r.order(1, order_of(1, {1, 2}), 64);
  r.run();
  r.post(1, wire::part{});
  r.post(1, part_of(1, 2, 0, {}));
  r.post(1, part_of(1, 2, 0, ones(31)));
  r.post(1, part_of(1, 2, 7, ones(32)));
  r.post(1, part_of(1, 2, 0, ones(32), false, 9));
  r.post(1, part_of(1, 9, 0, ones(32)));
  r.post(1, part_of(1, 1, 0, ones(32)));
  r.post(1, part_of(1, 2, 0, ones(32), true));
  r.post(1, part_of(1, 2, 0, host_tensor::adopt(std::vector<float>(32, 1), {32})));
  r.post(1, part_of(0, 2, 0, ones(32)));
  r.post(1, part_of(5, 2, 0, ones(32)));
  r.run();
  BOOST_TEST(!one->answered());
  const auto two = r.order(2, order_of(1, {1, 2}), 64);
  r.run();
  for (const auto& reply : {one, two})
    BOOST_TEST(reply->sum == sum_of({1, 2}, 64), per_element());
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
