#include <sys/wait.h>

#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

// Runs the program itself, whose path is the only argument.

namespace {

struct outcome {
  int exit_code = -1;
  std::string text;  ///< both streams

  std::string last_line() const {
    const auto end = text.find_last_not_of('\n');
    if (end == std::string::npos) return {};
    const auto begin = text.rfind('\n', end);
    return text.substr(begin == std::string::npos ? 0 : begin + 1, end - begin);
  }
};

outcome run(const std::string& arguments) {
  const auto& suite = boost::unit_test::framework::master_test_suite();
  BOOST_REQUIRE_GT(suite.argc, 1);
  const auto command = std::string{suite.argv[1]} + " " + arguments + " 2>&1";
  outcome result;
  FILE* out = popen(command.c_str(), "r");
  BOOST_REQUIRE(out != nullptr);
  char buffer[4096];
  while (const auto count = fread(buffer, 1, sizeof buffer, out))
    result.text.append(buffer, count);
  const int status = pclose(out);
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  return result;
}

void check_refused(const std::string& arguments, const std::string& named) {
  const auto got = run(arguments);
  BOOST_TEST(got.exit_code == 2, arguments);
  BOOST_TEST(got.text.find(named) != std::string::npos, got.text);
  BOOST_TEST(got.text.find('\n') == got.text.size() - 1, "one line: " << got.text);
}

}  // namespace

BOOST_AUTO_TEST_CASE(bad_input_is_one_sentence_and_exit_code_2) {
  check_refused("--scenario=nothing", "bad_network, broken_compute, calm");
  check_refused("--seeds=0", "--seeds");
  check_refused("--jobs=many", "--jobs");
  check_refused("--trace", "--scenario");
  check_refused("--nonsense=1", "--nonsense");
}

BOOST_AUTO_TEST_CASE(a_campaign_prints_its_table_and_numbers) {
  const auto got = run("--seeds=6 --scenario=calm --jobs=2 --twice --hashes --check --json");
  BOOST_TEST(got.exit_code == 0, got.text);
  for (const char* part : {"virtual h", "not reached:", "hash of all runs:", "all claims hold"})
    BOOST_TEST(got.text.find(part) != std::string::npos, part);
  const auto numbers = nlohmann::json::parse(got.last_line());
  BOOST_TEST(numbers.at("runs") == 6);
  BOOST_TEST(numbers.at("resumed") == 6);
  BOOST_TEST(numbers.at("scenarios").at("calm").at("violated") == 0);
}

BOOST_AUTO_TEST_CASE(processes_do_not_change_the_runs) {
  const auto of = [](const char* jobs) {
    const auto got = run(std::string{"--seeds=8 --scenario=deaths --json --jobs="} + jobs);
    return nlohmann::json::parse(got.last_line()).at("hash").get<uint64_t>();
  };
  BOOST_TEST(of("1") == of("3"));
}

BOOST_AUTO_TEST_CASE(a_trace_shows_one_run) {
  const auto got = run("--scenario=deaths --seeds=1 --first-seed=3 --trace");
  BOOST_TEST(got.exit_code == 0);
  BOOST_TEST(got.text.find("stands at 1") != std::string::npos);
}
