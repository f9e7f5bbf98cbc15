#include <signal.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "tools/options/option_table.hpp"
#include "tools/processes/signals.hpp"
#include "tools/processes/state_folder.hpp"
#include "tools/report/one_line.hpp"
#include "tools/report/user_path.hpp"
#include "tools/swarm/commands.hpp"

namespace swarm::tools {

using namespace std::chrono_literals;

namespace {

constexpr auto look_again = 100ms;

int stop(const std::string& folder, std::chrono::milliseconds patience) {
  const auto running = running_process(folder);
  if (!running) {
    std::printf("nothing uses %s\n", one_line(folder).c_str());
    return exit_success;
  }
  if (kill(*running, SIGTERM) != 0) {
    std::fprintf(stderr, "swarm stop: process %d: %s\n", *running, std::strerror(errno));
    return exit_failure;
  }
  stop_signals signals;
  for (auto waited = 0ms; running_process(folder); waited += look_again) {
    if (waited >= patience) {
      kill(*running, SIGKILL);
      std::printf("process %d did not leave within %lld s and was killed\n", *running,
                  static_cast<long long>(patience.count() / 1000));
      return exit_success;
    }
    if (signals.wait(look_again)) return exit_failure;
  }
  std::printf("process %d has left\n", *running);
  return exit_success;
}

}  // namespace

int run_stop(int argc, const char* const* argv) {
  std::string dir;
  std::chrono::milliseconds patience = 30s;
  option_table table{"swarm stop", "Ends the swarm or the peer that uses a folder."};
  table.add(dir, "dir", "The --dir of `swarm up`, or the --state-dir of a peer or trainer.", "path")
      .add(patience, "patience", "How long it may take to leave before it is killed.", 0ms, 1h);
  table.add_check([&]() -> std::optional<std::string> {
    if (dir.empty()) return "--dir names no folder.";
    return std::nullopt;
  });
  return run_main(argc, argv, table, [&] { return stop(user_path(dir), patience); });
}

}  // namespace swarm::tools
