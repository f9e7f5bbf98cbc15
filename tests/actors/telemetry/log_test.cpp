#include "actors/telemetry/log.hpp"

#include <spdlog/sinks/ostream_sink.h>

#include <boost/test/unit_test.hpp>
#include <sstream>

namespace {

using namespace swarm::telemetry;

}  // namespace

BOOST_AUTO_TEST_CASE(a_log_carries_the_actors_name_and_obeys_its_level) {
  std::ostringstream out;
  log_options options;
  options.level = spdlog::level::warn;
  options.sink = std::make_shared<spdlog::sinks::ostream_sink_st>(out);
  auto log = make_log("coordinator", options);
  log->info("quiet");
  BOOST_TEST(out.str().empty());
  log->warn("late by {} ms", 5);
  BOOST_TEST(out.str().find("[coordinator] [warning] late by 5 ms") != std::string::npos,
             out.str());
}

BOOST_AUTO_TEST_CASE(two_actors_may_have_one_name) {
  BOOST_TEST(make_log("worker") != make_log("worker"));
}

BOOST_AUTO_TEST_CASE(levels_are_read_by_name) {
  auto level = spdlog::level::info;
  BOOST_TEST(read_level("debug", level));
  BOOST_TEST((level == spdlog::level::debug));
  BOOST_TEST(read_level("off", level));
  BOOST_TEST((level == spdlog::level::off));
  BOOST_TEST(!read_level("loud", level));
  BOOST_TEST(!read_level("", level));
  BOOST_TEST((level == spdlog::level::off));
}
