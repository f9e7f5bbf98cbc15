#include "tools/processes/process_group.hpp"

#include <boost/test/unit_test.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

using namespace swarm;
using namespace std::chrono_literals;
using tools::process_group;

namespace {

/// /bin/sh -c SCRIPT, and what was printed.
struct shell {
  explicit shell(const std::vector<std::string>& scripts, bool keep = false,
                 tools::process_table_options options = {})
      : shell(specs(scripts, keep), options) {}
  shell(std::vector<tools::process_spec> all, tools::process_table_options options)
      : group("/bin/sh", tools::process_table{std::move(all), options}, listener()) {}

  static std::vector<tools::process_spec> specs(const std::vector<std::string>& scripts,
                                                bool keep) {
    std::vector<tools::process_spec> result;
    for (const auto& script : scripts)
      result.push_back({std::to_string(result.size()), {"-c", script}, {}, keep});
    return result;
  }

  process_group::events listener() {
    return {[this](const std::string& name, const std::string& line) { lines[name] += line + ";"; },
            [this](const std::string& what) { happened += what + "; "; },
            {}};
  }

  std::map<std::string, std::string> lines;
  std::string happened;
  process_group group;
};

}  // namespace

BOOST_AUTO_TEST_CASE(every_line_of_every_process_arrives_with_its_name) {
  shell all{{"echo one; echo two >&2", "printf unfinished"}};
  BOOST_CHECK(all.group.run(30s) == process_group::outcome::all_ended);
  BOOST_TEST(all.lines["0"] == "one;two;");
  BOOST_TEST(all.lines["1"] == "unfinished;");
}

