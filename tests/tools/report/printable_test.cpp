#include "tools/report/printable.hpp"

#include <boost/test/unit_test.hpp>
#include <initializer_list>
#include <string>

using swarm::tools::printable;

BOOST_AUTO_TEST_CASE(utf8_passes_as_it_is) {
  for (const std::string& text : std::initializer_list<std::string>{
           "plain\n\ttext", "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82", "\xe6\x97\xa5",
           "\xf0\x9f\x90\x9d", "\xc3\xa9"}) {
    BOOST_TEST(printable(text) == text);
  }
}

BOOST_AUTO_TEST_CASE(bytes_that_are_no_utf8_are_replaced_one_by_one) {
  const std::string mark = "\xef\xbf\xbd";
  BOOST_TEST(printable("a\xff"
                       "b") == "a" + mark + "b");
  // Cut short, overlong, a surrogate, beyond the last character.
  BOOST_TEST(printable("\xd0") == mark);
  BOOST_TEST(printable("\xe6\x97") == mark + mark);
  BOOST_TEST(printable("\xc0\xaf") == mark + mark);
  BOOST_TEST(printable("\xed\xa0\x80") == mark + mark + mark);
  BOOST_TEST(printable("\xf4\x90\x80\x80") == mark + mark + mark + mark);
  BOOST_TEST(printable("\xd0"
                       "a\xd0\xb0") == mark + "a\xd0\xb0");
}

BOOST_AUTO_TEST_CASE(control_characters_are_escaped) {
  BOOST_TEST(printable("\x1b[2J\r\x7f") == "\\x1b[2J\\x0d\\x7f");
  BOOST_TEST(printable(std::string{"\0", 1}) == "\\x00");
  // U+009B introduces a sequence on a terminal as ESC [ does.
  BOOST_TEST(printable("\xc2\x9b") == "\\x9b");
}
