#include "actors/dht/record_store.hpp"

#include <boost/test/unit_test.hpp>
#include <map>

#include "tests/actors/dht/keys.hpp"

using namespace swarm;
using namespace swarm::dht;
using namespace std::chrono_literals;
using dht::testing::key_number;
using dht::testing::make_record;

namespace {

constexpr int64_t noon = 1'700'000'000'000;
constexpr int64_t hour = 3'600'000;

record_store::time_of_day at(moment now) {
  return {noon + now.count(), now};
}

struct shelf {
  store_verdict put(const signed_record& r, source_id source = 1, origin from = origin::published,
                    moment now = 0ms) {
    return store.store(r, source, from, at(now));
  }
  std::vector<record_ptr> get(const std::string& name, moment now = 0ms) {
    return store.find(key_of(name), at(now)).records;
  }
  record_store store;
};

}  // namespace

BOOST_AUTO_TEST_CASE(one_record_per_owner_and_subkey_under_a_key) {
  shelf s;
  BOOST_TEST(
      (s.put(make_record(key_number(1), "k", "a", 1, noon + hour)) == store_verdict::stored));
  BOOST_TEST(
      (s.put(make_record(key_number(2), "k", "b", 1, noon + hour)) == store_verdict::stored));
  BOOST_TEST((s.put(make_record(key_number(1), "k", "c", 1, noon + hour, "more")) ==
              store_verdict::stored));
  BOOST_TEST(s.get("k").size() == 3U);
  BOOST_TEST(
      (s.put(make_record(key_number(1), "k", "d", 2, noon + hour)) == store_verdict::stored));
  BOOST_TEST(s.get("k").size() == 3U);
  BOOST_TEST(s.store.records() == 3U);
  BOOST_TEST(s.get("other").empty());
}

BOOST_AUTO_TEST_CASE(the_newest_sequence_wins_in_any_order) {
  shelf s;
  const auto owner = key_number(1);
  const auto old = make_record(owner, "k", "old", 1, noon + hour);
  const auto young = make_record(owner, "k", "new", 2, noon + hour);
  BOOST_TEST((s.put(young) == store_verdict::stored));
  BOOST_TEST((s.put(old) == store_verdict::older));
  BOOST_TEST((s.put(young) == store_verdict::refreshed));
  BOOST_TEST(s.get("k")[0]->value == "new");
}

