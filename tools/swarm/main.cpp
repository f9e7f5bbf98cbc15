// `swarm`: a swarm of operating system processes, on this machine or on many.

#include <cstdio>
#include <cstring>
#include <string>

#include "tensors/engine/cpu_kernels.hpp"
#include "tools/options/option_table.hpp"
#include "tools/swarm/commands.hpp"

namespace {

using namespace swarm;

struct command {
  const char* name;
  int (*run)(int argc, const char* const* argv);
  const char* sentence;
};

constexpr command commands[] = {
    {"keygen", &tools::run_keygen, "Makes a run: its key, its description, a token per peer."},
    {"up", &tools::run_up, "Runs a whole swarm of processes on this machine and watches over it."},
    {"peer", &tools::run_peer, "Serves one stage of a run; picks the one that needs it most."},
    {"train", &tools::run_train, "Trains: draws batches, leads or stands by."},
    {"status", &tools::run_status, "Shows a running swarm on one screen."},
    {"doctor", &tools::run_doctor, "Tries what a peer needs, step by step, and says what fails."},
    {"stop", &tools::run_stop, "Ends the swarm or the peer that uses a folder."},
    {"show", &tools::run_show, "Prints a run's description or a token, without its secret."},
};

void print_help(std::FILE* to) {
  std::fprintf(to, "usage: swarm COMMAND [options]\n\n");
  for (const auto& c : commands)
    std::fprintf(to, "  %-8s %s\n", c.name, c.sentence);
  std::fprintf(to, "\nswarm COMMAND --help lists what the command takes.\n");
}

}  // namespace

int main(int argc, char** argv) {
  tensors::tune_and_reexec(argc, argv);
  if (argc < 2 || std::strcmp(argv[1], "help") == 0 || std::strcmp(argv[1], "--help") == 0) {
    print_help(argc < 2 ? stderr : stdout);
    return argc < 2 ? tools::exit_usage : tools::exit_success;
  }
  for (const auto& c : commands)
    if (std::strcmp(c.name, argv[1]) == 0) return c.run(argc - 1, argv + 1);
  std::fprintf(stderr, "swarm: there is no command '%s'; 'swarm help' lists them.\n", argv[1]);
  return tools::exit_usage;
}
