#include "tools/report/output_file.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

using namespace swarm;
using tools::audience;

namespace {

struct a_folder {
  a_folder() {
    const char* base = std::getenv("TEST_TMPDIR");
    root = std::string{base == nullptr ? "/tmp" : base} + "/output-XXXXXX";
    BOOST_REQUIRE(mkdtemp(root.data()) != nullptr);
    before = umask(0);
  }
  ~a_folder() {
    umask(before);
    std::filesystem::remove_all(root);
  }
  std::string root;
  mode_t before = 0;
};

mode_t mode_of(const std::string& path) {
  struct stat facts {};
  BOOST_REQUIRE(stat(path.c_str(), &facts) == 0);
  return facts.st_mode & 07777;
}

std::string text_of(const std::string& path) {
  std::ifstream in{path};
  return {std::istreambuf_iterator<char>{in}, {}};
}

}  // namespace

BOOST_FIXTURE_TEST_CASE(modes_are_the_same_under_every_umask, a_folder) {
  int number = 0;
  for (const mode_t mask : {0, 022, 027, 077, 0177}) {
    umask(mask);
    const auto base = root + "/" + std::to_string(number++);
    BOOST_TEST(!tools::make_folder(base + "/public", audience::everybody));
    BOOST_TEST(!tools::make_folder(base + "/secret", audience::owner));
    BOOST_TEST(mode_of(base) == 0755U);
    BOOST_TEST(mode_of(base + "/public") == 0755U);
    BOOST_TEST(mode_of(base + "/secret") == 0700U);
    BOOST_TEST(!tools::replace_file(base + "/public/a", "x", audience::everybody));
    BOOST_TEST(!tools::replace_file(base + "/secret/a", "x", audience::owner));
    BOOST_TEST(mode_of(base + "/public/a") == 0644U);
    BOOST_TEST(mode_of(base + "/secret/a") == 0600U);
  }
}

BOOST_FIXTURE_TEST_CASE(a_folder_that_is_there_stays_as_it_is, a_folder) {
  BOOST_REQUIRE(mkdir((root + "/mine").c_str(), 0750) == 0);
  BOOST_TEST(!tools::make_folder(root + "/mine/", audience::owner));
  BOOST_TEST(mode_of(root + "/mine") == 0750U);
  BOOST_TEST(!tools::make_folder(".", audience::owner));
  BOOST_TEST(!tools::make_folder("/", audience::owner));
}

BOOST_FIXTURE_TEST_CASE(what_cannot_be_written_stays_as_it_was, a_folder) {
  const auto file = root + "/a";
  BOOST_TEST(!tools::replace_file(file, "one", audience::owner));
  BOOST_TEST(!tools::replace_file(file, "two", audience::owner));
  BOOST_TEST(text_of(file) == "two");
  BOOST_REQUIRE(mkdir((root + "/b").c_str(), 0700) == 0);
  std::ofstream{root + "/b/inside"} << "x";
  BOOST_TEST(bool(tools::replace_file(root + "/b", "three", audience::owner)));
  BOOST_TEST(bool(tools::make_folder(file + "/below", audience::owner)));
  BOOST_TEST(bool(tools::replace_file(file + "/below", "four", audience::owner)));
  size_t entries = 0;
  for (const auto& each : std::filesystem::directory_iterator{root})
    entries += each.path().empty() ? 0 : 1;
  BOOST_TEST(entries == 2U);
}
