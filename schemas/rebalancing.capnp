# rebalancing.capnp: where peers serve, and the copies from which a lost stage comes back.
#
#   Every stage peer has a replicator, which outlives its worker. When a Commit says so, each worker
#   leaves a copy of its state with its own replicator. Those of other stages, the backups, fetch it
#   from there (state.capnp, StateRequest to a replicator). The coordinator asks for inventories
#   until every stage's copy is backed up, and only then has the next ones made.
#
#     A stage is empty, or cannot make the step that others have made:
#
#     coordinator           all replicators      one of a stage with most to spare    all workers
#        |-- InventoryRequest ---->|                           |                         |
#        |<------------ Inventory -|                           |                         |
#        |-- MoveOrder --------------------------------------->|  serves the empty stage |
#        |-- Restore (step.capnp): the newest version that every stage can offer ------->|
#
#     A peer that would be of more use elsewhere asks first:
#
#     replicator                                  coordinator that leads
#        |-- MoveRequest ------------------------------>|   one at a time and stage, never the last
#        |<--------------------------------- MoveAnswer |   one; answered between two steps

@0xb1f3b0a9d1c7e00b;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("swarm::schemas");

using WorkerId = import "/schemas/identity.capnp".WorkerId;

struct InventoryRequest {
  # Coordinator -> every replicator. May be repeated.

  term @0 :UInt64;
}

struct Inventory {
  # The reply: which states its process can hand over.

  struct Item {
    stage @0 :UInt32;
    version @1 :Int64;
    history @2 :UInt64;
  }
  items @0 :List(Item);
  # At most 64.

  seen @1 :UInt64;
  # Bit s: this process sees a worker that serves stage s. A stage that others see is not lost,
  # whatever the coordinator sees.
}

struct MoveOrder {
  # Coordinator, or a rebalancer that it has granted a move -> replicator: serve this stage from now
  # on. What the worker held is lost, as if it had died. Repeating it is harmless. Refused
  # (lowerTerm) when the replicator has heard a higher term, here or in an InventoryRequest: of two
  # leaders each could send one of a stage's last two workers away.

  term @0 :UInt64;
  stage @1 :UInt32;
}

struct MoveDone {
  # The reply: the stage that it serves now.

  stage @0 :UInt32;
}

struct MoveRequest {
  # Replicator -> the coordinator that leads: may this worker leave its stage for another?

  worker @0 :WorkerId;
  from @1 :UInt32;
  to @2 :UInt32;
}

struct MoveAnswer {
  # The reply, between two steps. A grant is for now; it lapses when the worker is seen in the other
  # stage, or after a while.

  enum Verdict {
    granted @0;
    unknownWorker @1;
    # Not announced, or another life of its peer is.
    wrongSource @2;
    # It does not serve that stage.
    unknownStage @3;
    sameStage @4;
    sourceBusy @5;
    # Another worker is leaving that stage, or coming to it.
    targetBusy @6;
    lastOfStage @7;
    # Nobody else would serve the stage.
    alreadyMoving @8;
    arbiterIsNew @9;
    # What an earlier leader granted may still be under way: ask later.
    notLeading @10;
    # Ask the one that leads.
  }
  verdict @0 :Verdict;

  term @1 :UInt64;
  # Of the leader, for the MoveOrder.
}
