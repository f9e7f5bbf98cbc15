# step.capnp: coordinator <-> trainers and stage workers, one optimizer step as a transaction.
#
#   coordinator          trainers                 stage workers (all stages)
#      |-- Lease ---------->|   (pipeline.capnp) ------>| accumulate once per microbatch
#      |<--- LeaseDone -----|                           |
#      |-- Gather(round) -------- to one stage -------->| freeze; report the set
#      |<----------------------------------- Holding ---|
#      |   none holds m: lease m again to this stage
#      |   two hold m:   one gives it up (weight -1, or Drop), then Gather(a later round)
#      |-- Reduce(round, group) ----------------------->| all-reduce inside the stage
#      |<----------------------------------- Reduced ---|
#      |   when every stage has reduced:
#      |-- Commit(round of the stage, scale) ---------->| optimizer step, version + 1
#      |<--------------------------------- Committed ---|
#
#   Each stage is its own round: it is gathered and reduced as soon as everything that was leased
#   for it is answered, under the others' backward passes, and what it has reduced is a fact,
#   whoever dies elsewhere.
#
#   A coordinator that takes over begins with
#      |-- TakeOver(term) ----------------------------->| from here on no lower term is obeyed
#      |<---------------------------------- Position ---|
#   and ends the step it finds: commits it if anybody has committed it or if every stage has reduced
#   it, and gathers otherwise.
#
# Nothing is forgotten before the commit: local sums live until then, so a failed reduce costs a
# round, not a gradient. Every message carries (term, step, round); a receiver that has seen a
# higher term or is at another version refuses and says which (Refusal).

@0xb1f3b0a9d1c7e004;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("swarm::schemas");

using WorkerId = import "/schemas/identity.capnp".WorkerId;

struct BeginStep {
  # Coordinator -> trainers: step `step` starts, everything saved for earlier steps may go. May be
  # lost: a Lease of the same step says the same.

  term @0 :UInt64;
  step @1 :Int64;
  microbatches @2 :Int64;

  history @3 :UInt64;
  version @4 :Int64;
  # The weights that the step runs on, as in Lease.
}

struct LeaseItem {
  microbatch @0 :Int64;

  stages @1 :UInt64;
  # Bit s: stage s accumulates. All ones for a fresh microbatch; a replay names only the stages
  # whose sum was lost. At most 64 stages.

  weight @2 :Int8;
  # +1, or -1 to make `target` give the microbatch up.

  target @3 :WorkerId;
  # Only with weight -1.

  item @4 :UInt32;
  # Names this item within the step; LeaseDone repeats it.

  forShare @5 :Bool;
  lostMember @6 :UInt32;
  share @7 :UInt32;
  # Of a reduce that is being repaired: `target` computes it for this share (Ticket.forShare), and
  # nobody else does.
}

struct Lease {
  # Coordinator -> trainer: do these. The lease lasts until LeaseDone, or until the trainer is seen
  # to be gone; then others get it. A trainer that finishes a lease it lost does no harm: the
  # gather sees each worker's set, whoever sent the work.

  term @0 :UInt64;
  step @1 :Int64;
  round @2 :UInt32;
  items @3 :List(LeaseItem);

  excluded @4 :List(WorkerId);
  # Workers whose sums do not count in this step, because they did not answer or have diverged: what
  # they are given is done for nothing. To be asked only when a stage has nobody else.

  history @5 :UInt64;
  version @6 :Int64;
  # The weights that the step runs on; every request carries them (Ticket in identity.capnp).
}

struct LeaseDone {
  # Trainer -> coordinator, once per item, after any number of `progressed`. If it is lost, the
  # lease is asked for again after a timeout and answered from what the trainer remembers.

  enum Outcome {
    done @0;
    # Every stage has answered; `loss` counts.
    nonFinite @1;
    # Loss or gradient is not finite: the microbatch is dropped by all stages and reported.
    returned @2;
    # Could not be finished here; lease it elsewhere or later.
    progressed @3;
    # `stages` have answered, the rest is being worked on: the lease goes on, and those stages may
    # gather.
  }

  term @0 :UInt64;
  step @1 :Int64;
  round @2 :UInt32;
  microbatch @3 :Int64;
  outcome @4 :Outcome;
  loss @5 :Float64;
  recomputed @6 :UInt32;
  # Forwards that ran again for it.
  retries @7 :UInt32;
  item @8 :UInt32;

  seenTerm @9 :UInt64;
  seenVersion @10 :Int64;
  # The highest that a worker has named in a refusal: a coordinator that has been replaced or
  # overtaken learns it here.

  stages @11 :UInt64;
  # With `progressed`: bit s is stage s. With `done`: of the stage that answered last.

  seenHistory @12 :UInt64;
  # Of seenVersion.

