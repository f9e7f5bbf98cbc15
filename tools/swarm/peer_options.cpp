#include "tools/swarm/peer_options.hpp"

#include <optional>

#include "actors/rebalancing/policy.hpp"
#include "tools/report/one_line.hpp"

namespace swarm::tools {

using namespace std::chrono_literals;

option_table peer_table(peer_options& options) {
  option_table table{"swarm peer", "Serves one stage of a run; picks the one that needs it most."};
  add_network_options(table, options.net, true);
  table
      .add(options.run, "run",
           "The run's description, the file run.swarm; empty: it is asked for in the run's DHT.",
           "path")
      .add(options.stage, "stage",
           "The stage to serve, counted from 0; -1: the one that needs it most.", "stage",
           choose_stage_itself, 1'023)
      .add(options.begin, "begin",
           "The run has not begun: take the weights that follow from its seed instead of fetching "
           "them from another worker. Never for a run that has made a step.")
      .add(options.keep_state, "keep-state",
           "Writes the stage's state into --state-dir before each step counts as done, so that the "
           "run survives the loss of all its machines.")
      .add(options.keep_copies, "keep-copies",
           "Writes the copies that a lost stage comes back from into --state-dir, too, behind the "
           "training's back: the run survives the loss of all its machines with the loss of some "
           "steps, see train --copy-every.")
      .add(options.backup_mib, "backup-memory",
           "Memory for copies that a lost stage comes back from; what is above it is only on the "
           "disk (--keep-copies), or not kept. 0: no limit.",
           "MiB", 0, 1 << 24)
      .add(options.rebalance, "rebalance",
           "When this peer moves to another stage: none (never), throughput (when the whole run "
           "gains), queue (the rule of the SWARM paper).")
      .add(options.rebalance_period, "rebalance-period", "Time between two such decisions.", 1s,
           24h)
      .add(options.cache_mib, "activation-cache", "Memory for graphs that wait for their backward.",
           "MiB", 16, 1 << 20)
      .add(options.join_timeout, "join-timeout", "How long it looks for the run.", 1s, 24h)
      .add(options.leave_timeout, "leave-timeout", "How long it takes to leave at most.", 0ms, 1h);
  table.add_check([&options]() -> std::optional<std::string> {
    if ((options.keep_state || options.keep_copies) && options.net.state_dir.empty())
      return "--keep-state and --keep-copies need --state-dir, the folder to write to.";
    if (!rebalancing::policy_from_name(options.rebalance)) {
      return "--rebalance=" + one_line(options.rebalance) +
             " is no policy, only none, throughput and queue are.";
    }
    return std::nullopt;
  });
  return table;
}

}  // namespace swarm::tools
