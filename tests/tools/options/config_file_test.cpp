#include "tools/options/config_file.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

namespace {

using namespace std::string_literals;
using namespace swarm::tools;

given_values read(const std::string& text) {
  auto result = parse_config(text);
  if (const auto* error = std::get_if<syntax_error>(&result)) BOOST_FAIL(error->what);
  return std::get<given_values>(result);
}

std::string failure(const std::string& text) {
  const auto result = parse_config(text);
  const auto* error = std::get_if<syntax_error>(&result);
  BOOST_REQUIRE_MESSAGE(error != nullptr, text);
  return error->what;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_byte_order_mark_and_any_line_ends_are_read) {
  for (const std::string& end : {"\n"s, "\r\n"s, "\r"s}) {
    const auto values =
        read("\xef\xbb\xbf; a comment" + end + "layers=010" + end + "data = \"a b\"" + end +
             "net {" + end + "  timeout=5ms" + end + "}" + end);
    BOOST_TEST(values.size() == 3u);
    BOOST_TEST(values.at("layers").text == "010");
    BOOST_TEST(values.at("layers").where == "line 2, ");
    BOOST_TEST(values.at("data").text == "a b");
    BOOST_TEST(values.at("net.timeout").text == "5ms");
    BOOST_TEST(values.at("net.timeout").where == "line 5, ");
  }
}

BOOST_AUTO_TEST_CASE(groups_sections_and_dots_name_the_same) {
  for (const char* text :
       {"net{a=1,b=2}", "net { a=1 \n b=2 }", "[net]\na=1\nb=2", "net.a=1\nnet.b=2",
        "global { net.a=1 }\n[global]\nnet.b=2", "net {a=1}\nnet {b=2}"}) {
    const auto values = read(text);
    BOOST_TEST_CONTEXT(text) {
      BOOST_TEST(values.at("net.a").text == "1");
      BOOST_TEST(values.at("net.b").text == "2");
    }
  }
}

BOOST_AUTO_TEST_CASE(texts_are_words_or_quoted) {
  BOOST_TEST(read("a=/x/y#1.txt # a comment").at("a").text == "/x/y#1.txt");
  BOOST_TEST(read("a=5;comment").at("a").text == "5");
  BOOST_TEST(read("a=\"x\\n\\t\\\"\\\\;#{}=\"").at("a").text == "x\n\t\"\\;#{}=");
  BOOST_TEST(read("a='x y'").at("a").text == "x y");
  BOOST_TEST(read("a=\"\"").at("a").text == "");
  BOOST_TEST(read("").empty());
}

BOOST_AUTO_TEST_CASE(what_cannot_be_read_is_told_with_its_place) {
  BOOST_TEST(failure("a=1\nb=") == "line 2, column 3: a value is missing");
  BOOST_TEST(failure("a=1\r\n\r\nb") == "line 3, column 2: = or { is expected behind 'b'");
  BOOST_TEST(failure("a=x y").find("quotes") != std::string::npos);
  BOOST_TEST(failure("a=\"x").find("not closed") != std::string::npos);
  BOOST_TEST(failure("a=\"x\\").find("\\ stands") != std::string::npos);
  BOOST_TEST(failure("a=\"x\ny\"").find("not closed") != std::string::npos);
  BOOST_TEST(failure("net { a=1").find("not closed") != std::string::npos);
  BOOST_TEST(failure("}").find("closes nothing") != std::string::npos);
  BOOST_TEST(failure("[net").find("]") != std::string::npos);
  BOOST_TEST(failure("=5").find("a name is expected") != std::string::npos);
  BOOST_TEST(failure("\xff\xfe"
                     "a\0=\0"s)
                 .find("UTF-16") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_name_is_there_once) {
  for (const char* text : {"a=1\na=2", "g{a=1}\ng{a=1}", "g.a=1\n[g]\na=2", "a=1\nglobal.a=2"})
    BOOST_TEST(failure(text).find("twice, first in line 1") != std::string::npos, text);
}
