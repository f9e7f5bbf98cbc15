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
  # Which global batch the microbatch is of. Step t runs on version t = the number of committed
  # steps.

  microbatch @2 :Int64;
  # Index within the step's global batch.

  round @3 :UInt32;
  # The attempt of this step; every gather closes one at the stage that it asks. Starts at 1.

  patienceMs @4 :UInt32;
  # So long after sending the sender gives the request up: whoever takes it from a queue later drops
  # it. 0: it does not say.

  forShare @5 :Bool;
  lostMember @6 :UInt32;
  share @7 :UInt32;
  # With forShare the gradient is added to this share of a lost member's microbatches
  # (Reduce.losses) and not to the worker's own sum; `round` is then the attempt of that Reduce.

  history @8 :UInt64;
  version @9 :Int64 = -1;
  # The weights that the numbers belong to; -1: those of version `step`, of whatever history.
}
