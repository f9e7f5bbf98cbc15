#include "actors/averaging/butterfly.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>

namespace {

using namespace swarm;
using namespace swarm::averaging;

worker_id worker(uint64_t peer) {
  return {peer_id(peer), incarnation_id(1)};
}

std::vector<butterfly_member> group(size_t contributors, size_t followers = 0) {
  std::vector<butterfly_member> out;
  for (size_t i = 0; i < contributors + followers; ++i)
    out.push_back({worker(i), i < contributors, 1});
  return out;
}

butterfly_plan plan_of(std::vector<butterfly_member> members, size_t elements,
                       size_t part = default_part_elements_max) {
  return butterfly_plan::make(std::move(members), elements, part).value();
}

template <class T>
std::vector<T> random_vector(std::mt19937_64& random, size_t count) {
  std::vector<T> out(count);
  for (auto& x : out) {
    if constexpr (std::is_same_v<T, float>) {
      // Magnitudes far apart, so that the order of a sum shows in its bits.
      const double magnitude = static_cast<double>(random() % 16) - 8;
      x = static_cast<float>((static_cast<double>(random() % 2001) - 1000.0) *
                             std::pow(10.0, magnitude));
    } else {
      x = static_cast<int64_t>(random());
    }
  }
  return out;
}

template <class T>
std::vector<T> plain_sum(const std::vector<butterfly_member>& members,
                         const std::vector<std::vector<T>>& vectors, size_t elements) {
  std::vector<T> out(elements);
  bool first = true;
  for (size_t m = 0; m < members.size(); ++m) {
    if (!members[m].contributes) continue;
    for (size_t i = 0; i < elements; ++i) {
      if constexpr (std::is_same_v<T, float>) {
        out[i] = first ? vectors[m][i] : out[i] + vectors[m][i];
      } else {
        out[i] =
            static_cast<T>(static_cast<uint64_t>(out[i]) + static_cast<uint64_t>(vectors[m][i]));
      }
    }
    first = false;
  }
  return out;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

/// All members in one place; messages arrive in random order, some of them twice.
template <class T>
struct round_table {
  struct message {
    worker_id from;
    butterfly_send<T> send;
  };

  round_table(const std::vector<butterfly_member>& members, size_t elements, size_t part,
              const std::vector<std::vector<T>>& vectors, std::mt19937_64& random)
      : random(random) {
    const auto plan = plan_of(members, elements, part);
    for (size_t m = 0; m < members.size(); ++m) {
      const bool contributes = members[m].contributes;
      machines.push_back(butterfly<T>::make(plan, members[m].id,
                                            contributes ? vectors[m].data() : nullptr,
                                            contributes ? elements : 0)
                             .value());
    }
  }

  void post(size_t member, const std::vector<butterfly_send<T>>& sends) {
    for (const auto& s : sends) {
      wire.push_back({machines[member].plan().members()[member].id, s});
      ++messages;
      if (random() % 5 == 0) wire.push_back(wire.back());
    }
  }

  void run() {
    // Some members begin late, after the first parts have reached them.
    std::vector<size_t> late;
    for (size_t m = 0; m < machines.size(); ++m) {
      if (random() % 3 == 0) {
        late.push_back(m);
      } else {
        post(m, machines[m].start());
      }
    }
    while (!wire.empty() || !late.empty()) {
      if (wire.empty() || (!late.empty() && random() % 4 == 0)) {
        const size_t m = late.back();
        late.pop_back();
        post(m, machines[m].start());
        continue;
      }
      std::swap(wire[random() % wire.size()], wire.back());
      const message next = wire.back();
      wire.pop_back();
      deliver(next);
    }
  }

  void deliver(const message& m) {
    const size_t to = machines[0].plan().index_of(m.send.to).value();
    auto& machine = machines[to];
    const std::vector<T> copy(m.send.data, m.send.data + m.send.count);
    const auto out =
        m.send.reduced
            ? machine.accept_reduced(m.from, m.send.slice, m.send.part, copy.data(), copy.size())
            : machine.accept_part(m.from, m.send.slice, m.send.part, copy.data(), copy.size());
    BOOST_REQUIRE(!out.error);
    if (out.duplicate) BOOST_TEST(out.send.size() <= 1U);
    duplicates += out.duplicate ? 1 : 0;
    answers += out.duplicate ? out.send.size() : 0;
    post(to, out.send);
    const auto slice = machine.plan().slice_of(to);
    const size_t own = slice ? machine.plan().slice(*slice).count : 0;
    BOOST_TEST(machine.waiting_elements() <= own * machine.plan().slices());
  }

  std::mt19937_64& random;
  std::vector<butterfly<T>> machines;
  std::vector<message> wire;
  size_t messages = 0;
  size_t duplicates = 0;
  size_t answers = 0;  ///< to repeats: the finished sum once more
};

template <class T>
void check_random_groups(uint64_t seed) {
  std::mt19937_64 random(seed);
  size_t duplicates = 0;
  for (int trial = 0; trial < 250; ++trial) {
    const size_t n = 1 + random() % 8;
    std::vector<butterfly_member> members;
    for (size_t i = 0; i < n; ++i)
      members.push_back({worker(100 + (i * 37) % 64), random() % 4 != 0,
                         trial % 2 == 0 ? 1.0 : static_cast<double>(random() % 5)});
    members[random() % n].contributes = true;
    const size_t elements = trial % 3 == 0 ? random() % 12 : random() % 700;
    const size_t part = 1 + random() % 80;
    std::vector<std::vector<T>> vectors;
    for (size_t i = 0; i < n; ++i)
      vectors.push_back(random_vector<T>(random, elements));
    const auto before = vectors;
    round_table<T> table(members, elements, part, vectors, random);
    table.run();
    const auto expected = plain_sum(members, vectors, elements);
    for (const auto& machine : table.machines) {
      BOOST_REQUIRE(machine.done());
      BOOST_TEST(same_bits(machine.result(), expected));
      BOOST_TEST((machine.hash() == table.machines[0].hash()));
      BOOST_TEST(machine.waiting_elements() == 0u);
      BOOST_TEST(machine.missing().sums.empty());
      BOOST_TEST(machine.missing().contributions.empty());
    }
    for (size_t i = 0; i < n; ++i)
      BOOST_TEST(same_bits(vectors[i], before[i]));
    duplicates += table.duplicates;
  }
  BOOST_TEST(duplicates > 100u);
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_member_gets_the_bits_of_the_plain_sum_in_f32) {
  check_random_groups<float>(1);
}

BOOST_AUTO_TEST_CASE(the_order_of_an_f32_sum_shows_in_these_vectors) {
  std::mt19937_64 random(1);
  std::vector<std::vector<float>> vectors;
  for (int i = 0; i < 3; ++i)
    vectors.push_back(random_vector<float>(random, 300));
  const auto forward = plain_sum(group(3), vectors, 300);
  std::reverse(vectors.begin(), vectors.end());
  BOOST_TEST(!same_bits(forward, plain_sum(group(3), vectors, 300)));
}

BOOST_AUTO_TEST_CASE(every_member_gets_the_bits_of_the_plain_sum_in_i64) {
  check_random_groups<int64_t>(2);
}

BOOST_AUTO_TEST_CASE(integer_sums_do_not_depend_on_the_grouping) {
  std::mt19937_64 random(3);
  const size_t elements = 300;
  std::vector<std::vector<int64_t>> vectors;
  for (int i = 0; i < 6; ++i)
    vectors.push_back(random_vector<int64_t>(random, elements));
  round_table<int64_t> six(group(6), elements, 32, vectors, random);
  six.run();
  // The same sums, held by two members in other proportions.
  const std::vector<std::vector<int64_t>> merged = {
      plain_sum<int64_t>(group(2), {vectors[5], vectors[0]}, elements),
      plain_sum<int64_t>(group(4), {vectors[3], vectors[1], vectors[4], vectors[2]}, elements)};
  round_table<int64_t> two(group(2), elements, 7, merged, random);
  two.run();
  BOOST_TEST((six.machines[0].hash() == two.machines[1].hash()));
}

BOOST_AUTO_TEST_CASE(slices_cover_the_vector_on_aligned_bounds) {
  std::mt19937_64 random(4);
  for (int trial = 0; trial < 500; ++trial) {
    auto members = group(1 + random() % 8, random() % 3);
    for (auto& m : members)
      m.bandwidth_share = trial % 2 == 0 ? 1 : static_cast<double>(random() % 1000) / 7;
    const auto plan = plan_of(members, random() % 5000, 1 + random() % 300);
    size_t at = 0;
    size_t parts = 0;
    for (size_t s = 0; s < plan.slices(); ++s) {
      BOOST_TEST(plan.slice(s).begin == at);
      BOOST_TEST((at % slice_alignment_elements == 0 || at == plan.elements()));
      for (size_t p = 0; p < plan.parts(s); ++p, ++parts) {
        BOOST_TEST(plan.part(s, p).begin == at);
        BOOST_TEST(plan.part(s, p).count > 0u);
        at += plan.part(s, p).count;
      }
      BOOST_TEST(plan.slice_of(plan.owner(s)).value() == s);
    }
    BOOST_TEST(at == plan.elements());
    BOOST_TEST(parts == plan.parts_total());
  }
}

BOOST_AUTO_TEST_CASE(slices_are_in_proportion_to_bandwidth) {
  auto members = group(3);
  members[0].bandwidth_share = 100;
  members[1].bandwidth_share = 0;
  members[2].bandwidth_share = 300;
  const auto plan = plan_of(members, 16000);
  BOOST_TEST(plan.slice(0).count == 4000u);
  BOOST_TEST(plan.slice(1).count == 0u);
  BOOST_TEST(plan.slice(2).count == 12000u);
}

BOOST_AUTO_TEST_CASE(a_member_sends_and_receives_what_a_butterfly_costs) {
  std::mt19937_64 random(6);
  const size_t elements = 1600;
  std::vector<std::vector<float>> vectors(5, std::vector<float>(elements, 1));
  round_table<float> table(group(4, 1), elements, 100, vectors, random);
  table.run();
  // 4 slices of 400 = 4 parts each: to the owner from 3 others, and back to 4 others.
  BOOST_TEST(table.messages - table.answers == 4u * 4 * (3 + 4));
}

BOOST_AUTO_TEST_CASE(a_group_of_one_needs_no_messages) {
  const std::vector<float> own = {1, 2, 3};
  auto alone = butterfly<float>::make(plan_of(group(1), 3), worker(0), own.data(), 3).value();
  BOOST_TEST(!alone.done());
  BOOST_TEST(alone.start().empty());
  BOOST_TEST(alone.done());
  BOOST_TEST(same_bits(alone.result(), own));
}

BOOST_AUTO_TEST_CASE(an_empty_vector_is_done_at_once) {
  auto machine = butterfly<float>::make(plan_of(group(3), 0), worker(1), nullptr, 0).value();
  BOOST_TEST(machine.start().empty());
  BOOST_TEST(machine.done());
}

BOOST_AUTO_TEST_CASE(a_sole_contributor_feeds_its_followers) {
  const std::vector<float> own = {4, 5};
  const auto plan = plan_of(group(1, 2), 2);
  auto leader = butterfly<float>::make(plan, worker(0), own.data(), 2).value();
  auto follower = butterfly<float>::make(plan, worker(2), nullptr, 0).value();
  const auto sends = leader.start();
  BOOST_REQUIRE(sends.size() == 2u);
  BOOST_TEST(sends[0].reduced);
  BOOST_TEST(follower.start().empty());
  BOOST_TEST(!follower.accept_reduced(worker(0), 0, 0, sends[0].data, 2).error);
  BOOST_TEST(follower.done());
  BOOST_TEST((follower.hash() == leader.hash()));
}

BOOST_AUTO_TEST_CASE(bad_groups_are_refused) {
  const auto refused = [](std::vector<butterfly_member> members, size_t part = 16) {
    averaging_errc code{};
    BOOST_TEST(!butterfly_plan::make(std::move(members), 100, part, &code).has_value());
    return code;
  };
  BOOST_TEST((refused({}) == averaging_errc::bad_group));
  BOOST_TEST((refused(group(0, 3)) == averaging_errc::bad_group));
  BOOST_TEST((refused(group(group_members_max + 1)) == averaging_errc::bad_group));
  BOOST_TEST((refused({{worker(1)}, {worker(2)}, {worker(1)}}) == averaging_errc::bad_group));
  BOOST_TEST((refused(group(2), 0) == averaging_errc::bad_part_size));
  for (double share : {-1.0, std::nan(""), HUGE_VAL, 1e300})
    BOOST_TEST((refused({{worker(1), true, share}}) == averaging_errc::bad_share));
  averaging_errc code{};
  const std::vector<float> own(99);
  const auto plan = plan_of(group(2), 100);
  BOOST_TEST(!butterfly<float>::make(plan, worker(7), own.data(), 100, &code));
  BOOST_TEST((code == averaging_errc::not_a_member));
  BOOST_TEST(!butterfly<float>::make(plan, worker(0), own.data(), 99, &code));
  BOOST_TEST((code == averaging_errc::wrong_own_size));
}

BOOST_AUTO_TEST_CASE(malformed_parts_are_refused_and_change_nothing) {
  const std::vector<float> own(64, 1);
  const std::vector<float> data(64, 2);
  const float* d = data.data();
  // Slices of 32 elements, parts of 20 and 12; member 2 follows.
  const auto plan = plan_of(group(2, 1), 64, 20);
  auto machine = butterfly<float>::make(plan, worker(0), own.data(), 64).value();
  auto follower = butterfly<float>::make(plan, worker(2), nullptr, 0).value();
  machine.start();
  const size_t missing = machine.parts_missing();
  using e = averaging_errc;
  const auto part = [&](uint64_t from, uint32_t slice, uint32_t index, size_t count) {
    return machine.accept_part(worker(from), slice, index, d, count).error.value();
  };
  const auto sum = [&](uint64_t from, uint32_t slice, uint32_t index, size_t count) {
    return machine.accept_reduced(worker(from), slice, index, d, count).error.value();
  };
  BOOST_TEST((part(9, 0, 0, 20) == e::not_a_member));
  BOOST_TEST((part(2, 0, 0, 20) == e::wrong_sender));  // a follower contributes nothing
  BOOST_TEST((part(0, 0, 0, 20) == e::wrong_sender));  // that is ourselves
  BOOST_TEST((part(1, 1, 0, 20) == e::wrong_slice));   // not ours
  BOOST_TEST((part(1, 7, 0, 20) == e::wrong_slice));
  BOOST_TEST((part(1, 0, 2, 20) == e::wrong_part));
  BOOST_TEST((part(1, 0, 0, 19) == e::wrong_size));
  BOOST_TEST((part(1, 0, 1, 20) == e::wrong_size));
  BOOST_TEST((sum(9, 1, 0, 20) == e::not_a_member));
  BOOST_TEST((sum(2, 1, 0, 20) == e::wrong_sender));  // not the owner
  BOOST_TEST((sum(1, 0, 0, 20) == e::wrong_slice));   // our own slice
  BOOST_TEST((sum(1, 4000000000u, 0, 20) == e::wrong_slice));
  BOOST_TEST((sum(1, 1, 4000000000u, 20) == e::wrong_part));
  BOOST_TEST((sum(1, 1, 1, 0) == e::wrong_size));
  BOOST_TEST((follower.accept_part(worker(0), 0, 0, d, 20).error == e::wrong_slice));
  BOOST_TEST(machine.parts_missing() == missing);
  BOOST_TEST(machine.waiting_elements() == 0u);
  for (int code = 1; code <= static_cast<int>(e::wrong_size); ++code)
    BOOST_TEST(std::strlen(to_sentence(static_cast<e>(code))) > 20u);
}

BOOST_AUTO_TEST_CASE(the_missing_are_named) {
  const std::vector<float> own(64, 1);
  const std::vector<float> data(64, 2);
  auto machine =
      butterfly<float>::make(plan_of(group(3, 1), 64), worker(0), own.data(), 64).value();
  machine.start();
  machine.accept_part(worker(2), 0, 0, data.data(), machine.plan().part(0, 0).count);
  machine.accept_reduced(worker(1), 1, 0, data.data(), machine.plan().part(1, 0).count);
  BOOST_TEST((machine.missing().contributions == std::vector<worker_id>{worker(1)}));
  BOOST_TEST((machine.missing().sums == std::vector<worker_id>{worker(2)}));
  BOOST_TEST(machine.waiting_elements() > 0u);
}
