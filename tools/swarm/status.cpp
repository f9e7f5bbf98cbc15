#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tools/options/option_table.hpp"
#include "tools/report/one_line.hpp"
#include "tools/report/standard_streams.hpp"
#include "tools/run/run_files.hpp"
#include "tools/swarm/commands.hpp"
#include "tools/swarm/session.hpp"
#include "tools/swarm/status_screen.hpp"

namespace swarm::tools {

using namespace std::chrono_literals;

namespace {

constexpr auto look_again = 100ms;
/// As many looks without a newcomer mean that everybody is there.
constexpr int quiet_looks = 4;

struct status_options {
  network_options net;
  std::chrono::milliseconds timeout = 5s;
  std::chrono::seconds every{0};
  int64_t events = 10;
  bool json = false;
};

int complain(const std::string& sentence) {
  std::fprintf(stderr, "swarm status: %s\n", one_line(sentence).c_str());
  return exit_failure;
}

/// Until those who know each other have introduced everybody.
bool meet(session& here, stop_signals& signals, std::chrono::milliseconds limit) {
  if (!here.reach_somebody(signals, limit)) return false;
  size_t known = 0;
  int quiet = 0;
  for (auto waited = 0ms; waited < limit; waited += look_again) {
    if (signals.wait(look_again)) return false;
    here.events(0ms, {});
    const auto now = here.node().neighbours().size();
    quiet = now == known ? quiet + 1 : 0;
    known = now;
    if (known != 0 && quiet >= quiet_looks) return true;
  }
  return known != 0;
}

int status(const status_options& options, stop_signals& signals) {
  session::role role;
  role.agent = "swarm status";
  role.observer = true;
  role.listens = false;
  auto opened = session::open(options.net, role);
  if (const auto* why = std::get_if<std::string>(&opened)) return complain(*why);
  auto& here = *std::get<std::unique_ptr<session>>(opened);
  if (!meet(here, signals, options.timeout)) {
    const auto& why = here.last_failure();
    return complain("nobody answered within " + std::to_string(options.timeout.count() / 1000) +
                    " s: check --join" + (why.empty() ? "" : " (" + why + ")"));
  }
  int32_t stages = 0;
  const auto described = here.describe(signals, 1s);
  if (const auto* run = std::get_if<identity::run_description>(&described)) stages = run->stages;
  do {
    const auto all = here.ask_everybody(static_cast<uint32_t>(options.events));
    if (options.json)
      std::printf("%s\n", status_json(all).dump().c_str());
    else
      std::printf("%s", status_screen(all, stages).c_str());
    std::fflush(stdout);
    // Its reader may have gone.
  } while (options.every.count() != 0 && !output_failed() && !signals.wait(options.every));
  return exit_success;
}

}  // namespace

int run_status(int argc, const char* const* argv) {
  status_options options;
  option_table table{"swarm status", "Shows a running swarm on one screen."};
  add_network_options(table, options.net, false);
  table.add(options.timeout, "timeout", "How long it looks for the run.", 100ms, 10min)
      .add(options.every, "every", "Shows it again and again; 0: once.", 0s, 24h)
      .add(options.events, "events", "The latest events of each process.", "events", 0, 64)
      .add(options.json, "json", "One JSON object instead of a screen.");
  return run_main(argc, argv, table, [&] {
    stop_signals signals;
    return status(options, signals);
  });
}

}  // namespace swarm::tools
