#include "tools/swarm/train_options.hpp"

namespace swarm::tools {

using namespace std::chrono_literals;

option_table train_table(train_options& options) {
  option_table table{"swarm train", "Trains: draws batches, leads or stands by."};
  add_network_options(table, options.net, true);
  table
      .add(options.run, "run",
           "The run's description, the file run.swarm; empty: it is asked for in the run's DHT.",
           "path")
      .add(options.data, "data", "The run's corpus, if it does not lie where the description says.",
           "path")
      .add(options.begin, "begin",
           "The run has not begun, and this trainer leads from step 0. For one trainer of a run, "
           "once.")
      .add(options.in_flight, "in-flight",
           "Microbatches of this trainer in the pipeline at a time.", "microbatches", 1, 65'536)
      .add(options.line_every, "line-every", "Steps between two lines of progress.", "steps", 1,
           1'000'000)
      .add(options.eval_batches, "eval-batches", "Microbatches of the validation at the end.",
           "microbatches", 0, 65'536)
      .add(options.result, "result", "File for the result, one JSON object; empty: none.", "path")
      .add(options.join_timeout, "join-timeout", "How long it looks for the run.", 1s, 24h)
      .add(options.leave_timeout, "leave-timeout", "How long it takes to leave at most.", 0ms, 1h)
      .add(
          options.copy_every, "copy-every",
          "Steps that are lost at most when a stage has lost all its peers and comes back from the "
          "copies of its state in processes of other stages; 0: no copies.",
          "steps", 0, 1'000'000)
      .add(options.copy_wait, "copy-wait",
           "A step waits so long for copies that are late, then goes on without: until they come, "
           "more than --copy-every steps can be lost.",
           0ms, 1h)
      .add(options.rescue_after, "rescue-after",
           "A stage that nobody serves for so long is rescued: a peer moves in if need be, and the "
           "run goes back to the newest step of which every stage has a copy; 0: it waits.",
           0ms, 24h)
      .add(options.election_timeout, "election-timeout",
           "Nobody leads for so long: a trainer takes over.", 100ms, 10min)
      .add(options.call_timeout, "call-timeout",
           "So long a call waits at a stage that has not answered any yet; later ones wait as long "
           "as the stage usually takes, and more. Then it is made elsewhere.",
           100ms, 1h);
  return table;
}

}  // namespace swarm::tools
