#include "actors/dht/routing_table.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <set>

#include "tests/actors/dht/keys.hpp"

using namespace swarm;
using namespace swarm::dht;
using namespace std::chrono_literals;
using dht::testing::contact_number;

namespace {

using entry = routing_table::entry;

const node_id own = contact_number(1'000'000).id;

/// The n-th contact that shares exactly so many bits with `own`.
contact in_bucket(size_t shared, size_t n) {
  for (uint64_t i = 0;; ++i) {
    const auto c = contact_number(i);
    if (common_bits(own, c.id) == shared && n-- == 0) return c;
  }
}

/// A table whose bucket 0 is full: heard at 1 ms, 2 ms, ...
struct full_bucket {
  full_bucket() {
    options.bucket_size = 4;
    options.replacements_max = 2;
    table = routing_table{own, options};
    for (size_t n = 0; n < 4; ++n)
      BOOST_TEST((table.heard(in_bucket(0, n), moment(n + 1)).what == entry::added));
    // Somebody nearer, so that bucket 0 is not the last one.
    BOOST_TEST((table.heard(in_bucket(1, 0), 5ms).what == entry::added));
  }
  routing_options options;
  routing_table table{own};
};

}  // namespace

BOOST_AUTO_TEST_CASE(the_closest_are_the_closest_of_all_it_holds) {
  routing_table table{own};
  std::vector<contact> held;
  for (uint64_t n = 0; n < 400; ++n)
    if (table.heard(contact_number(n), 1ms).what == entry::added) held.push_back(contact_number(n));
  BOOST_TEST(table.size() == held.size());
  for (uint64_t n = 1'000; n < 1'050; ++n) {
    const auto target = contact_number(n).id;
    std::sort(held.begin(), held.end(),
              [&](const auto& a, const auto& b) { return closer(a.id, b.id, target); });
    const auto found = table.closest(target, 20);
    BOOST_TEST_REQUIRE(found.size() == 20U);
    for (size_t i = 0; i < 20; ++i)
      BOOST_TEST((found[i].id == held[i].id));
  }
}

BOOST_AUTO_TEST_CASE(only_the_bucket_of_the_own_id_is_split_and_none_is_overfull) {
  routing_table table{own};
  std::vector<size_t> shared(id_bits);
  std::vector<size_t> heard(id_bits);
  for (uint64_t n = 0; n < 2'000; ++n) {
    const auto c = contact_number(n);
    ++heard[common_bits(own, c.id)];
    if (table.heard(c, 1ms).what == entry::added) ++shared[common_bits(own, c.id)];
  }
  BOOST_TEST(table.buckets() > 5U);
  for (size_t bit = 0; bit + 1 < table.buckets(); ++bit)
    BOOST_TEST(shared[bit] == std::min<size_t>(20, heard[bit]));
  // All of the own neighbourhood is known.
  for (uint64_t n = 0; n < 2'000; ++n) {
    const auto c = contact_number(n);
    if (common_bits(own, c.id) >= table.buckets() - 1) BOOST_TEST(table.contains(c.id));
  }
}

BOOST_AUTO_TEST_CASE(the_own_id_and_who_cannot_be_dialled_are_refused) {
  routing_table table{own};
  BOOST_TEST((table.heard(contact_number(1'000'000), 1ms).what == entry::refused));
  auto dials_only = contact_number(1);
  dials_only.address.clear();
  BOOST_TEST((table.heard(dials_only, 1ms).what == entry::refused));
  BOOST_TEST(table.size() == 0U);
}

BOOST_AUTO_TEST_CASE(a_full_bucket_asks_its_least_recently_heard_before_it_replaces_it) {
  full_bucket t;
  const auto late = t.options.fresh_for + 10ms;
  const auto verdict = t.table.heard(in_bucket(0, 4), late);
  BOOST_TEST((verdict.what == entry::waiting));
  BOOST_TEST_REQUIRE(verdict.ask.has_value());
  BOOST_TEST((verdict.ask->id == in_bucket(0, 0).id));
  // Not named twice.
  BOOST_TEST(!t.table.heard(in_bucket(0, 5), late).ask.has_value());
  // It answers and stays.
  BOOST_TEST((t.table.heard(*verdict.ask, late).what == entry::known));
  BOOST_TEST(t.table.contains(in_bucket(0, 0).id));
  BOOST_TEST(!t.table.contains(in_bucket(0, 4).id));
  // The next one in line.
  const auto next = t.table.heard(in_bucket(0, 4), late);
  BOOST_TEST_REQUIRE(next.ask.has_value());
  BOOST_TEST((next.ask->id == in_bucket(0, 1).id));
}

BOOST_AUTO_TEST_CASE(a_fresh_contact_is_not_asked) {
  full_bucket t;
  BOOST_TEST(!t.table.heard(in_bucket(0, 4), 10ms).ask.has_value());
}

