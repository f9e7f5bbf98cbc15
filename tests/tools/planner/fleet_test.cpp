#include "tools/planner/fleet.hpp"

#include <boost/test/unit_test.hpp>

namespace {

using namespace swarm::planner;

const std::string heading = "kind,count,gflops,memory_gib\n";

std::string complaint(const std::string& text) {
  const auto read = parse_fleet(text);
  const auto* why = std::get_if<std::string>(&read);
  return why == nullptr ? "" : *why;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_CASE(columns_come_in_any_order_with_their_units) {
  const auto read = parse_fleet(
      "# a comment\n"
      "count, memory_gib, gflops, kind, up_mbit, latency_ms, price_per_hour\n"
      "\n"
      "32, 15, 9400, t4, 200, 20, 0.11  # another\n"
      "2,39,80000,a100,,,\n");
  const auto* peers = std::get_if<fleet>(&read);
  BOOST_REQUIRE(peers != nullptr);
  BOOST_REQUIRE_EQUAL(peers->size(), 2U);
  BOOST_TEST(peers_of(*peers) == 34);
  const auto& t4 = peers->front();
  BOOST_TEST(t4.name == "t4");
  BOOST_TEST(t4.flop_per_s == 9.4e12);
  BOOST_TEST(t4.memory_bytes == 15.0 * 1024 * 1024 * 1024);
  BOOST_TEST(t4.up_bits_per_s == 200e6);
  BOOST_TEST(t4.down_bits_per_s == 0);
  BOOST_TEST(t4.latency_s == 0.02, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(t4.availability == 1);
  BOOST_TEST(peers->back().price_per_hour == 0);
}

BOOST_AUTO_TEST_CASE(a_wrong_file_is_refused_with_line_and_column) {
  BOOST_TEST(contains(complaint(heading + "a,1,10,1\nb,1,fast,1\n"), "line 3: 'fast'"));
  BOOST_TEST(contains(complaint(heading + "a,1,10\n"), "3 cells under 4 columns"));
  BOOST_TEST(contains(complaint(heading + "a,1.5,10,1\n"), "no whole number"));
  BOOST_TEST(contains(complaint(heading + "a,-1,10,1\n"), "no whole number"));
  BOOST_TEST(contains(complaint(heading + "a,1,,1\n"), "'gflops'"));
  BOOST_TEST(contains(complaint(heading + "a,1,0,1\n"), "FLOP/s is 0"));
  BOOST_TEST(contains(complaint(heading + "a,1,nan,1\n"), "no number"));
  BOOST_TEST(contains(complaint(heading + "a,1,1,1\na,1,1,1\n"), "second kind 'a'"));
  BOOST_TEST(contains(complaint("kind,count,gflops\n"), "'memory_gib' is missing"));
  BOOST_TEST(contains(complaint("kind,count,gflops,memory_gib,colour\n"), "'colour'"));
  BOOST_TEST(contains(complaint("kind,kind,gflops,memory_gib\n"), "twice"));
  BOOST_TEST(contains(complaint(heading), "no peer"));
  BOOST_TEST(contains(complaint(""), "no peer"));
  BOOST_TEST(contains(complaint(heading + "a,4000,1,1\nb,4000,1,1\n"), "8000 peers"));
}

BOOST_AUTO_TEST_CASE(what_spreadsheets_write_is_read) {
  for (const char* text :
       {"\xef\xbb\xbfkind;count;gflops;memory_gib\r\nt4;010;9400;15\r\n",
        "\"kind\",\"count\",\"gflops\",\"memory_gib\"\n\"t4\",\"10\",\"9400\",\"15\"\n",
        "kind\tcount\tgflops\tmemory_gib\nt4\t10\t9.4e3\t15"}) {
    const auto read = parse_fleet(text);
    const auto* peers = std::get_if<fleet>(&read);
    BOOST_REQUIRE(peers != nullptr);
    BOOST_TEST(peers->front().name == "t4");
    BOOST_TEST(peers->front().count == 10);
    BOOST_TEST(peers->front().flop_per_s == 9.4e12);
  }
  const auto named = parse_fleet(heading + "\"a, \"\"b\"\" # c\",1,1,1 # note\n");
  BOOST_TEST(std::get<fleet>(named).front().name == "a, \"b\" # c");
}

BOOST_AUTO_TEST_CASE(numbers_that_are_not_decimal_are_named) {
  BOOST_TEST(contains(complaint(heading + "a,1,0x10,1\n"), "'0x10'"));
  BOOST_TEST(contains(complaint(heading + "a,0x1,1,1\n"), "decimal"));
  BOOST_TEST(contains(complaint(heading + "a,1,1,inf\n"), "no number"));
  BOOST_TEST(contains(complaint("kind;count;gflops;memory_gib\na;1;1,5;1\n"), "point"));
  BOOST_TEST(contains(complaint(heading + "\"a,1,1,1\n"), "line 2: a quote"));
}

BOOST_AUTO_TEST_CASE(availability_and_hours_complete_each_other) {
  peer_kind kind;
  kind.hours_between_preemptions = 5;
  complete(kind);
  BOOST_TEST(kind.hours_away() == absence_hours_default, boost::test_tools::tolerance(1e-9));
  peer_kind other;
  other.availability = 0.9;
  complete(other);
  BOOST_TEST(other.hours_away() == absence_hours_default, boost::test_tools::tolerance(1e-9));
  peer_kind both;
  both.availability = 0.5;
  both.hours_between_preemptions = 3;
  complete(both);
  BOOST_TEST(both.hours_away() == 3, boost::test_tools::tolerance(1e-9));
  peer_kind faithful;
  complete(faithful);
  BOOST_TEST(faithful.availability == 1);
}
