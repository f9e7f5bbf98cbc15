#include "actors/simulation/contact_table.hpp"

#include <boost/test/unit_test.hpp>

using namespace swarm::simulation;
using namespace std::chrono_literals;
using news = contact_table::news;

namespace {

constexpr host_id a{1};

}  // namespace

BOOST_AUTO_TEST_CASE(only_the_newest_message_of_the_newest_life_counts) {
  contact_table t{{}};
  BOOST_TEST((t.hear(a, 1, 5, 2, 1s) == news::reborn));
  BOOST_TEST((t.hear(a, 1, 6, 2, 2s) == news::refresh));
  BOOST_TEST((t.hear(a, 1, 5, 1, 3s) == news::stale));
  BOOST_TEST((t.hear(a, 1, 6, 2, 3s) == news::stale));
  BOOST_TEST((t.hear(a, 1, 9, 3, 3s) == news::changed));
  BOOST_TEST((t.hear(a, 0, 99, 9, 3s) == news::stale));
  BOOST_TEST((t.hear(a, 2, 1, 1, 3s) == news::reborn));
}

BOOST_AUTO_TEST_CASE(silence_loses_a_contact_until_it_speaks_again) {
  contact_table t{{}};
  t.hear(a, 0, 1, 1, 0s);
  BOOST_TEST(t.expire(t.expiry()).empty());
  BOOST_TEST((t.expire(t.expiry() + 1ns) == std::vector<host_id>{a}));
  BOOST_TEST(!t.in_contact(a));
  BOOST_TEST(t.expire(1h).empty());
  BOOST_TEST((t.hear(a, 0, 2, 1, 1h) == news::changed));
  BOOST_TEST(t.in_contact(a));
}

BOOST_AUTO_TEST_CASE(stale_messages_do_not_keep_a_contact) {
  contact_table t{{}};
  t.hear(a, 0, 9, 1, 0s);
  t.hear(a, 0, 8, 1, t.expiry());
  BOOST_TEST(t.expire(t.expiry() + 1ns).size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_closed_life_is_forgotten_but_not_its_successor) {
  contact_table t{{}};
  t.hear(a, 3, 1, 1, 0s);
  BOOST_TEST(!t.close(a, 2));
  BOOST_TEST(t.in_contact(a));
  BOOST_TEST(t.close(a, 3));
  BOOST_TEST(!t.close(a, 3));
  BOOST_TEST(!t.in_contact(a));
}

BOOST_AUTO_TEST_CASE(many_contacts_are_refreshed_less_often) {
  contact_options options;
  contact_table t{options};
  t.hear(a, 0, 1, 1, 0s);
  BOOST_TEST((t.refresh() == options.refresh));
  for (uint32_t h = 1; h <= 500; ++h)
    t.hear(host_id{h}, 1, 1, 1, 0s);
  BOOST_TEST((t.refresh() == 10s));
  BOOST_TEST((t.expiry() == 32s));
}
