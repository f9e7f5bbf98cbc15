#include "actors/peer/neighbourhood.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "actors/random.hpp"

using namespace swarm;
using namespace std::chrono_literals;
using peer::neighbourhood;
using transport::link_id;

namespace {

using moment = neighbourhood::moment;

neighbourhood make(uint64_t self, std::vector<std::string> seeds = {}) {
  peer::neighbourhood_options options;
  options.self = peer_id{self};
  options.seeds = std::move(seeds);
  options.announce = "me:" + std::to_string(self);
  options.seed = self;
  return neighbourhood{options};
}

neighbourhood::introduction peer_of(uint64_t id, bool dialled, uint64_t life = 1) {
  return {peer_id{id}, life, "me:" + std::to_string(id), dialled, false};
}

}  // namespace

BOOST_AUTO_TEST_CASE(seeds_are_dialled_at_once_and_again_with_back_off) {
  auto n = make(1, {"a:1"});
  uint64_t next = 1;
  moment now{0};
  std::vector<moment> dials;
  while (dials.size() < 8) {
    for (const auto& order : n.due(now)) {
      BOOST_TEST(order.address == "a:1");
      dials.push_back(now);
      n.dialling(order, link_id{next});
      BOOST_TEST(n.due(now).empty());
      n.down(link_id{next++}, now);
    }
    now += 10ms;
    BOOST_REQUIRE(now < 1h);
  }
  BOOST_TEST(dials[0].count() == 0);
  BOOST_TEST((dials[1] - dials[0]).count() < moment{300ms}.count());
  BOOST_TEST((dials[7] - dials[6]).count() > moment{5s}.count());
}

BOOST_AUTO_TEST_CASE(a_seed_that_was_reached_is_not_dialled_again) {
  auto n = make(1, {"a:1"});
  const auto order = n.due(0s).at(0);
  n.dialling(order, link_id{1});
  BOOST_TEST(n.up(link_id{1}, peer_of(5, true), 0s).current);
  BOOST_TEST(n.due(1h).empty());
  BOOST_CHECK(n.find("a:1") == link_id{1});
  BOOST_CHECK(n.find("me:5") == link_id{1});
}

BOOST_AUTO_TEST_CASE(its_own_address_and_itself_are_never_dialled) {
  auto n = make(1, {"me:1"});
  n.learn(peer_id{1}, "elsewhere:9", 0s);
  n.learn(peer_id{2}, "me:1", 0s);
  BOOST_TEST(n.due(1h).empty());
}

BOOST_AUTO_TEST_CASE(whom_others_know_is_dialled_the_smaller_id_first) {
  auto small = make(1);
  auto large = make(2);
  small.learn(peer_id{2}, "me:2", 0s);
  large.learn(peer_id{1}, "me:1", 0s);
  BOOST_TEST(small.due(0s).size() == 1U);
  BOOST_TEST(large.due(0s).empty());
  BOOST_TEST(large.due(301ms).size() == 1U);
}

BOOST_AUTO_TEST_CASE(one_that_only_dials_is_not_dialled) {
  auto n = make(1);
  n.learn(peer_id{6}, "", 0s);
  BOOST_TEST(n.due(1h).empty());
}

BOOST_AUTO_TEST_CASE(a_later_life_replaces_an_earlier_one_and_never_the_other_way) {
  auto n = make(1);
  BOOST_TEST(n.up(link_id{1}, peer_of(5, false, 10), 0s).current);
  const auto later = n.up(link_id{2}, peer_of(5, false, 11), 0s);
  BOOST_TEST(later.current);
  BOOST_REQUIRE(later.over.has_value());
  BOOST_CHECK(later.over->link == link_id{1});
  BOOST_TEST(later.over->superseded);
  const auto earlier = n.up(link_id{3}, peer_of(5, true, 10), 0s);
  BOOST_TEST(!earlier.current);
  BOOST_REQUIRE(earlier.over.has_value());
  BOOST_CHECK(earlier.over->link == link_id{3});
  BOOST_TEST(earlier.over->superseded);
  // The end of a link that does not count is no news.
  BOOST_TEST(!n.down(link_id{1}, 1s));
  BOOST_CHECK(n.down(link_id{2}, 1s) == peer_id{5});
}

