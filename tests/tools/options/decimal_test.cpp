#include "tools/options/decimal.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

namespace {

using namespace std::chrono_literals;
using namespace swarm::tools;

}  // namespace

BOOST_AUTO_TEST_CASE(integers_are_decimal_whatever_they_begin_with) {
  BOOST_TEST(read_integer("010").value() == 10);
  BOOST_TEST(read_integer("08").value() == 8);
  BOOST_TEST(read_integer("-007").value() == -7);
  BOOST_TEST(read_integer("+5").value() == 5);
  BOOST_TEST(read_integer(" 12 ").value() == 12);
  BOOST_TEST(read_integer("9223372036854775807").value() == INT64_MAX);
}

BOOST_AUTO_TEST_CASE(what_is_no_decimal_integer_is_nothing) {
  for (const char* text :
       {"", " ", "0x10", "0X10", "0b11", "0o17", "10_000", "10,000", "1e3", "1.0", "5 6", "5x",
        "x5", "--5", "+-5", "9223372036854775808", "nan", "inf", "\xd9\xa5"}) {
    BOOST_TEST(!read_integer(text).has_value(), text);
  }
}

BOOST_AUTO_TEST_CASE(reals_are_decimal_and_finite) {
  BOOST_TEST(read_real("1e-5").value() == 1e-5);
  BOOST_TEST(read_real("010.5").value() == 10.5);
  BOOST_TEST(read_real(".5").value() == 0.5);
  BOOST_TEST(read_real("+2").value() == 2);
  for (const char* text : {"", "0x1p3", "0x10", "0b1", "nan", "inf", "-infinity", "1e999", "1,5",
                           "1.5.2", "1.5f", "e5", "."}) {
    BOOST_TEST(!read_real(text).has_value(), text);
  }
}

BOOST_AUTO_TEST_CASE(durations_are_decimal_with_a_unit) {
  BOOST_TEST((read_duration("010s").value() == 10s));
  BOOST_TEST((read_duration("1.5s").value() == 1500ms));
  BOOST_TEST((read_duration("2 min").value() == 120s));
  BOOST_TEST((read_duration("24h").value() == 86'400s));
  BOOST_TEST((read_duration("-5ms").value() == -5ms));
  BOOST_TEST((read_duration("1us").value() == 1us));
  BOOST_TEST((read_duration("9223372036854775807ns").value() == std::chrono::nanoseconds::max()));
  for (const char* text :
       {"", "s", "5", "1000", "0x10s", "5sec", "5s5", "5s 5ms", "1.5ns", ".s", "1e3s",
        "9223372036854775808ns", "99999999999999999999999999s", "9999999999h", "nans", "1,5s"}) {
    BOOST_TEST(!read_duration(text).has_value(), text);
  }
}

BOOST_AUTO_TEST_CASE(what_the_writer_may_not_know_is_said) {
  BOOST_TEST(number_hint("0x10").find("decimal") != std::string::npos);
  BOOST_TEST(number_hint("-0b1").find("decimal") != std::string::npos);
  BOOST_TEST(number_hint("1,5").find("point") != std::string::npos);
  BOOST_TEST(number_hint("abc") == "");
  BOOST_TEST(number_hint("") == "");
  BOOST_TEST(duration_hint("1000").find("unit") != std::string::npos);
  BOOST_TEST(duration_hint("0x10s").find("decimal") != std::string::npos);
  BOOST_TEST(duration_hint("5s") == "");
}
