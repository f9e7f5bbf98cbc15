#include "actors/transport/address_race.hpp"

#include <boost/test/unit_test.hpp>

using namespace swarm;
using namespace swarm::transport;
using namespace std::chrono_literals;

namespace {

using address = address_race::address;

address at(const std::string& host, uint16_t port = 7000) {
  return {boost::asio::ip::make_address(host), port};
}

constexpr auto dial_time = 5'000ms;

bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_CASE(families_take_turns_and_the_first_choice_is_first) {
  const address_race race{{at("::1"), at("::2"), at("::3"), at("10.0.0.1"), at("10.0.0.2")},
                          dial_time};
  BOOST_REQUIRE(race.size() == 5U);
  BOOST_TEST((race.at(0) == at("::1")));
  BOOST_TEST((race.at(1) == at("10.0.0.1")));
  BOOST_TEST((race.at(2) == at("::2")));
  BOOST_TEST((race.at(3) == at("10.0.0.2")));
  BOOST_TEST((race.at(4) == at("::3")));
}

BOOST_AUTO_TEST_CASE(who_does_not_answer_gives_the_next_a_turn_and_goes_on) {
  address_race race{{at("10.0.0.1"), at("10.0.0.2")}, dial_time};
  BOOST_TEST((race.begin_next(1s) == size_t{0}));
  BOOST_TEST(!race.begin_next(1s));
  BOOST_TEST((*race.next_at() == moment{1'250ms}));
  BOOST_TEST(!race.begin_next(1'249ms));
  BOOST_TEST((race.begin_next(1'250ms) == size_t{1}));
  BOOST_TEST(!race.next_at());
  BOOST_TEST(!race.is_lost());
}

BOOST_AUTO_TEST_CASE(who_fails_gives_the_next_a_turn_at_once) {
  address_race race{{at("10.0.0.1"), at("10.0.0.2")}, dial_time};
  race.begin_next(0s);
  race.failed(0, "Connection refused");
  BOOST_TEST((race.begin_next(1ms) == size_t{1}));
  BOOST_TEST(!race.is_lost());
  race.failed(1, "No route to host");
  BOOST_TEST(race.is_lost());
}

BOOST_AUTO_TEST_CASE(a_short_dial_time_is_shared) {
  std::vector<address> many;
  for (int i = 1; i <= 9; ++i)
    many.push_back(at("10.0.0." + std::to_string(i)));
  address_race race{many, 500ms};
  race.begin_next(0s);
  BOOST_TEST((*race.next_at() == moment{50ms}));
}

BOOST_AUTO_TEST_CASE(the_story_names_every_address) {
  std::vector<address> many;
  for (int i = 1; i <= 20; ++i)
    many.push_back(at("10.0.0." + std::to_string(i)));
  address_race race{many, dial_time};
  race.begin_next(0s);
  race.failed(0, "Connection refused");
  race.begin_next(0s);
  const auto story = race.story();
  BOOST_TEST(says(story, "10.0.0.1:7000: Connection refused"), story);
  BOOST_TEST(says(story, "10.0.0.2:7000: no answer"), story);
  BOOST_TEST(says(story, "10.0.0.3:7000: not tried"), story);
  BOOST_TEST(says(story, "4 more were not tried"), story);
}

BOOST_AUTO_TEST_CASE(one_that_is_named_twice_is_tried_once) {
  const address_race race{{at("127.0.0.1"), at("127.0.0.1"), at("::1")}, dial_time};
  BOOST_TEST(race.size() == 2U);
}