BOOST_AUTO_TEST_CASE(a_kept_process_is_started_again) {
  tools::process_table_options options;
  options.restart_after = 20ms;
  shell all{{"echo x; kill -9 $$"}, true, options};
  BOOST_CHECK(all.group.run(500ms) == process_group::outcome::time_is_up);
  BOOST_TEST(all.lines["0"].find("x;x;") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(one_that_was_only_asked_to_leave_is_started_again) {
  tools::process_table_options options;
  options.restart_after = 20ms;
  // The second life says that it has finished.
  const std::string script =
      "if [ -e \"$0\" ]; then echo 'done: 1'; exit 3; fi; touch \"$0\"; "
      "trap 'echo leaves; exit 0' TERM; echo up; while :; do sleep 0.05; done";
  const char* base = std::getenv("TEST_TMPDIR");
  const auto mark = std::string{base == nullptr ? "/tmp" : base} + "/process_group_mark";
  std::filesystem::remove(mark);
  auto specs = shell::specs({script}, true);
  specs[0].arguments.push_back(mark);
  specs[0].last_line = "done: ";
  shell all{std::move(specs), options};
  BOOST_CHECK(all.group.run(60s, [&] { return all.lines["0"] == "up;"; }) ==
              process_group::outcome::condition_met);
  BOOST_TEST(all.group.signal(0, SIGTERM));
  BOOST_CHECK(all.group.run(60s) == process_group::outcome::all_ended);
  BOOST_TEST(all.lines["0"] == "up;leaves;done: 1;");
  BOOST_TEST(all.happened ==
             "0 has left because somebody asked it to; 0 is started again; "
             "0 has finished with exit code 3; ");
}

BOOST_AUTO_TEST_CASE(a_program_that_is_replaced_is_started_as_it_was) {
  namespace fs = std::filesystem;
  const char* base = std::getenv("TEST_TMPDIR");
  const fs::path folder = fs::path{base == nullptr ? "/tmp" : base} / "process_group_programs";
  fs::remove_all(folder);
  fs::create_directories(folder);
  const auto file = folder / "program";
  fs::copy_file(fs::canonical("/bin/sh"), file);
  tools::process_table_options options;
  options.restart_after = 20ms;
  std::string lines;
  tools::process_spec spec;
  spec.name = "p";
  spec.arguments = {"-c", "echo $0; kill -9 $$", "x"};
  process_group group{file.string(),
                      tools::process_table{{spec}, options},
                      {[&](const std::string&, const std::string& line) { lines += line; },
                       [](const std::string&) {},
                       {}}};
  const auto lives = [&](size_t count) {
    return group.run(60s, [&] { return lines.size() >= count; }) ==
           process_group::outcome::condition_met;
  };
  BOOST_TEST(lives(1));
  // As a build does it, and then as one who tidies up.
  fs::rename(file, folder / "elsewhere");
  fs::copy_file(fs::canonical("/bin/false"), file);
  BOOST_TEST(lives(3));
  fs::remove_all(folder);
  BOOST_TEST(lives(5));
  BOOST_TEST(lines.find_first_not_of('x') == std::string::npos, lines);
  group.stop(0s);
}

BOOST_AUTO_TEST_CASE(one_that_is_not_needed_is_given_up_alone) {
  tools::process_table_options options;
  options.restart_after = 1ms;
  options.fail_within = 60s;
  auto specs = shell::specs({"exit 7", "exec sleep 600"}, true);
  specs[0].needed = false;
  shell all{std::move(specs), options};
  BOOST_CHECK(all.group.run(60s, [&] { return all.group.table().is_over(0); }) ==
              process_group::outcome::condition_met);
  BOOST_TEST(all.happened.find("0 failed with exit code 7; ") != std::string::npos, all.happened);
  BOOST_TEST(all.happened.find("0 is given up: ") != std::string::npos, all.happened);
  BOOST_TEST(all.group.table().is_running(1));
  BOOST_TEST(all.group.stop(60s) == 0U);
  BOOST_TEST(all.happened.find("1 was ended by SIGTERM (Terminated); ") != std::string::npos,
             all.happened);
}

BOOST_AUTO_TEST_CASE(an_exit_code_tells_that_starting_again_is_of_no_use) {
  tools::process_table_options options;
  options.restart_after = 1ms;
  auto specs = shell::specs({"exit 3", "exec sleep 600"}, true);
  specs[0].needed = false;
  specs[0].hopeless_exit_code = 3;
  shell all{std::move(specs), options};
  BOOST_CHECK(all.group.run(60s, [&] { return all.group.table().is_over(0); }) ==
              process_group::outcome::condition_met);
  BOOST_TEST(all.group.table().lives(0) == 1U);
  BOOST_TEST(all.happened.find("0 is given up: ") != std::string::npos, all.happened);
  BOOST_TEST(all.group.stop(60s) == 0U);
}

BOOST_AUTO_TEST_CASE(children_do_not_inherit_what_a_program_of_ours_ignores) {
  const auto before = std::signal(SIGPIPE, SIG_IGN);
  shell all{{"kill -PIPE $$; echo alive"}};
  BOOST_CHECK(all.group.run(60s) == process_group::outcome::all_ended);
  std::signal(SIGPIPE, before);
  BOOST_TEST(all.lines["0"] == "");
  BOOST_TEST(all.happened == "0 was ended by SIGPIPE (Broken pipe); ");
}

BOOST_AUTO_TEST_CASE(a_stop_is_polite_and_then_hard) {
  shell all{{"trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done",
             "trap '' TERM; echo up; while :; do sleep 0.05; done"}};
  while (all.lines.size() < 2)
    all.group.run(20ms);
  BOOST_TEST(all.group.stop(500ms) == 1U);
  BOOST_TEST(all.lines["0"] == "up;bye;");
  BOOST_TEST(all.happened.find("1 did not leave in time and had to be killed; ") !=
             std::string::npos);
  BOOST_TEST(all.group.table().running() == 0U);
}

BOOST_AUTO_TEST_CASE(a_signal_to_us_ends_the_run) {
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    shell all{{"sleep 60"}};
    std::raise(number);
    BOOST_CHECK(all.group.run(60s) == process_group::outcome::asked_to_stop);
    BOOST_TEST(all.group.stop(5s) == 0U);
  }
}

BOOST_AUTO_TEST_CASE(a_program_that_does_not_exist_is_said_and_given_up) {
  tools::process_table_options options;
  options.restart_after = 1ms;
  std::string said;
  process_group group{"/no/such/program",
                      tools::process_table{{{"p", {}, {}, true}}, options},
                      {[](const std::string&, const std::string&) {},
                       [&](const std::string& what) { said += what + "; "; },
                       {}}};
  BOOST_CHECK(group.run(30s) == process_group::outcome::given_up);
  BOOST_TEST(said.find("p: the program /no/such/program cannot be started: No such file or "
                       "directory; ") != std::string::npos,
             said);
}
