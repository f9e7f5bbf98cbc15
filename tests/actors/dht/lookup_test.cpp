#include "actors/dht/lookup.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <deque>
#include <map>
#include <set>

#include "tests/actors/dht/keys.hpp"

using namespace swarm;
using namespace swarm::dht;
using namespace std::chrono_literals;
using dht::testing::contact_number;

namespace {

const node_id own = contact_number(1'000'000).id;

void sort_by(std::vector<contact>& all, const node_id& target) {
  std::sort(all.begin(), all.end(),
            [&](const auto& a, const auto& b) { return closer(a.id, b.id, target); });
}

/// Nodes that each know some others: the nearest to themselves and a few at random.
struct town {
  explicit town(size_t count, uint64_t seed = 1) : random(seed) {
    for (size_t n = 0; n < count; ++n)
      all.push_back(contact_number(n));
    for (const auto& who : all) {
      auto near = all;
      sort_by(near, who.id);
      auto& known = knows[who.id];
      known.assign(near.begin() + 1,
                   near.begin() + static_cast<std::ptrdiff_t>(std::min<size_t>(21, near.size())));
      for (int i = 0; i < 20; ++i)
        known.push_back(all[random.below(count)]);
    }
  }

  std::vector<contact> named_by(const node_id& who, const node_id& target) {
    auto known = knows[who];
    sort_by(known, target);
    known.resize(std::min<size_t>(20, known.size()));
    return known;
  }

  std::vector<contact> nearest(const node_id& target, size_t count) const {
    auto result = all;
    sort_by(result, target);
    result.resize(std::min(count, result.size()));
    return result;
  }

  /// Answers in the order of asking, the dead not at all.
  void play(lookup& machine) {
    std::deque<contact> asked;
    const auto ask = [&] {
      const auto next = machine.next(0ms);
      asked.insert(asked.end(), next.begin(), next.end());
    };
    for (ask(); !asked.empty(); ask()) {
      const auto who = asked.front();
      asked.pop_front();
      BOOST_TEST(ever_asked.insert(who.address).second);
      if (dead.count(who.id) != 0) {
        machine.failed(who.id);
      } else {
        const auto found = has.find(who.id);
        machine.answered(who.id, who, named_by(who.id, machine.target()),
                         found == has.end() ? holding::nothing : found->second);
      }
    }
  }

  splitmix64 random;
  std::vector<contact> all;
  std::map<node_id, std::vector<contact>> knows;
  std::set<node_id> dead;
  std::map<node_id, holding> has;
  std::set<std::string> ever_asked;
};

bool same(const std::vector<contact>& a, const std::vector<contact>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return x.id == y.id; });
}

}  // namespace

BOOST_AUTO_TEST_CASE(it_finds_exactly_the_k_closest) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    town t{300, seed};
    const auto target = contact_number(5'000 + seed).id;
    lookup machine{own, target, lookup_mode::nodes, {t.all[seed], t.all[seed + 50]}};
    t.play(machine);
    BOOST_TEST(machine.done());
    BOOST_TEST(same(machine.closest(), t.nearest(target, 20)));
    BOOST_TEST(machine.hops() >= 1U);
    BOOST_TEST(machine.hops() <= 6U);
    BOOST_TEST(machine.queries() < 80U);
  }
}

