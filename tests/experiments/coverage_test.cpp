// Bazel cannot list another package's targets, so the list of tested programs is compared with the
// package's BUILD file.

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

namespace {

BOOST_AUTO_TEST_CASE(every_experiment_is_tested_with_bad_input) {
  const auto& suite = boost::unit_test::framework::master_test_suite();
  BOOST_REQUIRE_GT(suite.argc, 2);
  std::ifstream file{suite.argv[1]};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  const std::regex program{R"((swarm_experiment)\(\s*name = "([^"]+)\")"};
  std::set<std::string> declared;
  for (std::sregex_iterator at{text.begin(), text.end(), program}, end; at != end; ++at)
    declared.insert((*at)[2]);
  const std::set<std::string> tested(suite.argv + 2, suite.argv + suite.argc);
  BOOST_TEST(declared == tested, boost::test_tools::per_element());
}

}  // namespace
