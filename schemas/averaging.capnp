# averaging.capnp: averager <-> averager, the butterfly all-reduce inside one stage.
#
# The flat gradient is cut into one slice per contributing member. Everybody sends each slice to
# its owner in parts; the owner adds the parts in member order and sends the sum to everybody.
#
#   member 0          member 1
#      |-- Part(slice 1, own) ->|       (and the mirror image for slice 0)
#      |<- Part(slice 1, sum) --|
#
# A part may arrive before the Reduce that explains it: it waits, within a limit. A repeat is
# ignored. A lost part stalls the round; the coordinator's timeout ends it and opens the next.

@0xb1f3b0a9d1c7e005;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("swarm::schemas");

using Tensor = import "/schemas/tensor.capnp".Tensor;
using WorkerId = import "/schemas/identity.capnp".WorkerId;

struct Part {
  term @0 :UInt64;
  step @1 :Int64;
  round @2 :UInt32;
  sender @3 :WorkerId;
  slice @4 :UInt32;
  # Index of the contributing member that owns it.
  part @5 :UInt32;
  reduced @6 :Bool;
  # False: the sender's own sum, for the owner. True: the finished sum, from the owner.
  values @7 :Tensor;
  # f32 or i64, one dimension.
}
