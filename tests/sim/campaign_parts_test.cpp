#include <boost/test/unit_test.hpp>
#include <csignal>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/probes.hpp"
#include "tests/sim/process_pool.hpp"
#include "tests/sim/scenario_files.hpp"
#include "tests/sim/tally.hpp"

namespace {

using namespace swarm::campaign;

struct heard {
  std::set<std::string> lines;
  std::vector<std::pair<uint64_t, std::string>> deaths;
};

pool_end run(const pool_options& options, const std::function<std::string(uint64_t)>& task,
             heard& into) {
  pool_listener listener;
  listener.line = [&](const std::string& line) { return into.lines.insert(line).second; };
  listener.died = [&](uint64_t which, const std::string& how) {
    into.deaths.emplace_back(which, how);
    return true;
  };
  return run_in_children(options, task, listener);
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_task_is_run_once_by_some_child) {
  heard result;
  const auto task = [](uint64_t index) { return std::to_string(index); };
  BOOST_TEST((run({100, 3, 60}, task, result) == pool_end::complete));
  BOOST_TEST(result.lines.size() == 100U);
  BOOST_TEST(result.deaths.empty());
}

BOOST_AUTO_TEST_CASE(a_child_that_dies_is_told_and_replaced) {
  heard result;
  const auto task = [](uint64_t index) {
    if (index == 5) std::raise(SIGKILL);
    return std::to_string(index);
  };
  BOOST_TEST((run({10, 1, 60}, task, result) == pool_end::complete));
  BOOST_TEST(result.lines.size() == 9U);
  BOOST_REQUIRE(result.deaths.size() == 1U);
  BOOST_TEST(result.deaths.front().first == 5U);
  BOOST_TEST(result.deaths.front().second == "signal 9");
}

BOOST_AUTO_TEST_CASE(a_child_that_hangs_is_killed) {
  heard result;
  const auto task = [](uint64_t index) {
    volatile bool forever = index == 1;
    while (forever) {
    }
    return std::to_string(index);
  };
  BOOST_TEST((run({3, 2, 0.5}, task, result) == pool_end::complete));
  BOOST_TEST(result.lines.size() == 2U);
  BOOST_REQUIRE(result.deaths.size() == 1U);
  BOOST_TEST(result.deaths.front().second.find("no end") == 0U);
}

BOOST_AUTO_TEST_CASE(too_many_deaths_end_it_and_so_does_a_listener) {
  heard result;
  const auto dies = [](uint64_t) -> std::string {
    std::raise(SIGKILL);
    return {};
  };
  BOOST_TEST((run({1000, 2, 60}, dies, result) == pool_end::too_many_deaths));
  heard none;
  const auto same = [](uint64_t) { return std::string{"same"}; };
  BOOST_TEST((run({1000, 2, 60}, same, none) == pool_end::stopped));
}

BOOST_AUTO_TEST_CASE(a_record_survives_the_way_to_the_parent) {
  run_record record;
  record.result.scenario = "calm";
  record.result.seed = 7;
  record.result.hash = UINT64_MAX - 1;
  record.result.faults = {{"kill", 3}, {"message cut", 9}};
  record.result.recovery_s = {0.5, 1.5};
  record.result.work = {1, 2, 3, 4};
  record.findings = {{"resumes", "\"quoted\"\nline", 12.5}};
  const auto line = to_line(record);
  BOOST_TEST(line.find('\n') == std::string::npos);
  const auto back = from_line(line);
  BOOST_TEST(back.result.hash == record.result.hash);
  BOOST_TEST(back.result.work.needed == 4U);
  BOOST_REQUIRE(back.findings.size() == 1U);
  BOOST_TEST(back.findings.front().what == "\"quoted\"\nline");
  BOOST_TEST(to_line(back) == line);
  BOOST_TEST(injected(back.result.faults) == 3U);
}

BOOST_AUTO_TEST_CASE(the_combined_hash_does_not_depend_on_the_order_of_arrival) {
  const auto of = [](uint64_t seed, uint64_t hash) {
    run_record record;
    record.result.seed = seed;
    record.result.hash = hash;
    return record;
  };
  campaign_tally a;
  campaign_tally b;
  campaign_tally c;
  a.add(of(1, 11));
  a.add(of(2, 22));
  b.add(of(2, 22));
  b.add(of(1, 11));
  c.add(of(1, 22));
  c.add(of(2, 11));
  BOOST_TEST(a.combined_hash() == b.combined_hash());
  BOOST_TEST(a.combined_hash() != c.combined_hash());
}

BOOST_AUTO_TEST_CASE(a_violation_names_the_command_that_shows_it) {
  campaign_tally tally;
  tally.add_crash("deaths", 42, "signal 11");
  BOOST_TEST(tally.total().violated == 1U);
  const auto text = tally.violation_list("program");
  BOOST_TEST(text.find("program --scenario=deaths --first-seed=42 --seeds=1 --trace") !=
             std::string::npos);
  BOOST_TEST(text.find("signal 11") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(numbers_are_ranked_and_grouped) {
  BOOST_TEST(percentile({}, 50) == 0);
  BOOST_TEST(percentile({3, 1, 2}, 50) == 2);
  BOOST_TEST(percentile({3, 1, 2}, 99) == 3);
  BOOST_TEST(grouped(0) == "0");
  BOOST_TEST(grouped(999) == "999");
  BOOST_TEST(grouped(1'234'567) == "1,234,567");
}

BOOST_AUTO_TEST_CASE(an_event_that_no_probe_knows_is_noticed) {
  BOOST_TEST(unknown_events({{"step", 1}, {"rework", 2}}).empty());
  const auto unknown = unknown_events({{"brand_new", 1}});
  BOOST_REQUIRE(unknown.size() == 1U);
  BOOST_TEST(unknown.front() == "brand_new");
}

BOOST_AUTO_TEST_CASE(scenarios_are_chosen_by_name) {
  const auto all = load_scenarios();
  BOOST_TEST(choose(all, "all").value().size() == all.size());
  BOOST_TEST(choose(all, "calm").value().front().name == "calm");
  BOOST_TEST(!choose(all, "nothing"));
  BOOST_TEST(names_of(all).find("backups, bad_network") == 0U);
}
