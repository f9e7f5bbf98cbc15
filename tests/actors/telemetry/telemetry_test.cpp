#include "actors/telemetry/telemetry.hpp"

#include <spdlog/sinks/ostream_sink.h>
#include <sys/resource.h>

#include <boost/test/unit_test.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/exit_reason.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "actors/telemetry/log.hpp"

namespace {

using namespace swarm::telemetry;
using std::chrono::milliseconds;
using std::chrono::seconds;

struct det_config : caf::actor_system_config {
  det_config() {
    set("scheduler.policy", caf::atom("testing"));
    add_telemetry_message_types(*this);
  }
};

struct fixture {
  fixture() { std::remove(path.c_str()); }

  ~fixture() {
    stop();
    system.await_all_actors_done();
    std::remove(path.c_str());
  }

  void begin(telemetry_options options) {
    log_options log;
    log.sink = std::make_shared<spdlog::sinks::ostream_sink_st>(complaints);
    options.log = make_log("telemetry", log);
    actor = spawn_telemetry(system, std::move(options));
    scheduler.run();
  }

  void stop() {
    caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    scheduler.run();
    actor = nullptr;
  }

  void tell(event e) {
    caf::anon_send(actor, std::move(e));
    scheduler.run();
  }

  void pass(milliseconds time) {
    scheduler.advance_time(time);
    scheduler.run();
  }

  template <class T, class... Ts>
  T ask(const Ts&... what) {
    T result{};
    caf::scoped_actor self{system};
    auto pending = self->request(actor, caf::infinite, what...);
    scheduler.run();
    pending.receive([&](T& answer) { result = std::move(answer); },
                    [](const caf::error&) { BOOST_ERROR("refused"); });
    return result;
  }

  std::int64_t counter(const std::string& name) {
    return ask<counter_snapshot>(counters_atom::value)[name];
  }

  std::string written() const {
    std::ifstream in{path, std::ios::binary};
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
  }

  static std::string in_test_directory(const std::string& name) {
    const char* directory = std::getenv("TEST_TMPDIR");
    return std::string{directory != nullptr ? directory : "/tmp"} + '/' + name;
  }

  const std::string path = in_test_directory("telemetry_test.jsonl");
  std::ostringstream complaints;
  det_config config;
  caf::actor_system system{config};
  caf::scheduler::test_coordinator& scheduler =
      dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler());
  caf::actor actor;
};

