#include "tools/swarm/addresses.hpp"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

using namespace swarm;

BOOST_AUTO_TEST_CASE(addresses_are_split_at_commas_and_trimmed) {
  const std::vector<std::string> expected{"a:1", "[::1]:2"};
  BOOST_TEST(tools::split_addresses(" a:1, [::1]:2 ,,") == expected,
             boost::test_tools::per_element());
  BOOST_TEST(tools::split_addresses("").empty());
}

BOOST_AUTO_TEST_CASE(what_is_no_address_is_named_with_its_flag) {
  for (const char* good : {"", "host:1", "10.0.0.7:65535", "[::1]:7000", "a:1,b:2"})
    BOOST_TEST(!tools::check_addresses("--join", good), good);
  for (const char* bad : {"host", "host:", ":1", "host:70000", "host:x", "::1:7000", "a:1,b"}) {
    const auto why = tools::check_addresses("--join", bad);
    BOOST_REQUIRE_MESSAGE(why, bad);
    BOOST_TEST(why->find("--join") != std::string::npos);
  }
}
