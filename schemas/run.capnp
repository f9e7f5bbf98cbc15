# run.capnp: what a run is, and what lets a peer into it. None of these is a message: a description
# is a record of the DHT and a file, a token is a line of text that a person hands to a peer.

@0xb1f3b0a9d1c7e00c;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("swarm::schemas");

struct RunDescription {
  # Everything that must be the same everywhere for the numbers to be the same. Written once, when
  # the run is made, and never changed: another description is another run. Its hash is BLAKE2b-128
  # of its canonical bytes.

  protocolVersion @0 :UInt32;
  # Of messages and their meaning. Peers of different versions refuse each other.

  name @1 :Text;
  # For people.

  model @2 :Model;
  stages @3 :UInt32;
  optimizer @4 :Optimizer;

  rows @5 :UInt32;
  # Sequences of a microbatch.

  microbatches @6 :UInt32;
  # Of one optimizer step: the global batch.

  seed @7 :UInt64;
  # Of weights, batches and dropout.

  reproducible @8 :Bool;
  # Gradients are summed in fixed point: the same bits under any schedule.

  steps @9 :Int64;
  # Optimizer steps to train.

  codec @10 :Codec;
  # Of tensors between processes.

  data @11 :Data;

  createdUnixMs @12 :Int64;

  kernels @13 :Text;
  # The level of instructions that every process computes with: another one has other bits.
  # "avx2", "avx512", "baseline" on x86-64, "armv8" on ARM. Empty unless reproducible: each process
  # takes the fastest that it has.

  struct Model {
    layers @0 :UInt32;
    heads @1 :UInt32;
    width @2 :UInt32;
    context @3 :UInt32;
    vocabulary @4 :UInt32;
    bias @5 :Bool;
    tiedHead @6 :Bool;
    dropout @7 :Float64;
  }

  struct Optimizer {
    learningRate @0 :Float64;
    learningRateMin @1 :Float64;
    beta1 @2 :Float64;
    beta2 @3 :Float64;
    epsilon @4 :Float64;
    weightDecay @5 :Float64;
    clipNorm @6 :Float64;
    warmupSteps @7 :Int64;
    decaySteps @8 :Int64;
  }

  struct Data {
    source @0 :Text;
    # Where whoever made the run found the corpus. A trainer may have it elsewhere; the hash tells
    # whether it is the same.

    hash @1 :Text;
    # BLAKE2b-128 of the training and validation tokens, hexadecimal.

    validationFraction @2 :Float64;

    tokens @3 :Int64;
    # Of training and validation together.
  }

  enum Codec {
    raw @0;
    # The elements themselves.
  }
}

struct SignedDescription {
  # The file run.swarm, and the value of the run's record in the DHT. Whoever has it may pass it on:
  # only the run's key can have signed it.

  description @0 :Data;
  # Canonical bytes of a RunDescription.

  runKey @1 :Data;
  # Ed25519, 32 bytes.

  signature @2 :Data;
  # Over "swarm run description" and the bytes, 64 bytes.
}

struct JoinToken {
  # What a peer needs besides an address: "swarm1." and the base64url, without padding, of this as a
  # framed message and 16 hexadecimal digits of its BLAKE2b-128. It holds the peer's secret: one
  # token per peer, kept like a password.

  runKey @0 :Data;
  runName @1 :Text;
  authority @2 :Data;
  # The run's own certificate, DER.
  certificate @3 :Data;
  # The peer's, DER, signed by the run's key.
  seed @4 :Data;
  # The peer's secret Ed25519 seed, 32 bytes.
  addresses @5 :List(Text);
  # Where the run may be found; may be empty.
}
