#include "tools/traces/csv.hpp"

#include <boost/test/unit_test.hpp>
#include <sstream>

#include "tools/traces/generators.hpp"

using namespace swarm::tools;

namespace {

std::variant<preemption_trace, std::string> read(const std::string& text) {
  std::istringstream in{text};
  return read_trace(in, "t.csv");
}

preemption_trace good(const std::string& text) {
  auto result = read(text);
  const auto* failure = std::get_if<std::string>(&result);
  BOOST_REQUIRE_MESSAGE(failure == nullptr, *failure);
  return std::get<preemption_trace>(result);
}

std::string bad(const std::string& text) {
  auto result = read(text);
  const auto* failure = std::get_if<std::string>(&result);
  BOOST_REQUIRE_MESSAGE(failure != nullptr, "was read: " << text);
  return *failure;
}

}  // namespace

BOOST_AUTO_TEST_CASE(changes_are_read) {
  const auto trace = good("# spot\ntime_s,delta\n0,+10\n\n60.5, -2\r\n90,1\n");
  BOOST_TEST(trace.peers_at_start == 10);
  BOOST_REQUIRE(trace.changes.size() == 2U);
  BOOST_TEST(trace.changes[0].time_seconds == 60.5);
  BOOST_TEST(trace.changes[0].delta == -2);
  BOOST_TEST(trace.end_seconds == 90.0);
}

BOOST_AUTO_TEST_CASE(live_counts_are_read) {
  const auto trace = good("time_s,live\n100,5\n200,5\n300,8\n400,0");
  BOOST_TEST(trace.peers_at_start == 5);
  BOOST_REQUIRE(trace.changes.size() == 2U);
  BOOST_TEST(trace.changes[0].time_seconds == 200.0);
  BOOST_TEST(trace.changes[0].delta == 3);
  BOOST_TEST(trace.changes[1].delta == -8);
}

BOOST_AUTO_TEST_CASE(a_bad_line_is_named) {
  const std::string head = "time_s,delta\n0,5\n";
  BOOST_TEST(bad("time,delta\n") ==
             "t.csv, line 1: the heading must be time_s,delta or time_s,live.");
  BOOST_TEST(bad(head + "7\n") == "t.csv, line 3: two columns are expected, a comma between them.");
  BOOST_TEST(bad(head + "x,1\n") == "t.csv, line 3: the time is not a number of seconds.");
  BOOST_TEST(bad(head + "nan,1\n") == "t.csv, line 3: the time is not a number of seconds.");
  BOOST_TEST(bad(head + "1,1.5\n") == "t.csv, line 3: the count is not an integer.");
  BOOST_TEST(bad(head + "1,1,1\n") ==
             "t.csv, line 3: two columns are expected, a comma between them.");
  BOOST_TEST(bad(head + "9,1\n8,1\n") == "t.csv, line 4: the time is before the line above.");
  BOOST_TEST(bad(head + "1,-6\n") == "t.csv, line 3: fewer than no peers would be left.");
  BOOST_TEST(bad(head + "1,100000\n") == "t.csv, line 3: there are more than 100000 peers.");
  BOOST_TEST(bad(head + "1,9999999999999\n") == "t.csv, line 3: there are more than 100000 peers.");
  BOOST_TEST(bad(head + std::string(300, ' ')) == "t.csv, line 3: longer than 200 characters.");
}

BOOST_AUTO_TEST_CASE(what_spreadsheets_write_is_read) {
  for (const char* text :
       {"\xef\xbb\xbftime_s,delta\r\n0,10\r\n60.5,-2\r\n", "time_s;delta\n0;10\n60.5;-2\n",
        "\"time_s\";\"delta\"\n\"0\";\"10\"\n\"60.5\";\"-2\"", "time_s\tdelta\n0\t10\n60.5\t-2\n",
        "time_s,delta\r0,10\r60.5,-2\r",
        "# a; comment, here\ntime_s,delta\n0,010 # ten\n60.5,-2"}) {
    const auto trace = good(text);
    BOOST_TEST(trace.peers_at_start == 10);
    BOOST_REQUIRE(trace.changes.size() == 1U);
    BOOST_TEST(trace.changes[0].time_seconds == 60.5);
    BOOST_TEST(trace.changes[0].delta == -2);
  }
}

BOOST_AUTO_TEST_CASE(numbers_that_are_not_decimal_are_named) {
  const std::string head = "time_s;delta\n0;5\n";
  BOOST_TEST(bad(head + "1;0x1\n").find("decimal") != std::string::npos);
  BOOST_TEST(bad(head + "0x10;1\n").find("decimal") != std::string::npos);
  BOOST_TEST(bad(head + "1,5;1\n").find("point") != std::string::npos);
  BOOST_TEST(bad(head + "\"1;1\n").find("quote") != std::string::npos);
  BOOST_TEST(bad("\xff\xfet").find("UTF-16") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(nothing_at_all_is_an_error) {
  BOOST_TEST(bad("").find("holds no trace") != std::string::npos);
  BOOST_TEST(bad("time_s,live\n").find("holds no trace") != std::string::npos);
  BOOST_CHECK(std::holds_alternative<std::string>(read_trace_file("/no/such/file.csv")));
}

BOOST_AUTO_TEST_CASE(what_is_written_is_read_back) {
  const auto trace = poisson_trace({});
  std::stringstream file;
  write_trace(file, trace);
  const auto again = good(file.str());
  BOOST_TEST(again.peers_at_start == trace.peers_at_start);
  BOOST_REQUIRE(again.changes.size() == trace.changes.size());
  for (size_t i = 0; i < trace.changes.size(); ++i) {
    BOOST_TEST(again.changes[i].time_seconds == trace.changes[i].time_seconds);
    BOOST_TEST(again.changes[i].delta == trace.changes[i].delta);
  }
}
