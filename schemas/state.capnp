# state.capnp: joining worker <-> donor of the same stage.
#
#   joiner                          donor
#      |-- StateRequest(offset 0) --->|   snapshot at its version, kept for a while
#      |<-- StateChunk(version v) ----|
#      |-- StateRequest(v, offset) -->|
#      |<-- StateChunk ---------------|   ... until offset + size = total
#
# The joiner asks for the next chunk only after the last one, so a donor never queues more than one
# per joiner. A donor that has lost the snapshot of v refuses; the joiner starts again at another
# version or donor. Stewards answer the same question for the copies that they keep. A joiner
# without a donor waits and says so: it never starts from fresh weights.

@0xb1f3b0a9d1c7e006;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("swarm::schemas");

using Attempt = import "/schemas/step.capnp".Attempt;

struct StateRequest {
  stage @0 :UInt32;
  version @1 :Int64;
  # -1 asks for the donor's newest.
  offsetBytes @2 :UInt64;

  newerThan @3 :Int64 = -1;
  # With version -1: refused (noState) unless what is there is newer than this.
}

struct StateChunk {
  version @0 :Int64;
  totalBytes @1 :UInt64;
  offsetBytes @2 :UInt64;
  bytes @3 :Data;
  # At most state_chunk_bytes_max of them.
  checksum @4 :UInt64;
  # XXH3-64 of the whole snapshot; equal in every chunk of it.

  committed @5 :Attempt;
  scale @6 :Float64;
  counted @7 :UInt32;
  # The commit that made this version, as in Standing: should all who applied it die, a new
  # coordinator must still be able to finish it at stages that have not.
}
