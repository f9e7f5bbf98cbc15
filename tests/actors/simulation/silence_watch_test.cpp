#include "actors/simulation/silence_watch.hpp"

#include <boost/test/unit_test.hpp>

namespace {

using namespace swarm::simulation;
using namespace std::chrono_literals;

constexpr host_id a{1};
constexpr host_id b{2};
constexpr host_id c{3};
using link = silence_watch::link;
using links = std::vector<link>;

struct table {
  table() {
    for (const auto each : {a, b, c})
      watch.start(each, through());
  }

  silence_watch::path_test through() const {
    return [this](host_id from, host_id to) { return cut.count({from, to}) == 0; };
  }

  void set(std::set<link> cut_now, moment now) {
    cut = std::move(cut_now);
    watch.paths_changed(through(), now);
  }

  std::set<link> cut;
  silence_watch watch{1s, 500ms};
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_frozen_host_is_missed_by_all_after_the_silence_and_found_again) {
  table t;
  BOOST_TEST(!t.watch.waits());
  t.watch.freeze(b, 10s);
  BOOST_TEST(t.watch.waits());
  BOOST_TEST(t.watch.look(10'999ms).broken.empty());
  BOOST_TEST((t.watch.look(11s).broken == links{{a, b}, {b, c}}));
  // Once.
  BOOST_TEST(t.watch.look(20s).broken.empty());
  t.watch.thaw(b, 30s);
  BOOST_TEST(t.watch.look(30'499ms).repaired.empty());
  BOOST_TEST((t.watch.look(30'500ms).repaired == links{{a, b}, {b, c}}));
  BOOST_TEST(!t.watch.waits());
}

BOOST_AUTO_TEST_CASE(a_path_cut_in_one_direction_breaks_this_link_alone) {
  table t;
  t.set({{c, a}}, 1s);
  BOOST_TEST((t.watch.look(2s).broken == links{{a, c}}));
  t.set({}, 5s);
  const auto after = t.watch.look(6s);
  BOOST_TEST(after.broken.empty());
  BOOST_TEST((after.repaired == links{{a, c}}));
}

BOOST_AUTO_TEST_CASE(a_short_silence_breaks_nothing_but_is_made_up_for) {
  table t;
  t.set({{a, b}}, 1s);
  t.set({}, 1'900ms);
  const auto after = t.watch.look(3s);
  BOOST_TEST(after.broken.empty());
  BOOST_TEST((after.repaired == links{{a, b}}));
}

BOOST_AUTO_TEST_CASE(a_silence_goes_on_when_its_cause_changes) {
  table t;
  t.watch.freeze(b, 1s);
  t.set({{a, b}}, 1'500ms);
  t.watch.thaw(b, 1'700ms);
  BOOST_TEST((t.watch.look(2s).broken == links{{a, b}}));
  t.watch.freeze(a, 4s);
  t.set({}, 5s);
  const auto later = t.watch.look(9s);
  BOOST_TEST((later.broken == links{{a, c}}));
  // One end of the other is still frozen.
  BOOST_TEST((later.repaired == links{{b, c}}));
}

BOOST_AUTO_TEST_CASE(a_host_that_begins_behind_a_cut_is_met_when_it_heals) {
  table t;
  t.watch.end(c);
  t.set({{a, c}, {c, a}}, 1s);
  BOOST_TEST(!t.watch.waits());
  t.watch.start(c, t.through());
  BOOST_TEST(t.watch.look(10s).broken.empty());
  t.set({}, 20s);
  BOOST_TEST((t.watch.look(21s).repaired == links{{a, c}}));
}

BOOST_AUTO_TEST_CASE(a_link_that_broke_by_itself_is_made_again) {
  table t;
  t.watch.break_link(b, a, 1s);
  BOOST_TEST(t.watch.look(1'400ms).repaired.empty());
  const auto after = t.watch.look(1'500ms);
  BOOST_TEST(after.broken.empty());
  BOOST_TEST((after.repaired == links{{a, b}}));
}

BOOST_AUTO_TEST_CASE(a_host_that_ends_takes_its_links_along) {
  table t;
  t.watch.freeze(b, 1s);
  t.watch.end(b);
  BOOST_TEST(!t.watch.waits());
  t.watch.start(b, t.through());
  BOOST_TEST(t.watch.look(10s).broken.empty());
}