  worker @13 :WorkerId;
  # Who answered for `stages`, and has the microbatch in its sum. When it dies the coordinator
  # leases it again at once, not when it has gathered. What counts is what workers report.
}

struct Gather {
  # Coordinator -> every worker of every stage: freeze this round and report. A repeat of the same
  # round gets the same answer.

  term @0 :UInt64;
  step @1 :Int64;
  round @2 :UInt32;

  history @3 :UInt64;
  version @4 :Int64;
  # The weights that the step runs on. A worker of an earlier history fetches its state again.
}

struct Holding {
  # The reply. From here on the worker refuses to accumulate in rounds up to `round`, so the set
  # stays true.

  worker @0 :WorkerId;
  step @1 :Int64;
  round @2 :UInt32;
  held @3 :Data;
  # Bitmap, bit i of byte i/8: microbatch i is in the sum.
}

struct Drop {
  # Coordinator -> one worker: forget the whole sum and set of this step. Cheaper than undoing its
  # microbatches one by one; they are leased again. A repeat is harmless.

  term @0 :UInt64;
  step @1 :Int64;
  round @2 :UInt32;
}

struct GroupMember {
  worker @0 :WorkerId;
  contributes @1 :Bool;
  # False: a joiner that only follows the result.
  bandwidth @2 :UInt32;
  # Relative, fixed for the round; the parts that it owns are in proportion. 0 at all members: all
  # equal.
}

struct Share {
  # A piece of a lost member's microbatches, which `helper` computes again. The cut is fixed when
  # the loss is first named; the helper may be replaced in a later revision.

  helper @0 :UInt32;
  # Index in `members`.
  microbatches @1 :Data;
  # Bitmap, as in Holding. Only in the order to the helper, empty for all others: the order must
  # stay small enough to go before the parts of the all-reduce.
}

struct GroupLoss {
  # A contributing member that counts as dead: whatever it still sends is void.

  member @0 :UInt32;
  # Index in `members`.
  shares @1 :List(Share);
  # The microbatches that it held, cut into pieces, for each slice of the parts in turn: at most 16.
  slices @2 :UInt16 = 1;
  # Share k is of the parts p with p mod slices = k mod slices: whoever computes it again sends only
  # those. Divides the number of shares.
}

struct Reduce {
  # Coordinator -> each member of a stage's group: all-reduce your sums (averaging.capnp). A higher
  # round of the same step replaces a lower one. A death does not need one: the same round goes on
  # with a higher revision, whose losses begin with those of the lower ones. A repeat starts and
  # sends nothing again; it shares the answer.

  term @0 :UInt64;
  step @1 :Int64;
  round @2 :UInt32;
  stage @3 :UInt32;
  members @4 :List(GroupMember);
  # In an order that is the same for all. A higher revision may name further ones, behind the
  # others, who do not contribute.
  counted @5 :UInt32;
  # Microbatches in the sum over the group: those of the step less the dropped ones.

  revision @6 :UInt32;
  # Of this round's losses and members, from 0.
  losses @7 :List(GroupLoss);
  # All so far, in an order that is the same for all and for every higher revision.
  holdMs @8 :UInt32;
  # Answer after this time with `done` false and how far it is, to be asked again; 0: when done.

  partElements @9 :UInt32;
  # Of each part but the last; fixed for the round. 0: as this build has it.
}

struct Reduced {
  # The reply, when the all-reduce is through at this member, or sooner to say how far it is
  # (holdMs). All contributing members of a group that are not lost must report one hash.

  worker @0 :WorkerId;
  step @1 :Int64;
  round @2 :UInt32;
  hash @3 :Text;
  squaredNorm @4 :Float64;
  # Of the stage's whole gradient; the coordinator sums them over the stages.

  done @5 :Bool = true;
  # False: hash and norm are not there yet.
  partsDone @6 :UInt32;
  partsTotal @7 :UInt32;
  waitingFor @8 :List(WorkerId);
  # A few of those that owe this member an answer.
  revision @9 :UInt32;
  # The highest that it has taken.
  bytesPerS @10 :Float64;
  # Measured, of what it receives for the all-reduce; 0: nothing yet.
}

struct Commit {
  # Coordinator -> every member: make the optimizer step with the reduced gradient times `scale`
  # (clipping, and the mean over the microbatches that were not dropped). Decided once every
  # stage's group has reduced, and never taken back. It is sent again until it is answered; a worker
  # that misses it for good re-fetches its state.

  term @0 :UInt64;
  step @1 :Int64;
  round @2 :UInt32;
  scale @3 :Float64;

  reducedTerm @4 :UInt64;
  # (reducedTerm, round) names the sum. It is an older term's when a coordinator that has taken over
  # ends what its predecessor began.
  counted @5 :UInt32;
  # Microbatches in the sum.

