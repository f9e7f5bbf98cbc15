#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "tests/chaos/rig.hpp"
#include "tools/processes/free_ports.hpp"
#include "tools/run/run_files.hpp"

// `swarm doctor` names the step that fails, the address, the cause and what to do; `swarm status`
// shows what there is.

using namespace swarm;
using namespace std::chrono_literals;

namespace {

struct patient {
  static chaos::rig::shape shape() {
    chaos::rig::shape what;
    what.peers = 1;
    what.trainers = 1;
    what.steps = 100'000;
    return what;
  }

  patient() : run("doctor", shape()) { run.begin(); }

  chaos::printed ask(std::vector<std::string> flags) {
    flags.insert(flags.begin(), "doctor");
    flags.emplace_back("--timeout=2s");
    return chaos::run_once(flags);
  }

  std::string token() const { return "--token=" + run.token(6); }
  std::string join() const { return "--join=" + run.address(run.peer(0, 0)); }

  chaos::rig run;
};

/// The step has failed, no other, and its line has these words.
void fails(const chaos::printed& what, const std::string& step,
           const std::vector<std::string>& words) {
  BOOST_TEST(what.exit_code == 1, what.text);
  const auto at = what.text.find("FAIL  " + step);
  BOOST_REQUIRE_MESSAGE(at != std::string::npos, step << " does not fail: " << what.text);
  const auto line = what.text.substr(at, what.text.find('\n', at) - at);
  for (const auto& word : words)
    BOOST_TEST(line.find(word) != std::string::npos, "'" << word << "' in: " << line);
  BOOST_TEST(what.text.find("FAIL", at + 1) == std::string::npos, what.text);
}

}  // namespace

BOOST_FIXTURE_TEST_CASE(doctor_names_what_fails, patient) {
  const auto well = ask({token(), join(), "--bind=127.0.0.1:0"});
  BOOST_TEST(well.exit_code == 0, well.text);
  BOOST_TEST(well.text.find("FAIL") == std::string::npos, well.text);
  for (const char* step : {"token", "bind", "dial", "description", "clock", "dial back", "donors"})
    BOOST_TEST(well.text.find("ok    " + std::string{step}) != std::string::npos, well.text);

  fails(ask({"--token=swarm1.abcdef", join()}), "token", {"cut off", "copy all of its line"});

  const auto other = chaos::scratch("doctor-other");
  chaos::make_run(other, chaos::small_model(2, 10), 1);
  fails(ask({"--token=" + tools::token_file(other, 1), join()}), "dial",
        {run.address(run.peer(0, 0)), "certificate"});

  const auto nobody = "127.0.0.1:" + std::to_string(tools::free_ports(1).at(0));
  fails(ask({token(), "--join=" + nobody}), "dial", {nobody, "refused", "Check the address"});

  const auto busy = run.address(run.peer(0, 0));
  fails(ask({token(), join(), "--bind=" + busy}), "bind", {busy, "in use", "Choose a free port"});

  fails(ask({token(), join(), "--bind=127.0.0.1:0", "--announce=" + nobody}), "dial back",
        {nobody, "open the port"});

  run.all().kill(run.peer(1, 0));
  fails(ask({token(), join()}), "donors", {"stage 1", "start a peer with --stage=1"});
}

BOOST_FIXTURE_TEST_CASE(status_shows_stages_peers_and_the_step, patient) {
  BOOST_REQUIRE(run.until_serving(run.peer(1, 0)));
  const auto screen = chaos::run_once({"status", token(), join()});
  BOOST_TEST(screen.exit_code == 0, screen.text);
  for (const char* word : {"stage", "peer", "trainer", "step", "loss"})
    BOOST_TEST(screen.text.find(word) != std::string::npos, "'" << word << "' in: " << screen.text);
  const auto told = chaos::run_once({"status", token(), join(), "--json"});
  BOOST_TEST(told.exit_code == 0, told.text);
  const auto json = nlohmann::json::parse(told.text, nullptr, false);
  BOOST_REQUIRE_MESSAGE(json.is_object(), told.text);
  BOOST_TEST(json["step"].get<int64_t>() > 0);
  BOOST_TEST(json["processes"].size() == 3U);
}
