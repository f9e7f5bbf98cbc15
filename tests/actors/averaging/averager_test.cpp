#include "actors/averaging/averager.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/all.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "actors/wire/tensor.hpp"
#include "actors/wire/ticket.hpp"

namespace {

using namespace swarm;
using boost::test_tools::per_element;
using tensors::host_tensor;

struct virtual_time : caf::actor_system_config {
  virtual_time() { set("scheduler.policy", caf::atom("testing")); }
};

struct outcome {
  std::vector<int64_t> sum;
  std::vector<float> floats;
  std::string hash;
  caf::error error;
  int answers = 0;
  bool answered() const { return answers > 0; }
  bool superseded() const {
    return error == averaging::make_error(averaging::averaging_errc::superseded);
  }
};

worker_id id_of(uint64_t peer) {
  return {peer_id{peer}, incarnation_id{1}};
}

wire::reduce order_of(uint32_t round, const std::vector<uint64_t>& members, uint64_t follower = 0,
                      uint64_t term = 1) {
  wire::builder<schemas::Reduce> message;
  wire::set_epoch(*message, {term_id{term}, step_id{3}, round_id{round}});
  auto list = message->initMembers(static_cast<unsigned>(members.size()));
  for (unsigned i = 0; i < list.size(); ++i) {
    wire::to_wire(id_of(members[i]), list[i].initWorker());
    list[i].setContributes(members[i] != follower);
  }
  return message.finish();
}

std::vector<int64_t> vector_of(uint64_t peer, size_t count) {
  std::mt19937_64 random{peer};
  std::vector<int64_t> result(count);
  for (auto& x : result)
    x = static_cast<int64_t>(random());
  return result;
}

std::vector<int64_t> sum_of(const std::vector<uint64_t>& members, size_t count) {
  std::vector<int64_t> result(count);
  for (uint64_t peer : members) {
    const auto own = vector_of(peer, count);
    for (size_t i = 0; i < count; ++i)
      result[i] =
          static_cast<int64_t>(static_cast<uint64_t>(result[i]) + static_cast<uint64_t>(own[i]));
  }
  return result;
}

/// Averagers 1..n whose roster the test writes itself.
class rig {
 public:
  explicit rig(uint64_t count)
      : system_(config_),
        scheduler_(dynamic_cast<caf::scheduler::test_coordinator&>(system_.scheduler())) {
    silent_ = system_.spawn([](caf::event_based_actor*) -> caf::behavior {
      return {[](wire::subscribe_atom, const caf::actor&) {}};
    });
    everybody_.push_back(silent_.address());
    const auto directory = caf::actor_cast<wire::directory_actor>(silent_);
    for (uint64_t peer = 1; peer <= count; ++peer) {
      averagers_.push_back(
          averaging::spawn_averager(system_, {id_of(peer), stage_id{0}, directory}));
      everybody_.push_back(averagers_.back().address());
    }
    scheduler_.run();
  }

  ~rig() {
    for (const auto& who : everybody_)
      caf::anon_send_exit(caf::actor_cast<caf::actor>(who), caf::exit_reason::kill);
    scheduler_.run();
  }

  void introduce() {
    for (uint64_t to = 1; to <= averagers_.size(); ++to)
      for (uint64_t peer = 1; peer <= averagers_.size(); ++peer)
        introduce(to, peer);
  }

  /// `to` hears of `peer`.
  void introduce(uint64_t to, uint64_t peer) {
    wire::member m;
    m.id = id_of(peer);
    m.state = wire::member_state::serving;
    m.handle = silent_;
    m.averager = caf::actor_cast<caf::actor>(averagers_[peer - 1]);
    caf::anon_send(caf::actor_cast<caf::actor>(averagers_[to - 1]), wire::roster_update{{m}, {}});
  }

  std::shared_ptr<outcome> order(uint64_t peer, const wire::reduce& m, const host_tensor& own) {
    auto out = std::make_shared<outcome>();
    const auto whom = averagers_[peer - 1];
    const auto client = system_.spawn([=](caf::event_based_actor* self) {
      self->request(whom, caf::infinite, m, own)
          .then(
              [out](const host_tensor& total, const std::string& hash) {
                ++out->answers;
                out->hash = hash;
                if (total.type() == tensors::dtype::i64)
                  out->sum.assign(total.as<int64_t>(), total.as<int64_t>() + total.elements());
                else
                  out->floats.assign(total.as<float>(), total.as<float>() + total.elements());
              },
              [out](const caf::error& error) {
                ++out->answers;
                out->error = error;
              });
    });
    everybody_.push_back(client.address());
    return out;
  }

  std::shared_ptr<outcome> order(uint64_t peer, const wire::reduce& m, size_t count) {
    return order(peer, m,
                 host_tensor::adopt(vector_of(peer, count), {static_cast<int64_t>(count)}));
  }

  void post(uint64_t peer, const wire::part& m) { caf::anon_send(averagers_[peer - 1], m); }

  void run() { scheduler_.run(); }

  /// Picks the next runnable actor, and how long it stays, by the seed.
  void run_shuffled(std::mt19937& random) {
    auto& jobs = scheduler_.jobs;
    while (!jobs.empty()) {
      std::swap(jobs.front(), jobs[random() % jobs.size()]);
      scheduler_.run_once();
    }
  }

 private:
  virtual_time config_;
  caf::actor_system system_;
  caf::scheduler::test_coordinator& scheduler_;
  caf::actor silent_;
  std::vector<wire::averager_actor> averagers_;
  std::vector<caf::actor_addr> everybody_;
};

std::vector<uint64_t> first(uint64_t count) {
  std::vector<uint64_t> result;
  for (uint64_t peer = 1; peer <= count; ++peer)
    result.push_back(peer);
  return result;
}

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
