// `swarm`: a swarm of operating system processes, on this machine or on many.

#include <cstdio>
#include <string>

#include "tools/options/option_table.hpp"
#include "tools/report/one_line.hpp"
#include "tools/report/standard_streams.hpp"
#include "tools/swarm/commands.hpp"
#include "tools/swarm/node_program.hpp"

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
    {"plan", &tools::run_plan, "Plans a run for given peers: stages, speed, hours, money."},
    {"status", &tools::run_status, "Shows a running swarm on one screen."},
    {"doctor", &tools::run_doctor, "Tries what a peer needs, step by step, and says what fails."},
    {"stop", &tools::run_stop, "Ends the swarm or the peer that uses a folder."},
    {"show", &tools::run_show, "Prints a run's description or a token, without its secret."},
};

constexpr const char* help_flag = "--help";

std::string help() {
  std::string text = "usage: swarm COMMAND [options]\n\n";
  char line[128];
  for (const auto& c : commands) {
    std::snprintf(line, sizeof(line), "  %-8s %s\n", c.name, c.sentence);
    text += line;
  }
  return text +
         "\nswarm COMMAND --help lists what the command takes; swarm --version tells who "
         "can talk to whom.\n";
}

int no_such(const std::string& name) {
  std::string all;
  for (const auto& c : commands)
    all += (all.empty() ? "" : ", ") + std::string{c.name};
  std::fprintf(stderr, "swarm: there is no command '%s', only %s.\n", tools::one_line(name).c_str(),
               all.c_str());
  return tools::exit_usage;
}

int dispatch(int argc, const char* const* argv) {
  if (argc < 2) {
    std::fputs(help().c_str(), stderr);
    return tools::exit_usage;
  }
  std::string name = argv[1];
  if (name == "--version") return tools::become_node(1, argv + 1);
  const bool asks = name == "help" || name == help_flag || name == "-h";
  if (asks && argc < 3) {
    std::fputs(help().c_str(), stdout);
    return tools::exit_success;
  }
  if (asks) name = argv[2];
  for (const auto& c : commands) {
    if (name != c.name) continue;
    const char* const question[] = {c.name, help_flag};
    return asks ? c.run(2, question) : c.run(argc - 1, argv + 1);
  }
  return no_such(name);
}

}  // namespace

int main(int argc, char** argv) {
  tools::open_standard_streams();
  return tools::checked_output("swarm", dispatch(argc, argv));
}