telemetry_options to_file(const std::string& path) {
  telemetry_options options;
  options.file = path;
  return options;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(telemetry_actor, fixture)

BOOST_AUTO_TEST_CASE(events_are_written_as_lines_in_virtual_time_after_the_window) {
  begin(to_file(path));
  pass(milliseconds{1'500});
  tell({"begin", {}});
  pass(milliseconds{250});
  tell({"step", {{"step", std::int64_t{3}}, {"loss", 2.5}}});
  BOOST_TEST(written() == "");
  pass(milliseconds{750});
  BOOST_TEST(written() ==
             "{\"t\":1.5,\"event\":\"begin\"}\n"
             "{\"t\":1.75,\"event\":\"step\",\"step\":3,\"loss\":2.5}\n");
}

BOOST_AUTO_TEST_CASE(what_is_pending_is_written_when_the_actor_ends) {
  begin(to_file(path));
  tell({"last", {}});
  stop();
  BOOST_TEST(written() == "{\"t\":0.0,\"event\":\"last\"}\n");
}

BOOST_AUTO_TEST_CASE(a_restarted_telemetry_appends) {
  for (const char* name : {"one", "two"}) {
    begin(to_file(path));
    tell({name, {}});
    stop();
  }
  BOOST_TEST(written() == "{\"t\":0.0,\"event\":\"one\"}\n{\"t\":0.0,\"event\":\"two\"}\n");
}

BOOST_AUTO_TEST_CASE(no_timer_runs_while_nothing_is_pending) {
  begin(to_file(path));
  BOOST_TEST(!scheduler.has_pending_timeout());
  for (int i = 0; i < 10; ++i)
    tell({"x", {}});
  BOOST_TEST(scheduler.advance_time(seconds{1}) == 1u);
  scheduler.run();
  BOOST_TEST(!scheduler.has_pending_timeout());
}

BOOST_AUTO_TEST_CASE(without_a_file_events_stay_in_memory) {
  begin({});
  tell({"a", {}});
  tell({"b", {{"k", "v"}}});
  pass(seconds{5});
  const std::vector<event> expected{{"a", {}}, {"b", {{"k", "v"}}}};
  BOOST_TEST((ask<std::vector<event>>(recent_atom::value) == expected));
}

BOOST_AUTO_TEST_CASE(a_flood_is_dropped_and_counted_and_ends_with_the_window) {
  auto options = to_file(path);
  options.pending_max = 3;
  begin(options);
  for (int i = 0; i < 10; ++i)
    tell({"x", {}});
  BOOST_TEST(counter("telemetry.events") == 3);
  BOOST_TEST(counter("telemetry.dropped_events") == 7);
  pass(seconds{1});
  tell({"y", {}});
  BOOST_TEST(counter("telemetry.events") == 4);
  pass(seconds{1});
  const auto lines = written();
  BOOST_TEST(std::count(lines.begin(), lines.end(), '\n') == 4);
}

BOOST_AUTO_TEST_CASE(a_flood_is_dropped_without_a_file_too) {
  telemetry_options options;
  options.pending_max = 3;
  begin(options);
  for (int i = 0; i < 5; ++i)
    tell({"x", {}});
  pass(seconds{1});
  tell({"x", {}});
  BOOST_TEST(counter("telemetry.dropped_events") == 2);
  BOOST_TEST(counter("telemetry.events") == 4);
}

BOOST_AUTO_TEST_CASE(write_errors_are_counted_reported_once_and_survived) {
  // The first cannot be opened, the second not written to.
  for (const std::string bad : {"/no/such/directory/x.jsonl", "/dev/full"}) {
    begin(to_file(bad));
    complaints.str("");
    for (int i = 0; i < 3; ++i) {
      tell({"x", {}});
      pass(seconds{1});
    }
    BOOST_TEST(counter("telemetry.write_errors") == 3, bad);
    BOOST_TEST(counter("telemetry.events") == 3);
    const auto text = complaints.str();
    BOOST_TEST(std::count(text.begin(), text.end(), '\n') == 1, text);
    BOOST_TEST(text.find(bad) != std::string::npos, text);
    stop();
  }
}

/// As a disk that fills up in the middle of a flush.
BOOST_AUTO_TEST_CASE(what_does_not_fit_leaves_no_half_line_and_it_is_said_when_it_is_over) {
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit own{};
  BOOST_REQUIRE(getrlimit(RLIMIT_FSIZE, &own) == 0);
  begin(to_file(path));
  complaints.str("");
  tell({"whole", {}});
  pass(seconds{1});
  const auto size = std::filesystem::file_size(path);
  const rlimit small{size + 20, own.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  for (int i = 0; i < 3; ++i) {
    tell({"lost_for_want_of_room", {}});
    pass(seconds{1});
    BOOST_TEST(std::filesystem::file_size(path) == size);
  }
  setrlimit(RLIMIT_FSIZE, &own);
  for (int i = 0; i < 12; ++i) {
    tell({"whole", {}});
    pass(seconds{1});
  }
  std::ifstream file{path};
  int lines = 0;
  for (std::string line; std::getline(file, line); ++lines)
    BOOST_TEST(nlohmann::json::parse(line)["event"] == "whole");
  BOOST_TEST(lines == 13);
  const auto text = complaints.str();
  BOOST_TEST(std::count(text.begin(), text.end(), '\n') == 2, text);
  BOOST_TEST(text.find("is written again; 3 times") != std::string::npos, text);
  std::signal(SIGXFSZ, before);
}

BOOST_AUTO_TEST_CASE(counters_add_up) {
  begin({});
  caf::anon_send(actor, increment{"retries"});
  caf::anon_send(actor, increment{"retries", 4});
  scheduler.run();
  BOOST_TEST(counter("retries") == 5);
  BOOST_TEST(counter("unknown") == 0);
}

BOOST_AUTO_TEST_CASE(subscribers_get_events_at_once_until_they_end) {
  begin({});
  auto names = std::make_shared<std::string>();
  auto subscriber = system.spawn([names](caf::event_based_actor*) -> caf::behavior {
    return {[names](const event& e) { *names += e.name; }};
  });
  tell({"a", {}});
  BOOST_TEST(ask<bool>(subscribe_atom::value, subscriber));
  BOOST_TEST(ask<bool>(subscribe_atom::value, subscriber));  // once is enough
  tell({"b", {}});
  tell({"c", {}});
  BOOST_TEST(*names == "bc");
  caf::anon_send_exit(subscriber, caf::exit_reason::kill);
  scheduler.run();
  tell({"d", {}});
  BOOST_TEST(*names == "bc");
  BOOST_TEST(counter("telemetry.events") == 4);
}

BOOST_AUTO_TEST_CASE(the_number_of_subscribers_is_limited) {
  begin({});
  std::vector<caf::actor> subscribers;
  for (std::size_t i = 0; i <= subscribers_max; ++i) {
    subscribers.push_back(system.spawn(
        [](caf::event_based_actor*) -> caf::behavior { return {[](const event&) {}}; }));
    BOOST_TEST(ask<bool>(subscribe_atom::value, subscribers.back()) == (i < subscribers_max));
  }
  caf::anon_send_exit(subscribers.front(), caf::exit_reason::user_shutdown);
  scheduler.run();
  BOOST_TEST(ask<bool>(subscribe_atom::value, subscribers.back()));
}

BOOST_AUTO_TEST_CASE(a_subscription_keeps_nobody_alive) {
  begin({});
  bool ended = false;
  auto subscriber = system.spawn([hold = actor](caf::event_based_actor*) -> caf::behavior {
    return {[hold](const event&) {}};
  });
  subscriber->attach_functor([&ended] { ended = true; });
  ask<bool>(subscribe_atom::value, subscriber);
  subscriber = nullptr;
  scheduler.run();
  BOOST_TEST(ended);
}

BOOST_AUTO_TEST_CASE(strange_messages_do_not_end_it) {
  begin({});
  caf::anon_send(actor, std::string{"what?"}, 7);
  caf::anon_send(actor, caf::make_error(caf::exit_reason::unhandled_exception));
  caf::anon_send(actor, caf::message{});
  scheduler.run();
  tell({"a", {}});
  BOOST_TEST(counter("telemetry.events") == 1);
}

BOOST_AUTO_TEST_CASE(events_survive_a_caf_round_trip) {
  event sent{"x", {{"i", std::int64_t{-7}}, {"d", 0.1}, {"s", "text"}, {"empty", ""}}};
  std::vector<char> bytes;
  caf::binary_serializer sink{system, bytes};
  BOOST_TEST(!sink(sent));
  event received{"old", {{"old", 1.0}}};
  caf::binary_deserializer source{system, bytes};
  BOOST_TEST(!source(received));
  BOOST_TEST((received == sent));
}

BOOST_AUTO_TEST_SUITE_END()
