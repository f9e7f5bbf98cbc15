#include "tools/processes/process_group.hpp"

#include <boost/test/unit_test.hpp>
#include <csignal>
#include <map>
#include <string>
#include <vector>

using namespace swarm;
using namespace std::chrono_literals;
using tools::process_group;

namespace {

/// /bin/sh -c SCRIPT, and what was printed.
struct shell {
  explicit shell(const std::vector<std::string>& scripts, bool keep = false,
                 tools::process_table_options options = {})
      : group("/bin/sh", tools::process_table{specs(scripts, keep), options}, listener()) {}

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

BOOST_AUTO_TEST_CASE(a_stop_is_polite_and_then_hard) {
  shell all{{"trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done",
             "trap '' TERM; echo up; while :; do sleep 0.05; done"}};
  while (all.lines.size() < 2)
    all.group.run(20ms);
  BOOST_TEST(all.group.stop(500ms) == 1U);
  BOOST_TEST(all.lines["0"] == "up;bye;");
  BOOST_TEST(all.group.table().running() == 0U);
}

BOOST_AUTO_TEST_CASE(a_signal_to_us_ends_the_run) {
  shell all{{"sleep 60"}};
  std::raise(SIGTERM);
  BOOST_CHECK(all.group.run(60s) == process_group::outcome::asked_to_stop);
  BOOST_TEST(all.group.stop(5s) == 0U);
}

BOOST_AUTO_TEST_CASE(a_program_that_does_not_exist_is_said_and_given_up) {
  tools::process_table_options options;
  options.restart_after = 1ms;
  std::string said;
  process_group group{"/no/such/program",
                      tools::process_table{{{"p", {}, {}, true}}, options},
                      {[&](const std::string&, const std::string& line) { said = line; },
                       [](const std::string&) {},
                       {}}};
  BOOST_CHECK(group.run(30s) == process_group::outcome::given_up);
  BOOST_TEST(said == "the program cannot be started");
}
