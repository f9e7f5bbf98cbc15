#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/peer/peer_ids.hpp"
#include "tools/options/option_table.hpp"
#include "tools/report/one_line.hpp"
#include "tools/run/run_files.hpp"
#include "tools/swarm/commands.hpp"
#include "tools/swarm/session.hpp"

namespace swarm::tools {

using namespace std::chrono_literals;

namespace {

constexpr int64_t seconds_per_day = 24 * 3600;

/// Prints each step and remembers whether one failed.
class findings {
 public:
  void good(const char* step, const std::string& what) {
    std::printf("ok    %-12s %s\n", step, one_line(what).c_str());
  }
  void bad(const char* step, const std::string& what) {
    failed_ = true;
    std::printf("FAIL  %-12s %s\n", step, one_line(what).c_str());
  }
  void skip(const char* step, const std::string& why) {
    std::printf("-     %-12s %s\n", step, one_line(why).c_str());
  }
  bool failed() const { return failed_; }

 private:
  bool failed_ = false;
};

void check_token(const identity::join_token& token, findings& found) {
  const auto days = (token.not_after_s - unix_now_ms() / 1000) / seconds_per_day;
  found.good("token", "peer " + peer::short_name(identity::peer_id_of(token.peer.key())) +
                          " of run '" + token.run_name + "', valid for " + std::to_string(days) +
                          " days");
}

/// What to do about a dial that failed, as far as the failure itself does not say.
std::string advice_on(const std::string& failure) {
  for (const char* told : {"check ", " MTU "})
    if (failure.find(told) != std::string::npos) return "";
  if (failure.find("certificate") != std::string::npos) return ". Use a token of this run";
  return ". Check the address, that a peer runs there, and the firewalls between";
}

/// Somebody of the run is connected.
bool check_dial(const network_options& options, session& here, stop_signals& signals,
                std::chrono::milliseconds limit, findings& found) {
  if (here.reach_somebody(signals, limit)) {
    const auto known = here.node().neighbours();
    found.good("dial", "connected to " + std::to_string(known.size()) + ", the first at " +
                           (known[0].announce.empty() ? "no address" : known[0].announce));
    return true;
  }
  const auto& why = here.last_failure();
  const auto where = options.join.empty() ? "the token's addresses" : options.join;
  found.bad("dial", where + ": " + (why.empty() ? "no answer" : why) + advice_on(why));
  return false;
}

/// Before whatever a wrong clock would make fail for another reason.
bool check_clock(session& here, findings& found) {
  if (const auto why = here.clock_complaint()) {
    found.bad("clock", *why);
    return false;
  }
  found.good("clock", "agrees with that of every peer that is connected");
  return true;
}

/// How many stages the run has; 0: not known.
int32_t check_description(session& here, stop_signals& signals, std::chrono::milliseconds limit,
                          findings& found) {
  const auto described = here.describe(signals, limit);
  if (const auto* run = std::get_if<identity::run_description>(&described)) {
    found.good("description", identity::description_hash(*run) + ", protocol version " +
                                  std::to_string(run->protocol) + ", signed by the run's key");
    return run->stages;
  }
  found.bad("description", std::get<std::string>(described));
  return 0;
}

void check_dial_back(const network_options& options, session& here, findings& found) {
  const auto reached = options.announce.empty() ? here.node().address() : options.announce;
  if (reached.empty()) {
    return found.good("dial back",
                      "not tried: without --bind it only dials, and others reach it "
                      "through those it dialled");
  }
  const auto known = here.node().neighbours();
  if (known.empty()) return;
  const auto who = here.node().probe_from(known[0].peer, reached);
  if (who) return found.good("dial back", known[0].announce + " reaches " + reached);
  found.bad("dial back", known[0].announce + " does not reach " + reached + " (" +
                             here.system().render(who.error()) +
                             "): open the port, or give the address that others see as --announce");
}

void check_donors(const std::vector<process_status>& all, int32_t stages, findings& found) {
  for (int32_t s = 0; s < stages; ++s) {
    std::vector<uint64_t> serving;
    for (const auto& p : all)
      for (const auto& m : p.members)
        if (m.role == "stage worker" && m.stage == s && m.state == "serving" && m.peer == p.peer)
          serving.push_back(m.peer);
    if (serving.empty()) {
      found.bad("donors", "nobody serves stage " + std::to_string(s) +
                              ": start a peer with --stage=" + std::to_string(s));
    } else {
      found.good("donors",
                 "stage " + std::to_string(s) + ": " + std::to_string(serving.size()) + " serving");
    }
  }
}

int doctor(const network_options& options, std::chrono::milliseconds timeout,
           stop_signals& signals) {
  findings found;
  auto token = load_token(options.token, unix_now_ms());
  if (const auto* why = std::get_if<std::string>(&token)) {
    found.bad("token", *why);
    return exit_failure;
  }
  check_token(std::get<identity::join_token>(token), found);
  session::role role;
  role.agent = "swarm doctor";
  role.observer = true;
  auto opened = session::open(options, role);
  if (const auto* why = std::get_if<std::string>(&opened)) {
    found.bad("bind", *why + ". Choose a free port of an address that this machine has");
    return exit_failure;
  }
  auto& here = *std::get<std::unique_ptr<session>>(opened);
  if (!options.bind.empty()) found.good("bind", here.node().address());
  if (!check_dial(options, here, signals, timeout, found)) return exit_failure;
  int32_t stages = 0;
  if (check_clock(here, found))
    stages = check_description(here, signals, timeout, found);
  else
    found.skip("description", "not looked for: by a wrong clock it looks expired");
  check_dial_back(options, here, found);
  check_donors(here.ask_everybody(0), stages, found);
  return found.failed() ? exit_failure : exit_success;
}

}  // namespace

int run_doctor(int argc, const char* const* argv) {
  network_options options;
  std::chrono::milliseconds timeout = 5s;
  option_table table{"swarm doctor",
                     "Tries what a peer needs, step by step, and says what fails and what to do."};
  add_network_options(table, options, true);
  table.add(timeout, "timeout", "How long each step may take.", 100ms, 10min);
  return run_main(argc, argv, table, [&] {
    stop_signals signals;
    return doctor(options, timeout, signals);
  });
}

}  // namespace swarm::tools