BOOST_AUTO_TEST_CASE(of_two_lives_of_one_number_the_one_that_started_later_counts) {
  auto n = make(1);
  const auto started = [](int64_t when) {
    auto who = peer_of(5, false, 10);
    who.started_unix_ms = when;
    return who;
  };
  BOOST_TEST(n.up(link_id{1}, started(100), 0s).current);
  const auto later = n.up(link_id{2}, started(101), 0s);
  BOOST_TEST(later.current);
  BOOST_TEST(later.over->superseded);
  // Whoever dialled: the earlier one never gets it back.
  auto again = started(100);
  again.dialled = true;
  BOOST_TEST(!n.up(link_id{3}, again, 0s).current);
}

BOOST_AUTO_TEST_CASE(links_that_end_as_soon_as_they_begin_are_dialled_slower_and_slower) {
  auto n = make(1, {"a:1", "b:2"});
  const auto to = [&](const std::string& address, moment now) {
    const auto orders = n.due(now);
    return std::count_if(orders.begin(), orders.end(),
                         [&](const auto& o) { return o.address == address; });
  };
  moment now{0};
  uint64_t next = 1;
  size_t dials = 0;
  for (; now < 60s; now += 10ms) {
    for (const auto& order : n.due(now)) {
      const link_id link{next++};
      n.dialling(order, link);
      if (order.address == "b:2") {
        n.down(link, now);
        continue;
      }
      ++dials;
      BOOST_TEST(n.up(link, {peer_id{5}, 1, "a:1", true, false, 0}, now).current);
      n.down(link, now + 5ms);
    }
  }
  BOOST_TEST(dials > 4U);
  BOOST_TEST(dials < 25U);
  // One that lasted is dialled at once when it is lost.
  for (bool lasted = false; !lasted; now += 10ms) {
    for (const auto& order : n.due(now)) {
      const link_id link{next++};
      n.dialling(order, link);
      if (order.address == "a:1") {
        n.up(link, {peer_id{5}, 1, "a:1", true, false, 0}, now);
        n.down(link, now + 10s);
        lasted = true;
        now += 10s;
      } else {
        n.down(link, now);
      }
    }
    BOOST_REQUIRE(now < 1h);
  }
  BOOST_TEST(to("a:1", now + 300ms) > 0);
}

BOOST_AUTO_TEST_CASE(two_peers_that_dial_each_other_keep_the_same_link) {
  // In whatever order each of them sees the two links.
  for (const bool a_first_at_a : {true, false}) {
    for (const bool a_first_at_b : {true, false}) {
      auto a = make(1);
      auto b = make(2);
      const auto both = [](neighbourhood& n, bool first_dialled, uint64_t other, bool self_is_a) {
        // Link 1 was dialled by a, link 2 by b.
        std::set<uint64_t> open{1, 2};
        const uint64_t order[2] = {first_dialled ? 1U : 2U, first_dialled ? 2U : 1U};
        for (const auto link : order) {
          const bool dialled = (link == 1) == self_is_a;
          const auto over = n.up(link_id{link}, peer_of(other, dialled), 0s).over;
          if (!over) continue;
          open.erase(over->link.value());
          BOOST_TEST(!over->superseded);
        }
        return open;
      };
      const auto kept_by_a = both(a, a_first_at_a, 2, true);
      const auto kept_by_b = both(b, a_first_at_b, 1, false);
      BOOST_TEST(kept_by_a == kept_by_b, boost::test_tools::per_element());
      BOOST_TEST(kept_by_a.count(1) == 1U);
      BOOST_TEST(kept_by_a.size() == 1U);
    }
  }
}

BOOST_AUTO_TEST_CASE(who_lost_everybody_dials_seeds_and_the_last_known_again) {
  auto n = make(1, {"a:1"});
  n.dialling(n.due(0s).at(0), link_id{1});
  n.up(link_id{1}, peer_of(5, true), 0s);
  n.up(link_id{2}, peer_of(6, false), 0s);
  n.down(link_id{1}, 1s);
  n.down(link_id{2}, 1s);
  std::set<std::string> dialled;
  for (const auto& order : n.due(2s))
    dialled.insert(order.address);
  const std::set<std::string> expected{"me:5", "me:6"};
  for (const auto& address : expected)
    BOOST_TEST(dialled.count(address) == 1U);
}

BOOST_AUTO_TEST_CASE(who_is_gone_for_long_is_forgotten) {
  auto n = make(1);
  n.up(link_id{2}, peer_of(6, false), 0s);
  n.down(link_id{2}, 0s);
  BOOST_TEST(n.addresses().size() == 1U);
  BOOST_TEST(n.due(601s).empty());
  BOOST_TEST(n.addresses().empty());
}

