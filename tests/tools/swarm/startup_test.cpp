// What a command costs before it does anything.

#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace {

/// Of a start that loads LibTorch it takes more than half a second.
constexpr double cpu_s_max = 0.1;
constexpr int tries = 5;

std::string program() {
  const auto& suite = boost::unit_test::framework::master_test_suite();
  BOOST_REQUIRE_EQUAL(suite.argc, 2);
  return std::filesystem::absolute(suite.argv[1]).string();
}

double children_cpu_s() {
  rusage used{};
  getrusage(RUSAGE_CHILDREN, &used);
  return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

/// Of the cheapest of some tries: what else the machine does makes a try dearer, never cheaper.
double cpu_s_of(const std::string& arguments) {
  const auto line = program() + " " + arguments + " >/dev/null 2>&1 </dev/null";
  double best = 1e9;
  for (int i = 0; i < tries; ++i) {
    const auto before = children_cpu_s();
    BOOST_REQUIRE(WIFEXITED(std::system(line.c_str())));
    best = std::min(best, children_cpu_s() - before);
  }
  return best;
}

const std::vector<std::string> cheap{"--help",
                                     "plan",
                                     "plan --help",
                                     "status --help",
                                     "status --token=nothing",
                                     "show --help",
                                     "show --token=nothing",
                                     "keygen --help",
                                     "doctor --help",
                                     "up --help",
                                     "stop --dir=nothing",
                                     "peer --help",
                                     "peer --stage=x",
                                     "train --help",
                                     "train --no-such-flag",
                                     "no-such-command"};

}  // namespace

BOOST_AUTO_TEST_CASE(the_program_that_people_type_does_not_load_libtorch) {
  // With this variable the dynamic linker lists what it would load, and nothing runs.
  const auto line = "LD_TRACE_LOADED_OBJECTS=1 " + program() + " >libraries 2>&1";
  BOOST_REQUIRE(std::system(line.c_str()) == 0);
  BOOST_TEST(std::system("grep -q libcaf_core libraries") == 0);
  BOOST_TEST(std::system("grep -q -e libtorch -e libopenblas libraries") != 0);
}

BOOST_AUTO_TEST_CASE(a_command_that_computes_nothing_takes_a_tenth_of_a_second_at_most) {
  for (const auto& arguments : cheap) {
    const auto cpu_s = cpu_s_of(arguments);
    BOOST_TEST(cpu_s < cpu_s_max, "swarm " << arguments << " took " << cpu_s << " s of CPU");
  }
}
