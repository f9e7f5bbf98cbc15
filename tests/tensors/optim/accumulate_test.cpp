#include "tensors/optim/accumulate.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

using namespace swarm::tensors;

namespace {

constexpr int64_t size = 1003;

std::vector<float> random_values(std::mt19937& random, float magnitude) {
  std::normal_distribution<float> normal(0.0f, magnitude);
  std::vector<float> values(size);
  for (auto& value : values)
    value = normal(random);
  return values;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_fixed_point_sum_ignores_order_and_grouping) {
  std::mt19937 random(3);
  std::vector<std::vector<float>> addends;
  for (int i = 0; i < 12; ++i) {
    addends.push_back(random_values(random, std::pow(10.0f, static_cast<float>(i % 8) - 4)));
  }
  std::vector<int64_t> wanted(size, 0);
  for (const auto& addend : addends)
    accumulate_fixed(wanted.data(), addend.data(), size, 1);
  for (int round = 0; round < 20; ++round) {
    std::shuffle(addends.begin(), addends.end(), random);
    std::vector<std::vector<int64_t>> groups(1 + random() % 4, std::vector<int64_t>(size, 0));
    for (const auto& addend : addends) {
      accumulate_fixed(groups[random() % groups.size()].data(), addend.data(), size, 1);
    }
    std::vector<int64_t> sum(size, 0);
    for (const auto& group : groups) {
      for (int64_t i = 0; i < size; ++i)
        sum[i] += group[i];
    }
    BOOST_TEST(sum == wanted);
  }
}

BOOST_AUTO_TEST_CASE(taking_away_restores_the_bits) {
  std::mt19937 random(4);
  std::vector<int64_t> sum(size, 0);
  accumulate_fixed(sum.data(), random_values(random, 1.0f).data(), size, 1);
  const auto before = sum;
  for (const float magnitude : {1e-6f, 1.0f, 1e5f}) {
    const auto addend = random_values(random, magnitude);
    accumulate_fixed(sum.data(), addend.data(), size, 1);
    BOOST_TEST(sum != before);
    accumulate_fixed(sum.data(), addend.data(), size, -1);
    BOOST_TEST(sum == before);
  }
}

BOOST_AUTO_TEST_CASE(the_fast_and_the_general_conversion_agree) {
  std::mt19937 random(5);
  for (const float magnitude : {1e-12f, 1e-6f, 1.0f, 100.0f, 1e5f}) {
    const auto values = random_values(random, magnitude);
    std::vector<int64_t> fixed(size, 0);
    accumulate_fixed(fixed.data(), values.data(), size, 1);
    for (int64_t i = 0; i < size; ++i) {
      BOOST_REQUIRE_EQUAL(fixed[i], std::llrint(std::ldexp(double{values[i]}, 40)));
    }
    std::vector<float> back(size);
    to_float(back.data(), fixed.data(), size);
    for (int64_t i = 0; i < size; ++i)
      BOOST_REQUIRE(std::abs(back[i] - values[i]) <= 0x1p-41);
  }
}

BOOST_AUTO_TEST_CASE(sums_at_the_limit_do_not_overflow) {
  const std::vector<float> addend(4, fixed_point_sum_limit / 8);
  std::vector<int64_t> sum(4, 0);
  for (int i = 0; i < 8; ++i)
    accumulate_fixed(sum.data(), addend.data(), 4, 1);
  std::vector<float> back(4);
  to_float(back.data(), sum.data(), 4);
  BOOST_TEST(back[3] == fixed_point_sum_limit);
}

BOOST_AUTO_TEST_CASE(limits_see_every_lane_and_not_a_number) {
  for (const int64_t place : {int64_t{0}, int64_t{500}, size - 1}) {
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
          -std::numeric_limits<float>::infinity()}) {
      std::vector<float> values(size, 1.0f);
      BOOST_TEST(within(values.data(), size, finite_limit));
      values[place] = bad;
      BOOST_TEST(!within(values.data(), size, finite_limit));
    }
    std::vector<float> values(size, 1.0f);
    values[place] = -2.5f;
    BOOST_TEST(!within(values.data(), size, 2.0f));
    BOOST_TEST(within(values.data(), size, 2.5f));
  }
}

BOOST_AUTO_TEST_CASE(assigning_and_adding_carry_a_sign) {
  const std::vector<float> values = {1.0f, -2.0f, 0.5f};
  std::vector<float> sum = {9.0f, 9.0f, 9.0f};
  assign(sum.data(), values.data(), 3, -1.0f);
  BOOST_TEST(sum == (std::vector<float>{-1.0f, 2.0f, -0.5f}));
  accumulate(sum.data(), values.data(), 3, 1.0f);
  BOOST_TEST(sum == (std::vector<float>{0.0f, 0.0f, 0.0f}));
}
