#include "tools/processes/state_folder.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <variant>

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

/// Open for as long as this process lives.
const std::variant<state_folder, std::string>& keep(const std::string& path) {
  static const auto opened = state_folder::open(path);
  return opened;
}

/// A process that has done this and waits for its end.
struct other_process {
  explicit other_process(const std::function<bool()>& body) {
    std::array<int, 2> ends{};
    BOOST_REQUIRE(pipe(ends.data()) == 0);
    pid = fork();
    if (pid == 0) {
      const char done = body() ? 1 : 0;
      if (write(ends[1], &done, 1) == 1) pause();
      _exit(1);
    }
    close(ends[1]);
    char done = 0;
    ready = read(ends[0], &done, 1) == 1 && done == 1;
    close(ends[0]);
  }
  ~other_process() {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
  pid_t pid = -1;
  bool ready = false;
};

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
  BOOST_TEST(!tools::user_of(path).used);
  {
    auto opened = state_folder::open(path);
    BOOST_REQUIRE(std::holds_alternative<state_folder>(opened));
    const auto user = tools::user_of(path);
    BOOST_REQUIRE((user.used && user.process));
    BOOST_TEST(user.process->pid() == getpid());
    auto second = state_folder::open(path);
    BOOST_REQUIRE(std::holds_alternative<std::string>(second));
    BOOST_TEST(std::get<std::string>(second).find("--state-dir") != std::string::npos);
  }
  BOOST_TEST(!tools::user_of(path).used);
}

BOOST_FIXTURE_TEST_CASE(the_lock_says_who_uses_it_and_not_the_number_in_the_file,
                        temporary_folder) {
  other_process holder{[&] { return std::holds_alternative<state_folder>(keep(path)); }};
  BOOST_REQUIRE(holder.ready);
  for (const auto& text : {std::to_string(getpid()) + "\n", std::string{"1\n"}, std::string{}}) {
    std::ofstream{path + "/pid"} << text;
    const auto user = tools::user_of(path);
    BOOST_REQUIRE((user.used && user.process));
    BOOST_TEST(user.process->pid() == holder.pid);
  }
}

BOOST_FIXTURE_TEST_CASE(who_holds_a_lock_that_does_not_tell_is_not_guessed, temporary_folder) {
  std::filesystem::create_directories(path);
  const auto file = path + "/pid";
  other_process holder{[&] {
    const int opened = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return flock(opened, LOCK_EX | LOCK_NB) == 0;
  }};
  BOOST_REQUIRE(holder.ready);
  const auto start = std::to_string(*tools::start_ticks(getpid()));
  for (const auto& text : {std::string{}, std::to_string(getpid()) + "\n",
                           std::to_string(getpid()) + " " + start + "\n",
                           std::to_string(getpid()) + " " + start + " another-boot\n",
                           std::to_string(getpid()) + " 1 " + tools::boot_id() + "\n"}) {
    std::ofstream{file} << text;
    const auto user = tools::user_of(path);
    BOOST_TEST(user.used);
    BOOST_TEST(!user.process, text);
  }
  std::ofstream{file} << holder.pid << " " << *tools::start_ticks(holder.pid) << " "
                      << tools::boot_id() << "\n";
  const auto user = tools::user_of(path);
  BOOST_REQUIRE(user.process);
  BOOST_TEST(user.process->pid() == holder.pid);
}

BOOST_FIXTURE_TEST_CASE(only_the_owner_may_read_it_whatever_the_umask, temporary_folder) {
  namespace fs = std::filesystem;
  const auto before = umask(0);
  auto opened = state_folder::open(path);
  auto& folder = std::get<state_folder>(opened);
  folder.next_life(some_day_ms);
  folder.keep_addresses({"a:1"});
  umask(before);
  BOOST_CHECK(fs::status(path).permissions() == fs::perms::owner_all);
  for (const char* name : {"pid", "life", "addresses"})
    BOOST_CHECK(fs::status(path + "/" + name).permissions() ==
                (fs::perms::owner_read | fs::perms::owner_write));
}

BOOST_FIXTURE_TEST_CASE(a_link_in_place_of_the_lock_is_not_followed, temporary_folder) {
  std::filesystem::create_directories(path);
  const auto precious = path + "/precious";
  std::ofstream{precious} << "text";
  std::filesystem::create_symlink(precious, path + "/pid");
  BOOST_TEST(std::holds_alternative<std::string>(state_folder::open(path)));
  BOOST_TEST(std::filesystem::file_size(precious) == 4U);
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
