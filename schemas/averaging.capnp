# averaging.capnp: averager <-> averager, the all-reduce inside one stage.
#
# The flat gradient is cut into parts, the same at every member; each part has an owner, who adds up
# what the contributing members have of it (actors/averaging/README.md). Nothing is sent that was
# not asked for.
#
#   owner of part p            every contributor            every member
#      |-- Want(p, own) ----------->|                             |
#      |<- Part(p, own) ------------|                             |
#      |<- Want(p, sum) -------------------------------------------|   held until p is whole
#      |-- Part(p, sum) ------------------------------------------>|
#
# Who asks bounds what is on its way to it; an answer is credit for the next question. A question
# that is not answered is asked again; a question or an answer that comes twice changes nothing.

@0xb1f3b0a9d1c7e005;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("swarm::schemas");

using Tensor = import "/schemas/tensor.capnp".Tensor;
using WorkerId = import "/schemas/identity.capnp".WorkerId;

struct ShareId {
  # A share of a lost member's microbatches (Reduce.losses in step.capnp).

  member @0 :UInt32;
  # Index of the lost member in Reduce.members.
  share @1 :UInt32;
  # Index in that loss's shares.
}

struct Want {
  # A member -> a member of the same attempt: send me this of each of these parts. One that comes
  # before the Reduce with its revision waits for it, within a limit; beyond it the Want is
  # dropped, and asked again by its sender.

  term @0 :UInt64;
  step @1 :Int64;
  round @2 :UInt32;
  revision @3 :UInt32;
  # Of the Reduce that the sender goes by.
  sender @4 :WorkerId;
  parts @5 :List(UInt32);
  # Numbers in the whole vector; each is answered by a Part of its own.

  sum @6 :Bool;
  # The finished sum, from the part's owner. Nothing of the following then.

  own @7 :Bool;
  # The receiver's own vector.
  shares @8 :List(ShareId);
  # Shares that the receiver has computed. What is complete is sent at once, added up in one tensor;
  # if nothing that is asked for is complete, the answer waits for it.
  orSum @9 :Bool;
  # The part had another owner, who is lost: if you have its finished sum, send that instead.
}

struct Part {
  # The answer to a Want, one per part.

  term @0 :UInt64;
  step @1 :Int64;
  round @2 :UInt32;
  sender @3 :WorkerId;
  slice @4 :UInt32;
  # Not used any more.
  part @5 :UInt32;
  reduced @6 :Bool;
  # True: the finished sum. False: the sum of what `own` and `shares` name.
  values @7 :Tensor;
  # f32 or i64, one dimension.

  revision @8 :UInt32;
  # Of the Reduce that the sender goes by.
  own @9 :Bool;
  shares @10 :List(ShareId);
}
