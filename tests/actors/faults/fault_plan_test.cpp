#include "actors/faults/fault_plan.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <stdexcept>
#include <string>

#include "actors/random.hpp"

using namespace swarm;
using namespace swarm::faults;
using namespace std::chrono_literals;

namespace {

const std::vector<fault_class> plannable{
    fault_class::kill,
    fault_class::restart_with_state,
    fault_class::restart_without_state,
    fault_class::freeze,
    fault_class::slow,
    fault_class::leave,
    fault_class::mass_leave,
    fault_class::stage_loss,
    fault_class::partition,
    fault_class::one_way_partition,
    fault_class::flapping_partition,
    fault_class::half_open,
    fault_class::clogged_path,
    fault_class::not_finite,
    fault_class::wrong_shape,
    fault_class::out_of_memory,
    fault_class::stall,
};

const std::set<fault_class> absences{
    fault_class::kill,  fault_class::restart_with_state, fault_class::restart_without_state,
    fault_class::leave, fault_class::mass_leave,         fault_class::stage_loss};

const std::set<fault_class> partitions{fault_class::partition, fault_class::one_way_partition,
                                       fault_class::flapping_partition};

/// Random options: any kinds, sizes and rates.
plan_options some_options(uint64_t seed) {
  splitmix64 random{seed};
  plan_options o;
  o.seed = random.next();
  o.duration = std::chrono::minutes{10 + random.below(600)};
  const auto stages = 1 + random.below(8);
  const auto subjects = 2 + random.below(63);
  for (size_t i = 0; i < subjects; ++i)
    o.stage_of.push_back(i == 0 || random.below(5) > 0 ? static_cast<uint32_t>(random.below(stages))
                                                       : no_stage);
  for (const auto kind : plannable) {
    if (random.below(3) == 0) continue;
    const auto least = std::chrono::milliseconds{random.below(60'000)};
    o.rates.push_back({kind,
                       random.unit() * 60,
                       {least, least + std::chrono::milliseconds{random.below(600'000)}}});
  }
  return o;
}

void for_all_plans(const std::function<void(const plan_options&, const fault_plan&)>& law) {
  static const auto plans = [] {
    std::vector<std::pair<plan_options, fault_plan>> result;
    for (uint64_t seed = 0; seed < 50; ++seed)
      result.emplace_back(some_options(seed), make_plan(some_options(seed)));
    return result;
  }();
  for (const auto& [options, plan] : plans)
    law(options, plan);
}

plan_options one_kind(fault_class kind, double per_hour, size_t subjects = 20) {
  plan_options o;
  o.seed = 1;
  o.duration = 1000h;
  for (size_t i = 0; i < subjects; ++i)
    o.stage_of.push_back(static_cast<uint32_t>(i % 4));
  o.rates = {{kind, per_hour, {1s, 2s}}};
  return o;
}

auto key(const planned_fault& f) {
  return std::make_tuple(f.kind, f.begins, f.ends, f.subjects, f.others, f.factor, f.period,
                         f.seed);
}

}  // namespace

BOOST_AUTO_TEST_CASE(plans_are_sorted_and_end_in_time) {
  size_t faults = 0;
  for_all_plans([&](const plan_options& o, const fault_plan& plan) {
    faults += plan.size();
    auto last = 0ns;
    for (const auto& f : plan) {
      BOOST_REQUIRE(f.begins >= last);
      BOOST_REQUIRE(f.begins <= f.ends);
      BOOST_REQUIRE(f.ends <= o.duration);
      last = f.begins;
    }
  });
  BOOST_TEST(faults > 10'000U);
}

BOOST_AUTO_TEST_CASE(plans_hold_what_was_declared) {
  for_all_plans([](const plan_options& o, const fault_plan& plan) {
    std::map<fault_class, time_range> declared;
    for (const auto& r : o.rates)
      declared[r.kind] = r.lasts;
    for (const auto& f : plan) {
      BOOST_REQUIRE(declared.count(f.kind) == 1U);
      const auto lasts = f.ends - f.begins;
      BOOST_REQUIRE(lasts <= declared[f.kind].max);
      BOOST_REQUIRE((lasts >= declared[f.kind].min || f.ends == o.duration));
      BOOST_REQUIRE(
          (f.kind == fault_class::slow ? f.factor >= 2 && f.factor <= 50 : f.factor == 1));
      BOOST_REQUIRE((f.kind == fault_class::flapping_partition) == (f.period.count() > 0));
      BOOST_REQUIRE((f.period == 0ns || (f.period >= 1s && f.period <= 10s)));
    }
  });
}

BOOST_AUTO_TEST_CASE(subjects_exist_and_are_listed_once) {
  for_all_plans([](const plan_options& o, const fault_plan& plan) {
    for (const auto& f : plan) {
      BOOST_REQUIRE(!f.subjects.empty());
      std::set<size_t> all;
      for (const auto& side : {f.subjects, f.others}) {
        BOOST_REQUIRE(std::is_sorted(side.begin(), side.end()));
        for (const auto s : side) {
          BOOST_REQUIRE(s < o.stage_of.size());
          BOOST_REQUIRE(all.insert(s).second);
        }
      }
    }
  });
}

BOOST_AUTO_TEST_CASE(partitions_have_two_sides_and_paths_two_ends) {
  for_all_plans([](const plan_options& o, const fault_plan& plan) {
    for (const auto& f : plan) {
      if (partitions.count(f.kind) == 1) {
        BOOST_REQUIRE(!f.others.empty());
        BOOST_REQUIRE(f.subjects.size() + f.others.size() == o.stage_of.size());
      } else if (f.kind == fault_class::half_open || f.kind == fault_class::clogged_path) {
        BOOST_REQUIRE(f.subjects.size() == 1U);
        BOOST_REQUIRE(f.others.size() == 1U);
      } else {
        BOOST_REQUIRE(f.others.empty());
      }
    }
  });
}

BOOST_AUTO_TEST_CASE(nobody_is_absent_twice_at_a_time) {
  for_all_plans([](const plan_options& o, const fault_plan& plan) {
    std::vector<std::chrono::nanoseconds> back(o.stage_of.size(), 0ns);
    for (const auto& f : plan) {
      if (absences.count(f.kind) == 0) continue;
      for (const auto s : f.subjects) {
        BOOST_REQUIRE(back[s] <= f.begins);
        back[s] = f.ends;
      }
    }
  });
}

BOOST_AUTO_TEST_CASE(a_mass_leave_takes_its_share_of_those_present) {
  for_all_plans([](const plan_options& o, const fault_plan& plan) {
    std::vector<std::chrono::nanoseconds> back(o.stage_of.size(), 0ns);
    for (const auto& f : plan) {
      if (absences.count(f.kind) == 0) continue;
      const auto present = static_cast<double>(
          std::count_if(back.begin(), back.end(), [&](auto t) { return t <= f.begins; }));
      if (f.kind == fault_class::mass_leave) {
        const auto gone = static_cast<double>(f.subjects.size());
        BOOST_REQUIRE(gone <= std::max(1.0, std::ceil(present * 0.7)));
        BOOST_REQUIRE(gone >= std::floor(present * 0.3));
      }
      for (const auto s : f.subjects)
        back[s] = f.ends;
    }
  });
}

BOOST_AUTO_TEST_CASE(a_lost_stage_is_lost_whole) {
  for_all_plans([](const plan_options& o, const fault_plan& plan) {
    std::vector<std::chrono::nanoseconds> back(o.stage_of.size(), 0ns);
    for (const auto& f : plan) {
      if (absences.count(f.kind) == 0) continue;
      if (f.kind == fault_class::stage_loss) {
        const auto stage = o.stage_of[f.subjects.front()];
        BOOST_REQUIRE(stage != no_stage);
        std::vector<size_t> present;
        for (size_t s = 0; s < back.size(); ++s)
          if (o.stage_of[s] == stage && back[s] <= f.begins) present.push_back(s);
        BOOST_REQUIRE(present == f.subjects);
      }
      for (const auto s : f.subjects)
        back[s] = f.ends;
    }
  });
}

BOOST_AUTO_TEST_CASE(the_same_seed_is_the_same_plan) {
  const auto options = some_options(3);
  const auto a = make_plan(options);
  const auto b = make_plan(options);
  BOOST_REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i)
    BOOST_REQUIRE((key(a[i]) == key(b[i])));
  auto other = options;
  ++other.seed;
  const auto c = make_plan(other);
  BOOST_TEST((a.size() != c.size() || key(a[0]) != key(c[0])));
}

BOOST_AUTO_TEST_CASE(one_class_does_not_shift_another) {
  auto options = one_kind(fault_class::freeze, 1);
  const auto alone = make_plan(options);
  options.rates.push_back({fault_class::partition, 5, {1s, 1s}});
  auto both = make_plan(options);
  both.erase(std::remove_if(both.begin(), both.end(),
                            [](const auto& f) { return f.kind != fault_class::freeze; }),
             both.end());
  BOOST_REQUIRE(alone.size() == both.size());
  for (size_t i = 0; i < alone.size(); ++i)
    BOOST_REQUIRE((key(alone[i]) == key(both[i])));
}

BOOST_AUTO_TEST_CASE(rates_are_kept) {
  for (const auto kind : plannable) {
    // 1000 hours at 3 per hour: standard deviation 55.
    const auto plan = make_plan(one_kind(kind, 3));
    BOOST_TEST(plan.size() > 2700U, to_string(kind));
    BOOST_TEST(plan.size() < 3300U, to_string(kind));
  }
  BOOST_TEST(make_plan(one_kind(fault_class::kill, 0)).empty());
}

BOOST_AUTO_TEST_CASE(every_subject_has_its_turn) {
  std::map<size_t, size_t> hits;
  for (const auto& f : make_plan(one_kind(fault_class::kill, 3)))
    ++hits[f.subjects.front()];
  BOOST_TEST(hits.size() == 20U);
  for (const auto& [who, times] : hits)
    BOOST_TEST(times > 90U, "subject " << who);  // 150 +- 12
}

BOOST_AUTO_TEST_CASE(slowness_is_even_on_a_logarithmic_scale) {
  const auto plan = make_plan(one_kind(fault_class::slow, 3));
  const auto below_ten =
      std::count_if(plan.begin(), plan.end(), [](const auto& f) { return f.factor < 10; });
  // ln(10/2) / ln(50/2) = 1/2
  BOOST_TEST(static_cast<double>(below_ten) > 0.45 * static_cast<double>(plan.size()));
  BOOST_TEST(static_cast<double>(below_ten) < 0.55 * static_cast<double>(plan.size()));
}

BOOST_AUTO_TEST_CASE(a_timeline_begins_and_ends_everything_in_order) {
  for_all_plans([](const plan_options&, const fault_plan& plan) {
    std::vector<bool> on(plan.size(), false);
    std::vector<std::chrono::nanoseconds> last_end(plan.size(), 0ns);
    auto now = 0ns;
    for (const auto& e : timeline(plan)) {
      BOOST_REQUIRE(e.at >= now);
      now = e.at;
      BOOST_REQUIRE(on[e.fault] != e.on);
      on[e.fault] = e.on;
      BOOST_REQUIRE(e.at >= plan[e.fault].begins);
      BOOST_REQUIRE(e.at <= plan[e.fault].ends);
      last_end[e.fault] = e.at;
    }
    BOOST_REQUIRE(std::count(on.begin(), on.end(), true) == 0);
  });
}

BOOST_AUTO_TEST_CASE(flapping_is_half_on_half_off) {
  planned_fault f;
  f.kind = fault_class::flapping_partition;
  f.begins = 10s;
  f.ends = 17s;
  f.period = 4s;
  std::vector<std::pair<std::chrono::nanoseconds, bool>> seen;
  for (const auto& e : timeline({f}))
    seen.emplace_back(e.at, e.on);
  const decltype(seen) expected{{10s, true}, {12s, false}, {14s, true}, {16s, false}};
  BOOST_CHECK(seen == expected);
}

BOOST_AUTO_TEST_CASE(one_fault_ends_before_the_next_begins) {
  planned_fault first;
  first.subjects = {0};
  first.begins = 1s;
  first.ends = 2s;
  auto second = first;
  second.begins = second.ends = 2s;
  auto third = first;
  third.begins = 2s;
  third.ends = 3s;
  std::string order;
  for (const auto& e : timeline({first, second, third}))
    order += (e.on ? "+" : "-") + std::to_string(e.fault);
  BOOST_TEST(order == "+0-0+1-1+2-2");
}

BOOST_AUTO_TEST_CASE(plans_are_counted_by_class) {
  fault_counts counts;
  const auto plan = make_plan(some_options(5));
  count(plan, counts);
  BOOST_TEST(counts.total() == plan.size());
}

BOOST_AUTO_TEST_CASE(bad_options_have_a_complaint) {
  const auto refused = [](const std::function<void(plan_options&)>& spoil) {
    auto options = one_kind(fault_class::kill, 1);
    spoil(options);
    BOOST_TEST(complaint(options) != nullptr);
    BOOST_CHECK_THROW(make_plan(options), std::invalid_argument);
  };
  refused([](auto& o) { o.duration = -1s; });
  refused([](auto& o) { o.stage_of.clear(); });
  refused([](auto& o) { o.slowness = {0.5, 2}; });
  refused([](auto& o) { o.slowness = {5, 2}; });
  refused([](auto& o) { o.mass_share = {0.3, 1.2}; });
  refused([](auto& o) { o.flapping_period = {0s, 1s}; });
  refused([](auto& o) { o.rates[0].per_hour = -1; });
  refused([](auto& o) { o.rates[0].per_hour = 1e9; });
  refused([](auto& o) { o.rates[0].lasts = {2s, 1s}; });
  refused([](auto& o) { o.rates[0].kind = fault_class::loss; });
  refused([](auto& o) {
    o.rates[0].kind = fault_class::partition;
    o.stage_of = {0};
  });
  refused([](auto& o) {
    o.rates[0].kind = fault_class::stage_loss;
    o.stage_of = {no_stage, no_stage};
  });
}
