#include "actors/peer/rival.hpp"

#include <boost/test/unit_test.hpp>

using namespace swarm;
using namespace std::chrono_literals;
using peer::rival;
using peer::rival_watch;

namespace {

const rival other{"10.0.0.7:7000", "swarm peer", 1'700'000'000'000};

}  // namespace

BOOST_AUTO_TEST_CASE(the_sentence_names_where_who_and_since_when) {
  const auto text = peer::token_in_use_sentence(peer_id{0x1234abcd00000000}, other);
  for (const char* part :
       {"1234abcd", "swarm peer at 10.0.0.7:7000", "2023-11-14 22:13:20 UTC", "keygen --add"})
    BOOST_TEST(text.find(part) != std::string::npos, part << " in: " << text);
  const auto dials = peer::token_in_use_sentence(peer_id{1}, {"", "", 0});
  BOOST_TEST(dials.find("only dials") != std::string::npos, dials);
}

BOOST_AUTO_TEST_CASE(it_is_certain_when_it_was_told_for_long_enough) {
  rival_watch watch{4s};
  BOOST_TEST(!watch.told(other, 100s));
  BOOST_TEST(!watch.told(other, 103s));
  BOOST_TEST(!watch.is_certain());
  BOOST_TEST(watch.told(other, 104s));
  BOOST_TEST(watch.is_certain());
}

BOOST_AUTO_TEST_CASE(a_dead_life_that_is_not_missed_yet_is_forgiven) {
  // A restart with a clock that was set back: told until the others miss the old life, then let in.
  rival_watch watch{4s};
  BOOST_TEST(!watch.told(other, 0s));
  BOOST_TEST(!watch.told(other, 1s));
  // Hours later the same again.
  BOOST_TEST(!watch.told(other, 2h));
  BOOST_TEST(!watch.told(other, 2h + 1s));
  BOOST_TEST(watch.told(other, 2h + 5s));
}