  keep @6 :Bool;
  # Leave a copy of the new state with your replicator (rebalancing.capnp). All stages keep the same
  # versions, and the next only when every stage's copy of the last one is backed up.

  onDisks @7 :Int64 = -1;
  # The newest version that every stage has on some worker's disk. Whoever writes states to a disk
  # does not remove this one until it hears of a later that it has. -1: the sender does not know.

  hash @8 :Text;
  # Of the stage's sum, with (reducedTerm, round) its name. A worker that has another refuses, and
  # fetches. Empty: the sender does not know.

  history @9 :UInt64;
  # Of the weights that the step is made from, and of those that it makes.
}

struct Beat {
  # Leader -> every worker and every candidate, a few times within the election time-out: I lead,
  # and I work. Orders say the same. May be lost.

  term @0 :UInt64;
}

struct PreVote {
  # Candidate that has not heard the leader -> every worker: has it gone silent for you, too?
  # Changes nothing: a candidate whose own link is broken must not end a term that works for the
  # others (Raft's pre-vote; Ongaro's thesis, section 9.6).

  patienceMs @0 :UInt32;
  # A leader that was heard within this time is there.
}

struct Vote {
  # The reply.

  granted @0 :Bool;
  term @1 :UInt64;
  # The highest that this worker has obeyed.
}

struct TakeOver {
  # New coordinator -> every worker. Repeats get the same answer. Refused (lowerTerm) when the
  # worker has answered a higher term.

  term @0 :UInt64;
}

struct Restore {
  # Coordinator -> every worker, serving or not, after a stage was lost: go back to the state of
  # `version`, which is a copy of your own or one of the holders' (rebalancing.capnp). Answered with
  # Position once it serves. A worker that finds no copy refuses, and fetches from its stage as a
  # joiner does. Repeats are harmless.

  term @0 :UInt64;
  version @1 :Int64;
  holders @2 :List(WorkerId);
  # Workers whose replicators have a copy for this stage.

  history @3 :UInt64 = 0xffffffffffffffff;
  # That the copy is of: (history, version) names the weights. What is made of them is a new
  # history, `term`. Without it: of the latest history that has such a version.
  progress @4 :Bool;
  # Answer a repeat at once: Position, or refused (restoring) with how far it is. Without it a
  # repeat waits for the end.
}

struct Position {
  # The reply to TakeOver and Restore: where the worker stands.

  worker @0 :WorkerId;
  stage @1 :UInt32;
  version @2 :Int64;

  reduced @3 :Attempt;
  # The sum it has for step `version`, if any (round 0: none): what a commit would apply.
  hash @4 :Text;
  squaredNorm @5 :Float64;
  counted @6 :UInt32;

  committed @7 :Attempt;
  scale @8 :Float64;
  committedCounted @9 :UInt32;
  # The commit that made `version`, if this worker took part in it (round 0: it fetched).

  history @10 :UInt64;
  # (history, version): of two workers the greater one stands at what counts.
}

struct Attempt {
  term @0 :UInt64;
  round @1 :UInt32;
  hash @2 :Text;
  # Of the stage's sum: one attempt may have two, if a member that counted as dead went on.
}

struct Committed {
  # The reply to Commit; a repeat gets it again.

  worker @0 :WorkerId;
  version @1 :Int64;
  weightsHash @2 :Text;

  kept @3 :Int64 = -1;
  # The newest version on this worker's disk, which may be an older one than it has just made; -1:
  # it keeps none.
}

struct Refusal {
  # Travels inside the error reply: why, and where the worker stands.

  enum Reason {
    lowerTerm @0;
    # The sender's coordinator has been replaced.
    behind @1;
    # The worker is at an older version; it is re-fetching. Ask another.
    ahead @2;
    # The worker has committed this step already; the sender's step is over.
    frozen @3;
    # The round is closed; wait for the coordinator.
    notServing @4;
    # Still fetching its state.
    activationMissing @5;
    # The graph was evicted or never here: send the input too.
    overloaded @6;
    # More requests are waiting than the worker's limit.
    wrongRound @7;
    # A reduce or commit for a round this worker did not gather.
    nonFinite @8;
    # Loss or gradient is not finite: drop the microbatch at every stage.
    outOfMemory @9;
    # The device is full: ask another worker, or later.
    wrongShape @10;
    # The tensors do not fit this stage.
    restoring @11;
    # It is fetching the state that a Restore has named: doneBytes of totalBytes are here.
  }

  reason @0 :Reason;
  term @1 :UInt64;
  version @2 :Int64;
  frozenRound @3 :UInt32;

  history @4 :UInt64;
  # Of `version`.
  doneBytes @5 :UInt64;
  totalBytes @6 :UInt64;
  # Of a state that is being fetched; 0 of 0: none is, or nobody knows yet.
}
