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

BOOST_AUTO_TEST_CASE(what_another_program_would_read_otherwise_is_refused) {
  using use = tools::address_use;
  for (const char* bad :
       {"0:7106",           "127.1:7106", "0x7f.0.0.1:7106", "010.0.0.7:7106", "1.2.3.4.5:1",
        "256.0.0.1:1",      "nohost",     "nohost:99999",    "*:7106",         "[nohost]:7106",
        "[10.0.0.1]:7106",  "::1:7106",   "[::1]7106",       "[]:7106",        "[::1:7106",
        "http://host:7106", "ho st:7106", "-host:1",         "host:-1",        "host:+1",
        "host:0x10",        "h\nost:1",   "host:7106/x"}) {
    for (const auto what : {use::dial, use::listen}) {
      const auto why = tools::check_addresses("--bind", bad, what);
      BOOST_REQUIRE_MESSAGE(why, bad);
      BOOST_TEST(why->find("--bind") == 0U);
      BOOST_TEST(why->back() == '.');
      BOOST_TEST(why->find('\n') == std::string::npos);
    }
  }
}

BOOST_AUTO_TEST_CASE(every_address_and_any_port_are_for_listening_only) {
  using use = tools::address_use;
  for (const char* text : {"0.0.0.0:7106", "[::]:7106", "[::0]:7106", "[0:0::0]:7106"}) {
    BOOST_TEST(tools::is_everywhere(text), text);
    BOOST_TEST(!tools::check_addresses("--bind", text, use::listen), text);
    BOOST_TEST(tools::check_addresses("--announce", text).has_value(), text);
  }
  for (const char* text : {"host:0", "host:000", "[::1]:0"}) {
    BOOST_TEST(!tools::check_addresses("--bind", text, use::listen), text);
    BOOST_TEST(tools::check_addresses("--join", text).has_value(), text);
  }
  for (const char* text : {"127.0.0.1:1", "[::1]:1", "host:1", ""})
    BOOST_TEST(!tools::is_everywhere(text), text);
  BOOST_TEST(!tools::check_addresses("--bind", "[fe80::1%lo]:7106", use::listen));
}
