# network.capnp: how processes of one run meet, and what they tell each other about who is there.
#
#     a dials b
#       |--- Greeting ------------------->|   each side checks the other's and may refuse it with a
#       |<------------------- Greeting ---|   sentence; only then does anything else pass
#       |--- Roster --------------------->|   each tells its own members, all of them, whenever they
#       |<--------------------- Roster ---|   change, and whom else it is connected to
#       |<=== the messages of the other schemas, to the slots that the rosters name ===>|
#
# A connection that breaks takes along everything that was learned over it: whoever watches a member
# behind it hears that the member is down, requests under way fail, and the peers dial each other
# again. Nothing here is repeated by a timer, since a connection either delivers or breaks.

@0xb1f3b0a9d1c7e007;

using Cxx = import "/capnp/c++.capnp";
using Identity = import "identity.capnp";
using Step = import "step.capnp";
$Cxx.namespace("swarm::schemas");

struct Greeting {
  # The first message of both sides. Refused with a sentence that has both values when protocol
  # version, run or description differ, when the key is not the one that the certificate proves,
  # and when it is this peer's own key: itself, or another process with the same token.

  protocolVersion @0 :UInt32;

  runKey @1 :Data;
  # The run's public key, 32 bytes.

  descriptionHash @2 :Text;
  # Of the run's description; empty: not known yet, it is going to ask for it.

  key @3 :Data;
  # The peer's public key, 32 bytes. Its id follows from it.

  life @4 :UInt64;
  # Grows with every start of the peer's process. A later one replaces an earlier one.

  announce @5 :Text;
  # "host:port" where others reach it; empty: it can only dial.

  agent @6 :Text;
  # What the program calls itself, for people.

  observer @7 :Bool;
  # Takes no part: it only asks for status.

  unixMs @8 :Int64;
  # The sender's clock, for warnings only.

  kernels @9 :Text;
  # What it computes with: libraries, their versions, their kernels. In a reproducible run a
  # difference is refused with both values, once both know the run. Empty: it computes nothing.

  startedUnixMs @10 :Int64;
  # When its process started, by its clock. Of two lives of the same number the later one counts.

  proof @11 :Data;
  # Signature of run, life, start, agent and announce with the peer's key (actors/peer/admission).
  # Whoever is greeted by a later life of a peer that it is connected to hands this whole message to
  # the earlier one, to its network slot: the earlier one then knows that its token is in use
  # elsewhere, and where, though it need not believe whoever says so. Empty from one that cannot
  # sign, and from an observer.
}

struct Roster {
  # To every connection, when it comes up and when something changed. Replaces the last one.

  struct Member {
    id @0 :Identity.WorkerId;

    enum Role {
      stageWorker @0;
      trainer @1;
      coordinator @2;
    }
    role @1 :Role;

    enum State {
      joining @0;
      serving @1;
      following @2;
    }
    state @2 :State;

    stage @3 :Int32;
    version @4 :Int64;
    term @5 :UInt64;
    capacity @6 :UInt32;

    slot @7 :UInt64;
    # Where its messages go; 0: nowhere.

    averager @8 :UInt64;

    replicator @9 :UInt64;
    # Likewise, of its peer's replicator (rebalancing.capnp).

    rate @10 :Float64;
    # Microbatches per second that it could do, as far as it knows; 0: not measured yet.
    queue @11 :UInt32;
    # Requests that wait there or are being computed.

    history @12 :UInt64;
    # Of `version`: the two together name the weights (step.capnp, Restore).
  }

  members @0 :List(Member);
  # Of the sender itself, never hearsay. At most 64.

  struct Neighbour {
    peer @0 :UInt64;
    announce @1 :Text;
    # Empty: it can only dial.
  }

  neighbours @1 :List(Neighbour);
  # Whom the sender is connected to, itself not included. At most 1024. Hearsay: it is where to
  # dial, not that somebody is there.

  relayed @2 :List(Member);
  # From one that can be dialled to one that only dials: the members of others that only dial, which
  # the receiver could not reach otherwise. Messages to their slots pass through the sender. At most
  # 1024.
}

struct Failure {
  # The answer to a request that failed.

  code @0 :UInt8;
  category @1 :UInt64;
  # The room's error code and the atom of its category.

  sentence @2 :Text;
  refusal @3 :Step.Refusal;
}

struct StatusRequest {
  # To slot 3 of any peer. Answered with Status; may be repeated at will.

  events @0 :UInt32;
  # The latest so many events, at most 64.
}

struct ProbeRequest {
  # To slot 3: dial this address, which the sender says is its own, and tell whether a peer of the
  # run answers there. Answered with ProbeDone, or a Failure with the cause.

  address @0 :Text;
}

struct ProbeDone {
  peer @0 :UInt64;
  # Who answered.
}

struct Status {
  peer @0 :UInt64;
  life @1 :UInt64;
  announce @2 :Text;
  agent @3 :Text;
  upMs @4 :Int64;
  # Since its process started.

  members @5 :List(Roster.Member);
  # All that it knows, its own and others'; slots are 0.

  neighbours @6 :List(Roster.Neighbour);

  training @7 :Training;
  # Set by the peer whose coordinator leads.

  events @8 :List(Event);

  traffic @9 :Traffic;

  contacts @10 :UInt32;
  # In the routing table of its DHT node.

  descriptionHash @11 :Text;

  unixMs @12 :Int64;
  # Its clock when it answered.

  kernels @13 :Text;
  # As in its Greeting.

  struct Training {
    step @0 :Int64;
    # Committed optimizer steps.
    loss @1 :Float64;
    # Of the last step, mean over its tokens, nats.
    tokensPerSecond @2 :Float64;
    # Over the last steps, wall clock.
    learningRate @3 :Float64;
    term @4 :UInt64;
  }

  struct Event {
    agoMs @0 :Int64;
    text @1 :Text;
  }

  struct Traffic {
    # Since its process started.
    controlBytesSent @0 :UInt64;
    controlBytesReceived @1 :UInt64;
    bulkBytesSent @2 :UInt64;
    bulkBytesReceived @3 :UInt64;
    overheadBytesSent @4 :UInt64;
    overheadBytesReceived @5 :UInt64;
  }
}
