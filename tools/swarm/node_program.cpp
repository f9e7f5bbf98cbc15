#include "tools/swarm/node_program.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "tools/options/option_table.hpp"
#include "tools/processes/child_process.hpp"
#include "tools/report/memory_limit.hpp"
#include "tools/report/one_line.hpp"

namespace swarm::tools {

namespace {

/// LibTorch 1.13 and its libraries map 0.9 GB, newer ones more; the rest is for the first threads.
constexpr rlim_t address_space_bytes_min = rlim_t{2} << 30;

}  // namespace

std::optional<std::string> node_refusal() {
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur >= address_space_bytes_min)
    return std::nullopt;
  return "this process may take " + bytes_text(static_cast<double>(limit.rlim_cur)) +
         " of address space (ulimit -v), and LibTorch takes up to " +
         bytes_text(static_cast<double>(address_space_bytes_min)) +
         " before it has computed anything: raise the limit.";
}

std::string node_program() {
  const auto own = own_program();
  const auto beside = own.substr(0, own.rfind('/') + 1) + "swarm_node";
  return access(beside.c_str(), X_OK) == 0 ? beside : tree_program("tools/swarm/swarm_node");
}

int become_node(int argc, const char* const* argv) {
  if (const auto why = node_refusal()) {
    std::fprintf(stderr, "swarm: %s\n", why->c_str());
    return exit_failure;
  }
  const auto program = node_program();
  std::vector<char*> arguments{const_cast<char*>("swarm")};
  for (int i = 0; i < argc; ++i)
    arguments.push_back(const_cast<char*>(argv[i]));
  arguments.push_back(nullptr);
  execv(program.c_str(), arguments.data());
  std::fprintf(stderr,
               "swarm: %s cannot be started (%s): it is built with the target //tools:swarm and "
               "belongs beside this program.\n",
               one_line(program).c_str(), std::strerror(errno));
  return exit_failure;
}

}  // namespace swarm::tools
