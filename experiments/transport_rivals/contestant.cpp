// One process of //experiments:transport: us, a plain socket, or CAF's network layer.

#include "experiments/transport_rivals/caf_network.hpp"
#include "experiments/transport_rivals/ours.hpp"
#include "experiments/transport_rivals/raw_tcp.hpp"

int main(int argc, char** argv) {
  using namespace swarm::experiments;
  return rival_main(argc, argv,
                    {{"ours", our_way()}, {"raw", raw_tcp_way()}, {"caf", caf_network_way()}});
}
