#include "actors/telemetry/event_log.hpp"

#include <boost/test/unit_test.hpp>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

namespace {

using namespace swarm::telemetry;
using std::chrono::milliseconds;

event named(const std::string& name) {
  return {name, {}};
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_line_is_one_json_object_in_the_order_of_the_fields) {
  const event e{"step", {{"step", std::int64_t{7}}, {"loss", 3.25}, {"why", "a \"b\"\n"}}};
  BOOST_TEST(to_json_line(e, milliseconds{1'250}) ==
             R"({"t":1.25,"event":"step","step":7,"loss":3.25,"why":"a \"b\"\n"})");
}

BOOST_AUTO_TEST_CASE(fields_cannot_overwrite_time_and_name) {
  const event e{"step", {{"t", std::int64_t{1}}, {"event", "x"}}};
  BOOST_TEST(to_json_line(e, milliseconds{0}) == R"({"t":0.0,"event":"step","t_":1,"event_":"x"})");
}

BOOST_AUTO_TEST_CASE(numbers_that_json_lacks_become_texts) {
  const double inf = std::numeric_limits<double>::infinity();
  const event e{"x", {{"a", std::numeric_limits<double>::quiet_NaN()}, {"b", inf}, {"c", -inf}}};
  BOOST_TEST(to_json_line(e, milliseconds{0}) ==
             R"({"t":0.0,"event":"x","a":"nan","b":"inf","c":"-inf"})");
}

BOOST_AUTO_TEST_CASE(any_bytes_make_a_valid_line) {
  std::mt19937_64 generator{11};
  for (int i = 0; i < 500; ++i) {
    std::string bytes(generator() % 20, '\0');
    for (auto& byte : bytes)
      byte = static_cast<char>(generator());
    const auto line = to_json_line({bytes, {{bytes, bytes}}}, milliseconds{1});
    BOOST_TEST(line.find('\n') == std::string::npos);
    BOOST_TEST(nlohmann::json::accept(line), line);
  }
}

BOOST_AUTO_TEST_CASE(integers_survive_exactly) {
  const auto most = std::numeric_limits<std::int64_t>::max();
  const auto line = to_json_line({"x", {{"i", most}}}, milliseconds{0});
  BOOST_TEST(nlohmann::json::parse(line)["i"].get<std::int64_t>() == most);
}

BOOST_AUTO_TEST_CASE(a_full_window_drops_and_counts_until_the_flush) {
  event_log log{2};
  BOOST_TEST(log.add(named("a"), milliseconds{1}));
  BOOST_TEST(log.add(named("b"), milliseconds{2}));
  BOOST_TEST(!log.add(named("c"), milliseconds{3}));
  BOOST_TEST(log.dropped() == 1);
  BOOST_TEST(log.flush() == "{\"t\":0.001,\"event\":\"a\"}\n{\"t\":0.002,\"event\":\"b\"}\n");
  BOOST_TEST(log.pending() == 0u);
  BOOST_TEST(log.flush().empty());
  BOOST_TEST(log.add(named("d"), milliseconds{4}));
  BOOST_TEST(log.dropped() == 1);
}

BOOST_AUTO_TEST_CASE(the_latest_events_are_remembered) {
  event_log log{100, 3};
  for (const char* name : {"a", "b", "c", "d", "e"})
    log.add(named(name), milliseconds{0});
  log.flush();
  BOOST_TEST((log.recent() == std::vector<event>{named("c"), named("d"), named("e")}));
}

BOOST_AUTO_TEST_CASE(fields_are_found_by_key_and_the_last_one_wins) {
  const event e{"x", {{"a", std::int64_t{1}}, {"b", 2.0}, {"a", "later"}}};
  BOOST_REQUIRE(find(e, "a") != nullptr);
  BOOST_TEST((*find(e, "a") == field_value{"later"}));
  BOOST_TEST(find(e, "c") == nullptr);
}

BOOST_AUTO_TEST_CASE(counters_add_up_and_saturate) {
  using limits = std::numeric_limits<std::int64_t>;
  counter_table table;
  table.add({"a"});
  table.add({"a", 41});
  table.add({"down", -3});
  table.add({"top", limits::max()});
  table.add({"top", 1});
  table.add({"bottom", limits::min()});
  table.add({"bottom", -1});
  const counter_snapshot expected{
      {"a", 42}, {"bottom", limits::min()}, {"down", -3}, {"top", limits::max()}};
  BOOST_TEST((table.snapshot() == expected));
}

BOOST_AUTO_TEST_CASE(the_number_of_counters_is_limited_and_nothing_is_lost) {
  counter_table table;
  for (std::size_t i = 0; i < counters_max + 10; ++i)
    table.add({"c" + std::to_string(i), 2});
  table.add({"c0", 5});
  BOOST_TEST(table.snapshot().size() == counters_max + 1);
  BOOST_TEST(table.snapshot().at(overflow_counter) == 20);
  BOOST_TEST(table.snapshot().at("c0") == 7);
}
