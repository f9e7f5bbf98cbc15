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
/// Of a process that was killed: the kernel takes its memory apart.
constexpr auto end_patience = 10s;

int complain(const std::string& sentence) {
  std::fprintf(stderr, "swarm stop: %s\n", one_line(sentence).c_str());
  return exit_failure;
}

enum class waited : uint8_t { ended, too_long, interrupted };

waited wait_for(const process_handle& process, stop_signals& signals,
                std::chrono::milliseconds limit) {
  for (auto time = 0ms; !process.has_ended(); time += look_again) {
    if (time >= limit) return waited::too_long;
    if (signals.wait(look_again)) return waited::interrupted;
  }
  return waited::ended;
}

int stop(const std::string& folder, std::chrono::milliseconds patience) {
  const auto user = user_of(folder);
  if (!user.used) {
    std::printf("nothing uses %s\n", one_line(folder).c_str());
    return exit_success;
  }
  if (!user.process) {
    return complain("the folder " + folder +
                    " is in use, but which process of this machine uses it cannot be proven, so "
                    "none is signalled: end it where it was started");
  }
  const auto& process = *user.process;
  const auto name = "process " + std::to_string(process.pid());
  stop_signals signals;
  const int refused = process.signal(SIGTERM);
  if (refused != 0 && refused != ESRCH)
    return complain(name + " cannot be asked to leave: " + std::strerror(refused));
  // One that was stopped hears it only when it goes on.
  process.signal(SIGCONT);
  auto how = wait_for(process, signals, patience);
  if (how == waited::ended) {
    std::printf("%s has left\n", name.c_str());
    return exit_success;
  }
  if (how == waited::interrupted)
    return complain(name + " was asked to leave and nobody waited for it");
  process.signal(SIGKILL);
  how = wait_for(process, signals, end_patience);
  return complain(name + " did not leave within " + std::to_string(patience.count() / 1000) +
                  " s and had to be killed" +
                  (how == waited::ended ? "" : "; it has not ended yet"));
}

}  // namespace

int run_stop(int argc, const char* const* argv) {
  std::string dir;
  std::chrono::milliseconds patience = 30s;
  option_table table{"swarm stop", "Ends the swarm or the peer that uses a folder."};
  table.add(dir, "dir", "The --dir of `swarm up`, or the --state-dir of a peer or trainer.", "path")
      .add(patience, "patience",
           "How long it may take to leave before it is killed, which is exit code 1.", 0ms, 1h);
  table.add_check([&]() -> std::optional<std::string> {
    if (dir.empty()) return "--dir names no folder.";
    return std::nullopt;
  });
  return run_main(argc, argv, table, [&] { return stop(user_path(dir), patience); });
}

}  // namespace swarm::tools