BOOST_AUTO_TEST_CASE(the_dead_are_left_out_and_the_next_nearest_take_their_place) {
  town t{300};
  const auto target = contact_number(5'001).id;
  size_t n = 0;
  for (const auto& who : t.nearest(target, 60))
    if (n++ % 3 == 0) t.dead.insert(who.id);
  lookup machine{own, target, lookup_mode::nodes, {t.all[100], t.all[101], t.all[102]}};
  t.play(machine);
  std::vector<contact> living;
  for (const auto& who : t.nearest(target, 60))
    if (t.dead.count(who.id) == 0 && living.size() < 20) living.push_back(who);
  BOOST_TEST(same(machine.closest(), living));
  BOOST_TEST(machine.failures() > 0U);
}

BOOST_AUTO_TEST_CASE(it_asks_alpha_at_first_and_all_that_are_left_when_nobody_nearer_is_named) {
  town t{20};
  lookup machine{own, contact_number(7'000).id, lookup_mode::nodes, t.all};
  const auto first = machine.next(0ms);
  BOOST_TEST(first.size() == 3U);
  BOOST_TEST(machine.next(0ms).empty());
  machine.answered(first[0].id, first[0], {});
  // Nothing nearer: 17 more at once.
  BOOST_TEST(machine.next(0ms).size() == 17U);
}

BOOST_AUTO_TEST_CASE(fewer_than_k_may_be_enough) {
  town t{100};
  lookup_options options;
  options.settled_by = 5;
  const auto target = contact_number(7'000).id;
  lookup machine{own, target, lookup_mode::nodes, t.all, options};
  t.play(machine);
  BOOST_TEST(machine.queries() == 5U);
  BOOST_TEST(same(machine.closest(), t.nearest(target, 5)));
  BOOST_TEST(same(machine.nearest(8), t.nearest(target, 8)));
}

BOOST_AUTO_TEST_CASE(the_nearest_are_without_those_who_failed_or_are_slow) {
  town t{100};
  const auto target = contact_number(7'000).id;
  const auto near = t.nearest(target, 10);
  lookup machine{own, target, lookup_mode::nodes, t.all};
  machine.next(0ms);
  machine.failed(near[0].id);
  machine.answered(near[2].id, near[2], {});
  machine.next(1s);
  BOOST_TEST(same(machine.nearest(8), {near.begin() + 2, near.end()}));
}

BOOST_AUTO_TEST_CASE(who_is_slow_gives_up_its_turn_and_still_counts_when_it_answers) {
  town t{40};
  const auto target = contact_number(7'000).id;
  lookup_options options;
  options.k = 3;
  lookup machine{own, target, lookup_mode::nodes, t.nearest(target, 6), options};
  const auto first = machine.next(0ms);
  BOOST_TEST(first.size() == 3U);
  BOOST_TEST((machine.impatient_at() == moment{250}));
  BOOST_TEST(machine.next(249ms).empty());
  const auto second = machine.next(250ms);
  BOOST_TEST(second.size() == 3U);
  for (const auto& who : second)
    machine.answered(who.id, who, {});
  // Strict: the slow ones are nearer and have not failed yet.
  BOOST_TEST(!machine.done());
  machine.answered(first[0].id, first[0], {});
  machine.failed(first[1].id);
  machine.failed(first[2].id);
  BOOST_TEST(machine.done());
  BOOST_TEST((machine.closest()[0].id == first[0].id));
}

BOOST_AUTO_TEST_CASE(a_search_for_any_value_ends_with_the_first) {
  town t{300};
  const auto target = contact_number(5'003).id;
  const auto holder = t.nearest(target, 1)[0];
  t.has[holder.id] = holding::cached;
  lookup machine{own, target, lookup_mode::any_values, {t.all[7]}};
  t.play(machine);
  BOOST_TEST(machine.done());
  BOOST_TEST((machine.closest()[0].id == holder.id));
  // The nearest on the path that had nothing.
  BOOST_TEST_REQUIRE(machine.cache_at().has_value());
  BOOST_TEST((machine.cache_at()->id != holder.id));
  BOOST_TEST((machine.cache_at()->id == machine.closest()[1].id));
}

BOOST_AUTO_TEST_CASE(a_search_for_all_values_is_not_content_with_copies) {
  town t{300};
  const auto target = contact_number(5'003).id;
  for (const auto& who : t.nearest(target, 3))
    t.has[who.id] = holding::cached;
  lookup copies{own, target, lookup_mode::all_values, {t.all[7]}};
  t.play(copies);
  BOOST_TEST(same(copies.closest(), t.nearest(target, 20)));
  t.ever_asked.clear();
  for (const auto& who : t.nearest(target, 20))
    t.has[who.id] = holding::published;
  lookup holders{own, target, lookup_mode::all_values, {t.all[7]}};
  t.play(holders);
  BOOST_TEST(holders.queries() < copies.queries());
  size_t answers = 0;
  for (const auto& who : holders.closest())
    answers += t.has.count(who.id);
  BOOST_TEST(answers >= 3U);
}

BOOST_AUTO_TEST_CASE(nobody_to_ask_is_done_at_once) {
  lookup machine{own, contact_number(1).id, lookup_mode::nodes, {}};
  BOOST_TEST(machine.done());
  BOOST_TEST(machine.next(0ms).empty());
  BOOST_TEST(machine.closest().empty());
  BOOST_TEST(machine.hops() == 0U);
  BOOST_TEST(!machine.impatient_at().has_value());
}

BOOST_AUTO_TEST_CASE(a_chain_of_ever_nearer_inventions_ends) {
  const auto target = contact_number(7'000).id;
  lookup_options options;
  options.queries_max = 50;
  lookup machine{own, target, lookup_mode::nodes, {contact_number(1)}, options};
  uint64_t invented = 10'000;
  for (auto asked = machine.next(0ms); !asked.empty(); asked = machine.next(0ms)) {
    for (const auto& who : asked) {
      std::vector<contact> named;
      // Nearer than everything before: a liar may grind its keys.
      for (int i = 0; i < 1'000; ++i) {
        auto nearer = contact_number(invented++);
        nearer.id = distance(target, node_id{});
        nearer.id.bytes[19] ^= static_cast<uint8_t>(invented);
        nearer.id.bytes[18] ^= static_cast<uint8_t>(invented >> 8);
        named.push_back(nearer);
      }
      machine.answered(who.id, who, named);
    }
  }
  BOOST_TEST(machine.done());
  BOOST_TEST(machine.queries() <= 50U);
}

BOOST_AUTO_TEST_CASE(an_address_is_asked_once_whatever_names_it_is_given) {
  lookup machine{own, contact_number(7'000).id, lookup_mode::nodes, {contact_number(1)}};
  size_t asked_there = 0;
  for (auto asked = machine.next(0ms); !asked.empty(); asked = machine.next(0ms)) {
    for (const auto& who : asked) {
      if (who.address == "liar") ++asked_there;
      std::vector<contact> named;
      for (uint64_t n = 0; n < 20; ++n) {
        named.push_back(contact_number(20'000 + n));
        named.back().address = "liar";
      }
      machine.answered(who.id, who, named);
    }
  }
  BOOST_TEST(asked_there == 1U);
}

BOOST_AUTO_TEST_CASE(who_answers_counts_and_not_who_was_expected) {
  town t{50};
  const auto target = contact_number(7'000).id;
  auto wrong = contact_number(30'000);
  const auto real = t.all[3];
  wrong.address = real.address;
  lookup machine{own, target, lookup_mode::nodes, {wrong}};
  BOOST_TEST(machine.next(0ms).size() == 1U);
  machine.answered(wrong.id, real, {});
  BOOST_TEST(machine.done());
  BOOST_TEST_REQUIRE(machine.closest().size() == 1U);
  BOOST_TEST((machine.closest()[0].id == real.id));
}

BOOST_AUTO_TEST_CASE(answers_nobody_waits_for_change_nothing) {
  town t{10};
  lookup machine{own, contact_number(7'000).id, lookup_mode::nodes, {t.all[0]}};
  machine.answered(t.all[0].id, t.all[0], t.all);
  machine.answered(t.all[5].id, t.all[5], t.all);
  machine.failed(t.all[0].id);
  BOOST_TEST(machine.closest().empty());
  BOOST_TEST(machine.next(0ms).size() == 1U);
  machine.answered(t.all[0].id, t.all[0], {});
  machine.answered(t.all[0].id, t.all[0], t.all);
  BOOST_TEST(machine.closest().size() == 1U);
  BOOST_TEST(machine.done());
}
