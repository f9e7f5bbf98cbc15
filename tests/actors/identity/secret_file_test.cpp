#include "actors/identity/secret_file.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/actors/identity/a_run.hpp"

using namespace swarm::identity;

namespace {

struct a_folder {
  a_folder() {
    const char* base = std::getenv("TEST_TMPDIR");
    path = std::string{base == nullptr ? "/tmp" : base} + "/secret-XXXXXX";
    BOOST_REQUIRE(mkdtemp(path.data()) != nullptr);
    file = path + "/secret";
  }
  ~a_folder() { std::filesystem::remove_all(path); }

  std::string why_not_read() const {
    const auto read = read_secret(file);
    const auto* failed = std::get_if<secret_failure>(&read);
    return failed == nullptr ? "" : failed->sentence;
  }

  std::string path;
  std::string file;
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_secret_comes_back_and_is_its_owners_alone, a_folder) {
  const auto mask = umask(0);
  BOOST_TEST(!write_secret(file, "hush"));
  umask(mask);
  const auto read = read_secret(file);
  BOOST_TEST(std::get<std::string>(read) == "hush");
  struct stat facts {};
  BOOST_REQUIRE(stat(file.c_str(), &facts) == 0);
  BOOST_TEST((facts.st_mode & 0777) == 0600U);
  for (const mode_t shared : {0644, 0640, 0604, 0610}) {
    chmod(file.c_str(), shared);
    BOOST_TEST(contains(why_not_read(), "chmod 600 " + file), why_not_read());
  }
}

BOOST_FIXTURE_TEST_CASE(a_secret_is_never_replaced_and_leaves_nothing_beside_it, a_folder) {
  BOOST_TEST(!write_secret(file, "hush"));
  const auto again = write_secret(file, "other");
  BOOST_REQUIRE(again);
  BOOST_TEST(contains(*again, "exists already"));
  BOOST_TEST(std::get<std::string>(read_secret(file)) == "hush");
  const auto nowhere = write_secret(path + "/missing/secret", "hush");
  BOOST_REQUIRE(nowhere);
  BOOST_TEST(contains(*nowhere, "cannot be written"));
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator{path})
    files += entry.is_regular_file() ? 1 : 0;
  BOOST_TEST(files == 1U);
}

BOOST_FIXTURE_TEST_CASE(what_is_no_secret_file_is_refused_at_once, a_folder) {
  BOOST_TEST(contains(why_not_read(), "cannot be read"));
  BOOST_REQUIRE(mkfifo(file.c_str(), 0600) == 0);
  // Nobody writes to the pipe: opening it to read must not wait.
  BOOST_TEST(contains(why_not_read(), "is not a file"));
  unlink(file.c_str());
  BOOST_REQUIRE(mkdir(file.c_str(), 0700) == 0);
  BOOST_TEST(contains(why_not_read(), "is not a file"));
}

BOOST_FIXTURE_TEST_CASE(a_file_is_read_up_to_its_limit, a_folder) {
  BOOST_TEST(!write_secret(file, std::string(secret_bytes_max, 'x')));
  BOOST_TEST(why_not_read() == "");
  unlink(file.c_str());
  BOOST_TEST(!write_secret(file, std::string(secret_bytes_max + 1, 'x')));
  BOOST_TEST(contains(why_not_read(), "too large"));
}