BOOST_AUTO_TEST_CASE(an_observer_is_no_neighbour_and_never_dialled) {
  auto n = make(1);
  auto observer = peer_of(6, false);
  observer.observer = true;
  BOOST_TEST(n.up(link_id{2}, observer, 0s).current);
  BOOST_TEST(n.neighbours().empty());
  n.down(link_id{2}, 0s);
  BOOST_TEST(n.due(1s).empty());
}

BOOST_AUTO_TEST_CASE(an_observer_keeps_the_link_it_has) {
  peer::neighbourhood_options options;
  options.self = peer_id{9};
  options.observer = true;
  neighbourhood n{options};
  BOOST_TEST(n.up(link_id{1}, peer_of(5, true), 0s).current);
  const auto probe = n.up(link_id{2}, peer_of(5, false), 0s);
  BOOST_TEST(!probe.current);
  BOOST_REQUIRE(probe.over.has_value());
  BOOST_CHECK(probe.over->link == link_id{2});
}

BOOST_AUTO_TEST_CASE(any_number_of_strangers_is_bounded) {
  auto n = make(1);
  for (uint64_t i = 2; i < 5'000; ++i)
    n.learn(peer_id{i}, "h:" + std::to_string(i), 0s);
  BOOST_TEST(n.due(1s).size() == peer::neighbours_max);
}

namespace {

/// Neighbourhoods over a table of links.
class mesh {
 public:
  mesh(uint64_t seed) : random_(seed), count_(2 + random_.below(7)) {
    for (uint64_t id = 1; id <= count_; ++id)
      start(id, 1);
  }

  uint64_t count() const { return count_; }

  void tick() {
    for (uint64_t id = 1; id <= count_; ++id) {
      for (const auto& order : all_.at(id).n.due(now_))
        dial(id, order);
      const auto known = all_.at(id).n.neighbours();
      for (const auto& listener : known)
        for (const auto& other : known)
          all_.at(listener.peer.value()).n.learn(other.peer, other.announce, now_);
    }
    now_ += 100ms;
  }

  /// Cuts all links of one; it may come back as somebody who knows nothing.
  void hurt() {
    const auto id = 1 + random_.below(count_);
    const auto life = all_.at(id).life;
    const auto its = all_.at(id).links;
    for (const auto link : its)
      close(link);
    if (random_.below(2) == 0) start(id, life + 1);
  }

  bool luck(size_t one_in) { return random_.below(one_in) == 0; }

  void check(uint64_t seed) {
    for (auto& [id, who] : all_) {
      BOOST_TEST(who.n.neighbours().size() == count_ - 1, "seed " << seed << " peer " << id);
      BOOST_TEST(who.links.size() == count_ - 1, "seed " << seed << " peer " << id);
    }
  }

 private:
  struct process {
    neighbourhood n;
    uint64_t life = 1;
    std::set<uint64_t> links;
  };

  void start(uint64_t id, uint64_t life) {
    all_.insert_or_assign(id, process{make(id, {"me:1", "me:2"}), life, {}});
  }

  void dial(uint64_t from, const neighbourhood::order& order) {
    const auto link = next_++;
    all_.at(from).n.dialling(order, link_id{link});
    const uint64_t to = std::stoull(order.address.substr(3));
    links_[link] = {from, to};
    std::set<uint64_t> over;
    for (const bool at_dialler : {true, false}) {
      auto& here = all_.at(at_dialler ? from : to);
      const auto there = at_dialler ? to : from;
      here.links.insert(link);
      const auto who = peer_of(there, at_dialler, all_.at(there).life);
      const auto surplus = here.n.up(link_id{link}, who, now_).over;
      if (surplus) over.insert(surplus->link.value());
    }
    for (const auto o : over)
      close(o);
  }

  void close(uint64_t link) {
    const auto found = links_.find(link);
    if (found == links_.end()) return;
    const auto [x, y] = found->second;
    links_.erase(found);
    for (const auto id : {x, y})
      if (all_.at(id).links.erase(link) != 0) all_.at(id).n.down(link_id{link}, now_);
  }

  splitmix64 random_;
  uint64_t count_;
  std::map<uint64_t, process> all_;
  std::map<uint64_t, std::pair<uint64_t, uint64_t>> links_;  ///< dialler, dialled
  uint64_t next_ = 1;
  moment now_{0};
};

}  // namespace

BOOST_AUTO_TEST_CASE(after_any_history_everybody_alive_has_one_link_to_everybody) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    mesh all{seed};
    for (int i = 0; i < 300; ++i) {
      all.tick();
      if (all.luck(5)) all.hurt();
    }
    for (int i = 0; i < 700; ++i)
      all.tick();
    all.check(seed);
  }
}
