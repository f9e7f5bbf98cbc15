// The commands that become `swarm_node`: a wrong command line is told without loading LibTorch.

#include "tools/options/option_table.hpp"
#include "tools/swarm/commands.hpp"
#include "tools/swarm/node_program.hpp"
#include "tools/swarm/peer_options.hpp"
#include "tools/swarm/train_options.hpp"

namespace swarm::tools {

int run_peer(int argc, const char* const* argv) {
  peer_options options;
  auto table = peer_table(options);
  return run_main(argc, argv, table, [&] { return become_node(argc, argv); });
}

int run_train(int argc, const char* const* argv) {
  train_options options;
  auto table = train_table(options);
  return run_main(argc, argv, table, [&] { return become_node(argc, argv); });
}

}  // namespace swarm::tools