BOOST_AUTO_TEST_CASE(what_is_not_right_is_refused_and_changes_nothing) {
  shelf s;
  const auto owner = key_number(1);
  const auto good = make_record(owner, "k", "good", 5, noon + hour);
  s.put(good);
  auto forged = make_record(owner, "k", "evil", 6, noon + hour);
  forged.signature[0] ^= 1;
  BOOST_TEST((s.put(forged) == store_verdict::forged));
  // Somebody else's subkey, signed with the own key.
  auto foreign = make_record(key_number(2), "k", "evil", 9, noon + hour);
  foreign.subkey = good.subkey;
  sign(foreign, key_number(2));
  BOOST_TEST((s.put(foreign) == store_verdict::not_owners));
  // Somebody else's name on it.
  foreign.owner = owner.open_half();
  BOOST_TEST((s.put(foreign) == store_verdict::forged));
  // Moved to another key.
  auto moved = good;
  moved.key = key_of("elsewhere");
  BOOST_TEST((s.put(moved) == store_verdict::forged));
  BOOST_TEST((s.put(make_record(owner, "k", "late", 7, noon)) == store_verdict::expired));
  BOOST_TEST((s.put(make_record(owner, "k", "late", 7, INT64_MIN)) == store_verdict::expired));
  BOOST_TEST(
      (s.put(make_record(owner, "k", "far", 7, noon + 48 * hour + 1)) == store_verdict::too_far));
  BOOST_TEST((s.put(make_record(owner, "k", "far", 7, INT64_MAX)) == store_verdict::too_far));
  auto large = good;
  large.value.assign(value_bytes_max + 1, 'x');
  BOOST_TEST((s.put(large) == store_verdict::too_large));
  large = good;
  large.subkey.assign(1'000, 'x');
  BOOST_TEST((s.put(large) == store_verdict::too_large));
  BOOST_TEST(s.store.records() == 1U);
  BOOST_TEST(s.store.keys() == 1U);
  BOOST_TEST(s.get("k")[0]->value == "good");
}

BOOST_AUTO_TEST_CASE(an_expired_record_is_neither_found_nor_kept) {
  shelf s;
  s.put(make_record(key_number(1), "k", "v", 1, noon + 1'000));
  BOOST_TEST(s.get("k", 999ms).size() == 1U);
  BOOST_TEST(s.get("k", 1'000ms).empty());
  BOOST_TEST(s.store.records() == 1U);
  s.store.expire(at(1'000ms));
  BOOST_TEST(s.store.records() == 0U);
  BOOST_TEST(s.store.bytes() == 0U);
  BOOST_TEST(s.store.keys() == 0U);
}

BOOST_AUTO_TEST_CASE(each_limit_refuses_with_its_own_verdict) {
  store_limits limits;
  limits.records_per_key_max = 2;
  limits.records_per_owner_max = 3;
  record_store store{limits};
  const auto put = [&](uint64_t owner, const std::string& name, source_id source) {
    return store.store(make_record(key_number(owner), name, "v", 1, noon + hour), source,
                       origin::published, at(0ms));
  };
  BOOST_TEST((put(1, "a", 1) == store_verdict::stored));
  BOOST_TEST((put(2, "a", 1) == store_verdict::stored));
  BOOST_TEST((put(3, "a", 1) == store_verdict::key_full));
  BOOST_TEST((put(1, "b", 1) == store_verdict::stored));
  BOOST_TEST((put(1, "c", 1) == store_verdict::stored));
  BOOST_TEST((put(1, "d", 1) == store_verdict::owner_full));
  limits = {};
  const auto size = bytes_of(make_record(key_number(1), "a", "v", 1, noon));
  limits.bytes_per_source_max = 2 * size;
  limits.bytes_max = 3 * size;
  store = record_store{limits};
  BOOST_TEST((put(1, "a", 1) == store_verdict::stored));
  BOOST_TEST((put(1, "b", 1) == store_verdict::stored));
  BOOST_TEST((put(1, "c", 1) == store_verdict::source_full));
  BOOST_TEST((put(1, "c", 2) == store_verdict::stored));
  BOOST_TEST((put(1, "d", 2) == store_verdict::store_full));
  limits = {};
  limits.bytes_per_key_max = 2 * size;
  store = record_store{limits};
  BOOST_TEST((put(1, "a", 1) == store_verdict::stored));
  BOOST_TEST((put(2, "a", 1) == store_verdict::stored));
  BOOST_TEST((put(3, "a", 1) == store_verdict::key_full));
  // A newer one of the same size still replaces the older.
  BOOST_TEST((store.store(make_record(key_number(2), "a", "w", 2, noon + hour), 1,
                          origin::published, at(0ms)) == store_verdict::stored));
}

BOOST_AUTO_TEST_CASE(a_copy_goes_after_its_time_and_before_what_is_published) {
  store_limits limits;
  const auto size = bytes_of(make_record(key_number(1), "a", "v", 1, noon));
  limits.bytes_max = 2 * size;
  record_store store{limits};
  const auto put = [&](uint64_t owner, const std::string& name, origin from) {
    return store.store(make_record(key_number(owner), name, "v", 1, noon + hour), 1, from, at(0ms));
  };
  BOOST_TEST((put(1, "a", origin::cached) == store_verdict::stored));
  BOOST_TEST((put(1, "b", origin::published) == store_verdict::stored));
  BOOST_TEST(!store.find(key_of("a"), at(0ms)).published);
  BOOST_TEST(store.find(key_of("b"), at(0ms)).published);
  BOOST_TEST((put(1, "c", origin::cached) == store_verdict::store_full));
  BOOST_TEST((put(1, "c", origin::published) == store_verdict::stored));
  BOOST_TEST(!store.has(key_of("a")));
  BOOST_TEST((put(1, "d", origin::published) == store_verdict::store_full));
  store = record_store{};
  put(1, "a", origin::cached);
  BOOST_TEST(store.find(key_of("a"), at(29s)).records.size() == 1U);
  BOOST_TEST(store.find(key_of("a"), at(30s)).records.empty());
  store.expire(at(30s));
  BOOST_TEST(store.records() == 0U);
}

BOOST_AUTO_TEST_CASE(what_was_published_here_stays_published) {
  shelf s;
  const auto owner = key_number(1);
  const auto r = make_record(owner, "k", "v", 1, noon + hour);
  s.put(r, 1, origin::cached);
  BOOST_TEST((s.put(r, 1, origin::published) == store_verdict::refreshed));
  BOOST_TEST(s.store.find(r.key, at(0ms)).published);
  s.put(r, 1, origin::cached);
  BOOST_TEST(s.store.find(r.key, at(1h - 1s)).published);
  s.put(make_record(owner, "k", "w", 2, noon + hour), 1, origin::cached);
  BOOST_TEST(s.store.find(r.key, at(1h - 1s)).published);
}

BOOST_AUTO_TEST_CASE(a_key_is_due_when_nobody_stored_it_for_the_age) {
  shelf s;
  s.put(make_record(key_number(1), "a", "v", 1, noon + hour), 1, origin::published, 0ms);
  s.put(make_record(key_number(1), "b", "v", 1, noon + hour), 1, origin::published, 5s);
  s.put(make_record(key_number(1), "c", "v", 1, noon + hour), 1, origin::cached, 0ms);
  BOOST_TEST(s.store.due(10s, 9s, 9).empty());
  BOOST_TEST((s.store.due(10s, 15s, 1) == std::vector<node_id>{key_of("a")}));
  BOOST_TEST((s.store.due(10s, 15s, 9) == std::vector<node_id>{key_of("b")}));
  BOOST_TEST(s.store.due(10s, 15s, 9).empty());
  // Somebody else replicates it: not due for another ten seconds.
  s.put(make_record(key_number(1), "a", "v", 1, noon + hour), 2, origin::published, 24s);
  BOOST_TEST((s.store.due(10s, 25s, 9) == std::vector<node_id>{key_of("b")}));
  BOOST_TEST(s.store.published_keys().size() == 2U);
}

BOOST_AUTO_TEST_CASE(any_history_agrees_with_a_simple_model_and_counts_to_zero) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    splitmix64 random{seed};
    shelf s;
    std::map<std::pair<std::string, std::string>, signed_record> model;
    for (int i = 0; i < 400; ++i) {
      const moment now{i * 10};
      const auto name = "k" + std::to_string(random.below(5));
      const auto r = make_record(key_number(random.below(4)), name, std::to_string(i),
                                 1 + random.below(20), noon + 1 + int64_t(random.below(4'000)));
      const auto verdict = s.put(r, random.below(3), origin::published, now);
      auto& held = model[{name, r.subkey}];
      const bool newer = r.expires_unix_ms > noon + now.count() && supersedes(r, held);
      if (newer) held = r;
      BOOST_TEST((verdict == store_verdict::stored) == newer);
      for (int n = 0; n < 5; ++n) {
        size_t living = 0;
        for (const auto& [where, m] : model)
          if (where.first == "k" + std::to_string(n) && m.expires_unix_ms > noon + now.count())
            ++living;
        BOOST_TEST(s.get("k" + std::to_string(n), now).size() == living);
      }
    }
    s.store.expire(at(1h));
    BOOST_TEST(s.store.bytes() == 0U);
    BOOST_TEST(s.store.records() == 0U);
    BOOST_TEST(s.store.keys() == 0U);
  }
}

BOOST_AUTO_TEST_CASE(every_verdict_has_a_sentence) {
  for (size_t i = 0; i < store_verdicts; ++i)
    BOOST_TEST(std::string{to_sentence(static_cast<store_verdict>(i))} != "Unknown verdict.");
}
