#include "tests/sim/probes.hpp"

#include <set>

namespace swarm::campaign {

const std::vector<probe>& probes() {
  static const std::vector<probe> table{
      // The step: actors/training/coordinator_step.cpp.
      {"rework", "a gather found microbatches held by nobody or twice"},
      {"worker_silent", "a worker did not answer a gather or a reduce in time"},
      {"reduce_failed", "an all-reduce attempt failed; another one was opened"},
      {"reduce_repaired", "a member of an all-reduce died, and it went on without"},
      {"reduce_stands", "nothing moved in an all-reduce; whoever was in the way was left out"},
      {"worker_diverged", "a member reported another sum, or other weights, than its group"},
      {"peer_dropped", "a worker was left out, and why was said"},
      {"lease_failed", "a trainer gave a microbatch back"},
      {"stage_empty", "a stage had no serving worker"},
      {"stage_behind", "a stage had nobody at the version a new coordinator found"},
      // The office: actors/training/coordinator.cpp.
      {"coordinator_leads", "a candidate was elected"},
      {"coordinator_took_over", "it went on where the last one had stopped"},
      {"coordinator_stands_down", "it met a higher term"},
      {"overtaken", "it met workers at a newer version than its own"},
      {"commit_finished", "it found a step half committed and finished it"},
      // The rescue and moves: actors/training/coordinator_rescue.cpp, actors/stage/replicator.cpp.
      {"rescue_begins", "a stage had nobody for too long"},
      {"stage_unseen", "the leader saw a stage no more, but others did"},
      {"rescued", "every stage had a copy of one version; the run went back to it"},
      {"resumed", "all peers were new; the run went on from what they had kept"},
      {"restored", "a worker went back to that version"},
      {"peer_moved", "a peer was sent into an empty stage"},
      {"stage_needs_peer", "a stage was empty and nobody could be spared"},
      {"stage_lost", "no version of which every stage had a copy"},
      {"copies_kept", "every stage's copy of a version is backed up"},
      {"copies_late", "a step has waited for copies in vain"},
      {"copies_missing", "that took too long"},
      {"backup", "a copy of another stage's state was fetched"},
      {"no_room_for_copy", "a copy was not kept, for want of memory"},
      {"moves", "a peer restarted in another stage"},
      {"move_granted", "a peer was allowed to leave its stage"},
      {"rebalanced", "and left it"},
      // An averager: actors/averaging/averager.cpp.
      {"wrong_part: Nobody asked for this; report the sender.",
       "a part of an attempt that its receiver does not know (yet)"},
      // A worker: actors/stage/stage_worker.cpp.
      {"refetch: missed that the run went back", "a worker was away while it did"},
      {"refetch: missed a commit", "a worker found out that it was left behind"},
      {"refetch: missed a reduce", "the others reduced without it"},
      {"damaged_frame", "a frame did not survive the way"},
      // A joiner: actors/stage/joiner.cpp.
      {"joining", "a joiner told how far it is"},
      {"fetching", "a worker began to fetch its stage's state"},
      {"waits_turn",
       "a joiner waits until others are through, of which half as many fetch as serve"},
      {"fetched", "all of it arrived"},
      {"joined", "a newcomer serves with it"},
      {"followed", "and followed a step in progress with weight zero"},
      {"fetch_failed: no donor", "nobody has the stage's state"},
      {"refetch: missed a step while following", "it asks again for what has missed it"},
      {"fetch_failed: the state does not fit this stage", "its engine refused a shard"},
      {"fetch_failed: a followed step could not be applied", "its engine refused it"},
  };
  return table;
}

std::vector<std::string> unknown_events(const std::map<std::string, uint64_t>& events) {
  std::set<std::string> known{"step", "serving"};
  for (const auto& one : probes())
    known.insert(one.event);
  std::vector<std::string> result;
  for (const auto& [name, count] : events)
    if (known.count(name) == 0) result.push_back(name);
  return result;
}

}  // namespace swarm::campaign
