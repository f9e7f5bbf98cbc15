#include "tools/processes/state_folder.hpp"

#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

using namespace swarm;
using tools::state_folder;

namespace {

struct temporary_folder {
  temporary_folder() {
    const char* base = std::getenv("TEST_TMPDIR");
    path = std::string{base == nullptr ? "/tmp" : base} + "/state_folder_test";
    std::filesystem::remove_all(path);
  }
  ~temporary_folder() { std::filesystem::remove_all(path); }
  std::string path;
};

constexpr int64_t some_day_ms = 1'800'000'000'000;

}  // namespace

BOOST_FIXTURE_TEST_CASE(every_life_is_higher_than_the_last, temporary_folder) {
  uint64_t last = 0;
  // The clock may stand still or go back.
  for (const int64_t clock : {some_day_ms, some_day_ms, some_day_ms - 5'000'000, some_day_ms + 1}) {
    auto opened = state_folder::open(path);
    const auto life = std::get<state_folder>(opened).next_life(clock);
    BOOST_TEST(life > last);
    last = life;
  }
}

BOOST_AUTO_TEST_CASE(without_a_folder_the_clock_decides) {
  auto opened = state_folder::open("");
  auto& nowhere = std::get<state_folder>(opened);
  BOOST_TEST(nowhere.next_life(some_day_ms) < nowhere.next_life(some_day_ms + 100));
  BOOST_TEST(nowhere.addresses().empty());
}

BOOST_FIXTURE_TEST_CASE(addresses_are_kept_and_none_is_not_kept, temporary_folder) {
  {
    auto opened = state_folder::open(path);
    std::get<state_folder>(opened).keep_addresses({"a:1", "b:2"});
    std::get<state_folder>(opened).keep_addresses({});
  }
  auto opened = state_folder::open(path);
  const std::vector<std::string> expected{"a:1", "b:2"};
  BOOST_TEST(std::get<state_folder>(opened).addresses() == expected,
             boost::test_tools::per_element());
}

BOOST_FIXTURE_TEST_CASE(a_folder_belongs_to_one_process_at_a_time, temporary_folder) {
  BOOST_TEST(!tools::running_process(path));
  {
    auto opened = state_folder::open(path);
    BOOST_REQUIRE(std::holds_alternative<state_folder>(opened));
    BOOST_REQUIRE(tools::running_process(path));
    BOOST_TEST(*tools::running_process(path) == getpid());
    auto second = state_folder::open(path);
    BOOST_REQUIRE(std::holds_alternative<std::string>(second));
    BOOST_TEST(std::get<std::string>(second).find("--state-dir") != std::string::npos);
  }
  BOOST_TEST(!tools::running_process(path));
}

BOOST_FIXTURE_TEST_CASE(damaged_files_are_as_good_as_none, temporary_folder) {
  std::filesystem::create_directories(path);
  std::ofstream{path + "/life"} << "not a number";
  std::ofstream{path + "/addresses"} << std::string(100'000, 'x') << "\n\nb:2\n";
  auto opened = state_folder::open(path);
  auto& folder = std::get<state_folder>(opened);
  BOOST_TEST(folder.next_life(some_day_ms) > 0U);
  BOOST_TEST(folder.addresses().size() == 1U);
}

BOOST_FIXTURE_TEST_CASE(a_folder_that_cannot_be_made_is_a_sentence, temporary_folder) {
  std::ofstream{path} << "a file";
  auto opened = state_folder::open(path + "/inside");
  BOOST_TEST(std::holds_alternative<std::string>(opened));
}