BOOST_AUTO_TEST_CASE(a_failing_contact_gives_way_to_the_latest_that_waits) {
  full_bucket t;
  t.table.heard(in_bucket(0, 4), 10ms);
  t.table.heard(in_bucket(0, 5), 11ms);
  BOOST_TEST(!t.table.failed(in_bucket(0, 2).id));
  BOOST_TEST(t.table.contains(in_bucket(0, 2).id));
  BOOST_TEST(t.table.failed(in_bucket(0, 2).id));
  BOOST_TEST(!t.table.contains(in_bucket(0, 2).id));
  BOOST_TEST(t.table.contains(in_bucket(0, 5).id));
  BOOST_TEST(t.table.size() == 5U);
  // Never heard since it waits: the first whose life is in doubt.
  const auto doubt = t.table.silent(1h, 12ms, 1);
  BOOST_TEST_REQUIRE(doubt.size() == 1U);
  BOOST_TEST((doubt[0].id == in_bucket(0, 5).id));
}

BOOST_AUTO_TEST_CASE(an_answer_forgives_earlier_failures) {
  full_bucket t;
  for (int i = 0; i < 5; ++i) {
    BOOST_TEST(!t.table.failed(in_bucket(0, 2).id));
    t.table.heard(in_bucket(0, 2), 10ms);
  }
  BOOST_TEST(t.table.contains(in_bucket(0, 2).id));
}

BOOST_AUTO_TEST_CASE(the_replacement_cache_keeps_the_latest) {
  full_bucket t;
  for (size_t n = 4; n < 8; ++n)
    t.table.heard(in_bucket(0, n), 10ms);
  BOOST_TEST(!t.table.wants(in_bucket(0, 9).id));
  t.table.remove(in_bucket(0, 0).id);
  t.table.remove(in_bucket(0, 1).id);
  t.table.remove(in_bucket(0, 2).id);
  BOOST_TEST(t.table.contains(in_bucket(0, 7).id));
  BOOST_TEST(t.table.contains(in_bucket(0, 6).id));
  BOOST_TEST(!t.table.contains(in_bucket(0, 5).id));
  BOOST_TEST(t.table.wants(in_bucket(0, 5).id));
}

BOOST_AUTO_TEST_CASE(one_address_is_one_contact) {
  routing_table table{own};
  auto before = contact_number(1);
  auto after = contact_number(2);
  before.address = after.address = "host:1";
  table.heard(before, 1ms);
  table.heard(after, 2ms);
  BOOST_TEST(table.size() == 1U);
  BOOST_TEST(table.contains(after.id));
  // And one contact has one address, the latest.
  after.address = "host:2";
  table.heard(after, 3ms);
  BOOST_TEST(table.closest(own, 1)[0].address == "host:2");
  table.heard(before, 4ms);
  BOOST_TEST(table.size() == 2U);
}

BOOST_AUTO_TEST_CASE(silent_contacts_come_longest_first_and_once) {
  full_bucket t;
  auto quiet = t.table.silent(3ms, 6ms, 2);
  BOOST_TEST_REQUIRE(quiet.size() == 2U);
  BOOST_TEST((quiet[0].id == in_bucket(0, 0).id));
  BOOST_TEST((quiet[1].id == in_bucket(0, 1).id));
  quiet = t.table.silent(3ms, 6ms, 9);
  BOOST_TEST(quiet.size() == 1U);
  t.table.heard(in_bucket(0, 0), 7ms);
  BOOST_TEST(t.table.silent(3ms, 10ms, 9).size() == 3U);
}

BOOST_AUTO_TEST_CASE(stale_buckets_name_a_target_in_them) {
  routing_table table{own};
  for (uint64_t n = 0; n < 500; ++n)
    table.heard(contact_number(n), 1ms);
  splitmix64 random{1};
  const auto targets = table.stale(1h, 1ms, random);
  BOOST_TEST(targets.size() == table.buckets());
  for (size_t i = 0; i < targets.size(); ++i) {
    BOOST_TEST(common_bits(own, targets[i]) == i);
    table.looked_up(targets[i], 1ms);
  }
  BOOST_TEST(table.stale(1h, 2ms, random).empty());
  BOOST_TEST(table.stale(1h, 1h + 1ms, random).size() == table.buckets());
}

BOOST_AUTO_TEST_CASE(any_history_leaves_a_consistent_table) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    splitmix64 random{seed};
    routing_options options;
    options.bucket_size = 5;
    routing_table table{own, options};
    for (int i = 0; i < 3'000; ++i) {
      auto who = contact_number(random.below(300));
      who.address = "host" + std::to_string(random.below(200));
      switch (random.below(4)) {
        case 0:
          table.failed(who.id);
          break;
        case 1:
          table.remove(who.id);
          break;
        default:
          table.heard(who, moment(i));
      }
    }
    const auto all = table.closest(own, 1'000);
    BOOST_TEST(all.size() == table.size());
    std::set<node_id> ids;
    std::set<std::string> addresses;
    std::vector<size_t> rows(id_bits);
    for (const auto& c : all) {
      ids.insert(c.id);
      addresses.insert(c.address);
      ++rows[std::min(common_bits(own, c.id), table.buckets() - 1)];
    }
    BOOST_TEST(ids.size() == all.size());
    BOOST_TEST(addresses.size() == all.size());
    BOOST_TEST(*std::max_element(rows.begin(), rows.end()) <= 5U);
  }
}
