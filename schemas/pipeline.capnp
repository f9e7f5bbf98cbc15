# pipeline.capnp: trainer <-> stage worker, one microbatch through the stages.
#
#   trainer            stage 0              stage 1            stage S-1
#      |-- Forward ------>|                    |                   |
#      |<---- Activation -|                    |                   |
#      |-- Forward --------------------------->|                   |
#      |<--------------------------- Activation|                   |
#      |-- Loss -------------------------------------------------->|   forward, loss and backward
#      |<------------------------------------------------ LossDone |   in one call
#      |-- Backward -------------------------->|                   |
#      |<------------------------ InputGradient|                   |
#      |-- Backward ----->|                                        |
#      |<-- InputGradient-|                                        |
#
# Any of these may be lost, repeated, delayed or reordered. The trainer keeps every stage's input
# and output gradient until the step commits, so any call can be made again, at any other worker of
# the stage, without asking another stage for anything. A worker adds a microbatch to its gradient
# sum at most once: a repeat yields the same reply and adds nothing.
#
# Work for somebody who does not wait any more takes the device from those who do, and a gradient
# that is added twice costs a further round. So every call says how long its sender waits, and the
# trainer says when it gives one up:
#      |-- Backward ------------>|   waits for the device
#      |-- Cancel -------------->|   taken out of the queue, and refused (overloaded)

@0xb1f3b0a9d1c7e003;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("swarm::schemas");

using Tensor = import "/schemas/tensor.capnp".Tensor;
using Ticket = import "/schemas/identity.capnp".Ticket;

struct Forward {
  # Trainer -> worker of any stage but the last. Changes nothing but the activation cache, so it
  # may be sent any number of times to any number of workers.

  ticket @0 :Ticket;
  input @1 :Tensor;
  # Tokens (i32 [rows, tokens]) at the first stage, else the previous stage's output.
}

struct Activation {
  # The reply. The worker keeps the graph in its activation cache, within a memory budget.

  ticket @0 :Ticket;
  output @1 :Tensor;
  computeSeconds @2 :Float64;
  # Time on the device, without waiting; the rest of the round trip is queue and network.
}

struct Backward {
  # Trainer -> the worker that ran the forward, without `input`; if that one is gone, or refuses
  # with activationMissing, -> any worker of the stage, with `input`, which recomputes.

  ticket @0 :Ticket;
  input @1 :Tensor;
  outputGradient @2 :Tensor;

  weight @3 :Int8;
  # +1 adds the parameter gradient to the worker's sum and the microbatch to its set; refused for
  # nothing if already there. 0 only yields the input gradient. -1 takes away what +1 added, at
  # exactly this worker, and is a no-op when it holds nothing: the coordinator's way to undo one of
  # two copies.

  sumOnly @4 :Bool;
  # The sender has the input gradient already: answer without it.
}

struct InputGradient {
  # The reply to Backward; the gradient is empty at the first stage, and where nobody needs it.

  ticket @0 :Ticket;
  gradient @1 :Tensor;
  computeSeconds @2 :Float64;
  recomputed @3 :Bool;
  # The forward was run again because the graph was not there.
}

struct Loss {
  # Trainer -> worker of the last stage. Weight and sumOnly as in Backward.

  ticket @0 :Ticket;
  input @1 :Tensor;
  targets @2 :Tensor;
  weight @3 :Int8;
  sumOnly @4 :Bool;
}

struct LossDone {
  ticket @0 :Ticket;
  loss @1 :Float64;
  # Mean over the microbatch's tokens, in nats.
  inputGradient @2 :Tensor;
  computeSeconds @3 :Float64;
}

struct Infer {
  # Trainer -> worker: forward without gradients, for validation and sampling. Outside any step:
  # answered at whatever version the worker has.

  enum Want {
    hidden @0;
    # The stage's output.
    loss @1;
    # Last stage: mean loss against `targets`.
    logits @2;
    # Last stage: logits of the last position.
  }

  want @0 :Want;
  input @1 :Tensor;
  targets @2 :Tensor;
  patienceMs @3 :UInt32;
  # As in a Ticket.
}

struct Inferred {
  version @0 :Int64;
  loss @1 :Float64;
  output @2 :Tensor;
}

struct Cancel {
  # Trainer -> a worker whose answer it has given up waiting for: what of this microbatch still
  # waits for the device need not be done. Best effort; what is being computed is finished.

  ticket @0 :Ticket;
}
