# state.capnp: who fetches a stage's state <-> who has it.
#
#   receiver                        donors
#      |-- StateRequest(shard 0) ----->|   several are asked, for several shards at once
#      |-- StateRequest(shard 1) ----->|
#      |<-- StateChunk(version v) -----|
#      |<-- StateChunk(version v+1) ---|   ... each at the donor's own weights when it answers
#
# A state is a run of flat elements, each with its parameter and both moments. It travels in shards
# of as many elements as the receiver asks for. A worker that serves answers with the weights that
# it stands at, a replicator with a copy that it keeps, and whoever is fetching the same state with
# what has come already. The receiver carries the steps of the stage out on the shards that it has
# and asks again for a shard that has missed one. Nothing is kept for a receiver between two
# questions. A receiver without a donor waits and says so: it never starts from fresh weights.

@0xb1f3b0a9d1c7e006;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("swarm::schemas");

using Attempt = import "/schemas/step.capnp".Attempt;

struct StateRequest {
  stage @0 :UInt32;
  version @1 :Int64;
  # -1 asks for the weights that a worker stands at, or a replicator's newest copy.
  firstElement @2 :UInt64;

  newerThan @3 :Int64 = -1;
  # With version -1: refused (noState) unless what is there is newer than (newerThanHistory, this).
  newerThanHistory @4 :UInt64;

  history @5 :UInt64 = 0xffffffffffffffff;
  # Of `version`. Without it: the latest that has this version.
  elements @6 :UInt32;
  # Of a shard, at most shard_elements_max; the last one of a state may be shorter.
}

struct StateChunk {
  version @0 :Int64;
  totalElements @1 :UInt64;
  # Of the whole state.
  firstElement @2 :UInt64;
  bytes @3 :Data;
  # Three rows of f32: parameters, first and second moments of the shard's elements.
  checksum @4 :UInt64;
  # XXH3-64 of `bytes`.

  committed @5 :Attempt;
  scale @6 :Float64;
  counted @7 :UInt32;
  # The commit that made this version, as in Position: should all who applied it die, a new
  # coordinator must still be able to finish it at stages that have not.

  history @8 :UInt64;
  # Of `version`.
  present @9 :Data;
  # Bit i of byte i/8: the donor has shard i, counted in the length that was asked for. Empty: all.
  also @10 :List(UInt64);
  # Histories that these weights belong to, too: the first is the one that they were made in, the
  # others began with them when the run went back. At most 5.
}
