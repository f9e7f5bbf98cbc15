#include "tensors/data/file_kind.hpp"

#include <boost/test/unit_test.hpp>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace std::string_literals;
using namespace swarm::tensors;

const std::vector<std::pair<std::string, const char*>> known{
    {"\x28\xb5\x2f\xfd rest"s, "Zstandard"},
    {"\xfd"
     "7zXZ\0\0\4"s,
     "xz"},
    {"\x04\x22\x4d\x18 rest"s, "LZ4"},
    {"BZh91AY&SY rest"s, "bzip2"},
    {"7z\xbc\xaf\x27\x1c rest"s, "7z"},
    {"PK\3\4 rest"s, "zip"},
    {std::string(257, 'n') + "ustar\0"s, "tar"},
    {"\x93NUMPY\1\0v\0{'descr': '<u2'"s, "NumPy"},
    {"MMIDIDX\0\0\1\0\0\0\0\0\0\0\x8"s, "index of a Megatron"},
    {"PAR1\x15\4\x15"s, "Parquet"},
    {"ARROW1\0\0"s, "Arrow"},
    {"\xff\xff\xff\xff\x58\1\0\0"s, "Arrow"},
    {"\x89HDF\r\n\x1a\n"s, "HDF5"},
    {"GGUF\3\0\0\0"s, "GGUF"},
    {"\x40\0\0\0\0\0\0\0{\"weight\":{}}"s, "safetensors"},
    {"\x80\4\x95\x10"s, "pickle"},
    {"\x89PNG\r\n\x1a\n"s, "PNG"},
    {"\xff\xd8\xff\xe0"s, "JPEG"},
    {"%PDF-1.7"s, "PDF"},
    {"\x7f"
     "ELF\2\1\1"s,
     "ELF"},
    {"SQLite format 3\0"s, "SQLite"},
    {"\xff\xfeh\0i\0"s, "UTF-16"},
    {"\xfe\xff\0h\0i"s, "UTF-16"},
};

}  // namespace

BOOST_AUTO_TEST_CASE(what_is_neither_text_nor_shards_is_named_with_what_to_do) {
  for (const auto& [head, name] : known) {
    const auto kind = foreign_kind(head, false);
    BOOST_TEST_CONTEXT(name) {
      BOOST_REQUIRE(kind.has_value());
      BOOST_TEST(kind->is.find(name) != std::string::npos, kind->is);
      BOOST_TEST(!kind->remedy.empty());
    }
  }
}

BOOST_AUTO_TEST_CASE(text_and_what_is_shorter_than_a_mark_are_not_taken_for_anything) {
  for (const auto& text :
       {"plain text"s, "\xef\xbb\xbf with a mark"s, "GGUF is a format"s, "PAR1 and PAR2"s,
        "BZh is bzip2's magic"s, "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82"s, ""s, "\x28"s,
        "{\"json\": 1}"s, "MZ is no program here"s}) {
    BOOST_TEST(!foreign_kind(text, false).has_value(), text);
  }
}

BOOST_AUTO_TEST_CASE(a_shards_first_tokens_are_not_taken_for_a_short_mark) {
  // 640 and 65279 are tokens like others.
  BOOST_TEST(!foreign_kind("\x80\x02\x01\x02"s, true).has_value());
  BOOST_TEST(!foreign_kind("\xff\xfe\x01\x02"s, true).has_value());
  BOOST_TEST(foreign_kind("PK\3\4 rest"s, true).has_value());
}

BOOST_AUTO_TEST_CASE(gzip_is_told_by_its_magic_and_method) {
  BOOST_TEST(is_gzip("\x1f\x8b\x08\x00"s));
  BOOST_TEST(is_gzip("\x1f\x8b"s));
  BOOST_TEST(!is_gzip("\x1f\x8b\x00"s));
  BOOST_TEST(!is_gzip("\x1f"s));
  BOOST_TEST(!is_gzip(""s));
}
