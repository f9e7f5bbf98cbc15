# identity.capnp: who is who. Shared by every conversation.

@0xb1f3b0a9d1c7e002;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("swarm::schemas");

struct WorkerId {
  # One life of one stage worker. A restarted worker has lost its gradient sums, so it is somebody
  # else to the ledger: same peer, next incarnation.

  peer @0 :UInt64;
  incarnation @1 :UInt32;
}

struct Ticket {
  # What every request of a step carries, so that a late, repeated or reordered request can always
  # be recognised. Refused, in this order, when: the term is lower than the highest seen; the step
  # is not the worker's version; the round is not above the round the worker is frozen in.

  term @0 :UInt64;
  # Of the coordinator that leased the microbatch. A new coordinator has a higher one.

  step @1 :Int64;
  # The model's version that the numbers belong to: version = number of committed steps.

  microbatch @2 :Int64;
  # Index within the step's global batch.

  round @3 :UInt32;
  # The attempt of this step; every gather closes one. Starts at 1.
}
