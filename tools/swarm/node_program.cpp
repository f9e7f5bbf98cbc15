#include "tools/swarm/node_program.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "tools/options/option_table.hpp"
#include "tools/processes/child_process.hpp"
#include "tools/report/one_line.hpp"

namespace swarm::tools {

std::string node_program() {
  const auto own = own_program();
  const auto beside = own.substr(0, own.rfind('/') + 1) + "swarm_node";
  return access(beside.c_str(), X_OK) == 0 ? beside : tree_program("tools/swarm/swarm_node");
}

int become_node(int argc, const char* const* argv) {
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
