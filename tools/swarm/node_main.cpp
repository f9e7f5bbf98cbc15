// `swarm_node`: what `swarm peer` and `swarm train` become. It alone links LibTorch.

#include <cstdio>
#include <string>

#include "actors/identity/run_description.hpp"
#include "tensors/engine/version.hpp"
#include "tools/options/option_table.hpp"
#include "tools/report/one_line.hpp"
#include "tools/report/standard_streams.hpp"
#include "tools/swarm/commands.hpp"

namespace {

using namespace swarm;

int dispatch(int argc, const char* const* argv) {
  const std::string name = argc < 2 ? "" : argv[1];
  if (name == "peer") return tools::run_peer(argc - 1, argv + 1);
  if (name == "train") return tools::run_train(argc - 1, argv + 1);
  if (name == "--version") {
    std::printf("swarm, protocol version %u, LibTorch %s by its headers\n",
                identity::protocol_version, tensors::libtorch_version().c_str());
    return tools::exit_success;
  }
  std::fprintf(stderr, "swarm_node: '%s' is no command of this program, which `swarm` starts.\n",
               tools::one_line(name).c_str());
  return tools::exit_usage;
}

}  // namespace

int main(int argc, char** argv) {
  tools::open_standard_streams();
  return tools::checked_output("swarm", dispatch(argc, argv));
}
