#include <boost/test/unit_test.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/chaos/up_place.hpp"
#include "tools/swarm/up_folder.hpp"

// `swarm up` as people treat it: interrupted, asked for something else, its reader gone.

using namespace swarm;
namespace fs = std::filesystem;

namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string text_of(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_folder_begins_once_and_goes_on_as_what_it_is) {
  chaos::up_place here{"up-folder"};
  const auto flags = chaos::up_place::model(100'000);
  here.keygen(flags);
  // Nothing has begun, whatever is started and killed before the first step.
  const auto early = here.up({});
  BOOST_REQUIRE(here.until_said(early, "join="));
  BOOST_REQUIRE(here.until(early, [&] { return here.pid_of("peer-1").has_value(); }));
  here.fleet.kill(early);
  const auto first = here.up({});
  // Of all copies the first may still be on its way at step 20.
  BOOST_REQUIRE_MESSAGE(here.until_step(first, 60), here.fleet.story());
  const auto tokens = tools::read_token_numbers(here.dir());
  here.fleet.signal(first, SIGHUP);
  here.check_left(first, 0);
  BOOST_TEST(here.fleet.said(first, "leaves"), here.fleet.story());

  const auto other = here.up({"--steps=7", "--lr=0.5"});
  here.check_left(other, 2);
  BOOST_TEST(here.fleet.said(other, "--lr=0.5 --steps=7: "), here.fleet.story());
  BOOST_TEST(here.fleet.said(other, "--steps=100000"), here.fleet.story());

  // With one trainer more, and the same words about the model: each is who it was.
  auto more = flags;
  more.emplace_back("--trainers=3");
  const auto again = here.up(more);
  BOOST_REQUIRE_MESSAGE(here.until_step(again, 0), here.fleet.story());
  const auto at = here.fleet.line_with(again, "| step ");
  BOOST_TEST(here.step(again) >= 20, at);
  BOOST_TEST(here.until_said(again, "workers 2/2"), here.fleet.story());
  const auto now = tools::read_token_numbers(here.dir());
  for (const auto& [name, number] : tokens)
    BOOST_TEST(now.at(name) == number, name);
  BOOST_TEST(now.size() == tokens.size() + 1);
  here.fleet.signal(again, SIGTERM);
  here.check_left(again, 0);
}

BOOST_AUTO_TEST_CASE(a_reader_that_goes_away_does_not_take_the_run_with_it) {
  chaos::up_place here{"up-reader"};
  std::string line = "umask 000; exec '" + here.program() + "' up --dir='" + here.dir() +
                     "' --data='" + here.text() + "' --trainers=1 --workers=1 --line-every=1";
  for (const auto& flag : chaos::up_place::model(100'000))
    line += " " + flag;
  // Gone after one line; then never there.
  for (const std::string output : {" > >(head -1 >/dev/null)", " >&-"}) {
    const auto run = here.fleet.start("up", "/bin/bash", {"-c", line + output});
    BOOST_TEST(here.until_said(run, "the run goes on, and swarm stop"), here.fleet.story());
    const auto before = tools::read_progress(here.dir());
    BOOST_TEST(here.until(run,
                          [&] {
                            const auto now = tools::read_progress(here.dir());
                            return now && now->step > (before ? before->step : -1);
                          }),
               here.fleet.story());
    BOOST_TEST(text_of(here.dir() + "/pid").find('\n') + 1 == text_of(here.dir() + "/pid").size());
    const auto stopped = chaos::run_once({"stop", "--dir=" + here.dir()});
    BOOST_TEST(stopped.exit_code == 0, stopped.text);
    here.check_left(run, 0);
  }
  // All that was written belongs to its owner, whatever the umask.
  for (const auto& each : fs::recursive_directory_iterator{here.dir()}) {
    const auto name = each.path().filename().string();
    const bool open = name == "run.swarm" || name == "run.ca" || has(name, ".json");
    const auto mode = fs::status(each.path()).permissions() & fs::perms::all;
    const auto expected = each.is_directory()                 ? 0700
                          : open && name != "telemetry.jsonl" ? 0644
                                                              : 0600;
    BOOST_TEST(static_cast<int>(mode) == expected, each.path());
  }
  BOOST_TEST((fs::status(here.dir()).permissions() == fs::perms::owner_all));
}
