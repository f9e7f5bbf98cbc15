# dht.capnp: the nodes of the distributed hash table among each other.
#
#     a asks b                                    everything is a question with one answer
#       |--- DhtPing ----------->|  DhtPong        are you alive, and do you hold that key?
#       |--- DhtFindNode ------->|  DhtNodes       whom do you know near this id?
#       |--- DhtFindValue ------>|  DhtValues      what do you hold under this key?
#       |--- DhtStore ---------->|  DhtStored      keep these records
#
# A question may be lost or repeated: asking again does what asking once did. Who gets no answer in
# time asks another node; there is always one. A node that is asked too often answers with an error,
# `rate_limited` of the dht room, as it does when a question makes no sense.
#
# Nothing here is believed because of who says it. A record carries its owner's signature. A node
# that is named by another is asked itself before it counts, and it enters a routing table only
# after it has signed a nonce.

@0xb1f3b0a9d1c7e008;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("swarm::schemas");

struct DhtContact {
  # A node and where others dial it. One that does not have this form is skipped.

  key @0 :Data;
  # Its Ed25519 public key, 32 bytes. Its id is the first 160 bits of the key's BLAKE2b-256.

  address @1 :Text;
  # At most 256 bytes. Empty: it can only dial; it may ask but is never named to others.
}

struct DhtRecord {
  # What somebody published under a key. Replaced by one of the same owner and subkey with a higher
  # sequence.

  key @0 :Data;
  # 20 bytes.

  subkey @1 :Data;
  # The owner's public key and up to 64 bytes of text.

  value @2 :Data;
  # At most 8 KiB.

  sequence @3 :UInt64;

  expiresUnixMs @4 :Int64;
  # From then on nobody keeps it or answers with it.

  owner @5 :Data;
  # Ed25519 public key, 32 bytes.

  signature @6 :Data;
  # 64 bytes: Ed25519 over "swarm dht record 1\n", key, size of subkey, subkey, size of value,
  # value, sequence, expiry, owner; numbers as 64 bits little-endian.
}

struct DhtPing {
  # Any node to any other, to see whether it is alive; with a nonce, before it enters the routing
  # table.

  sender @0 :DhtContact;

  nonce @1 :Data;
  # 32 bytes; empty: no proof is wanted, which saves a signature.
}

struct DhtPong {
  sender @0 :DhtContact;

  proof @1 :Data;
  # 64 bytes: Ed25519 over "swarm dht proof 1\n", size of nonce, nonce, size of address, address,
  # with the address that the answering node announces. So it cannot be another node's answer
  # passed on. Empty if no nonce came.
}

struct DhtFindNode {
  # One step of a lookup.

  sender @0 :DhtContact;
  target @1 :Data;
  # 20 bytes.
}

struct DhtNodes {
  sender @0 :DhtContact;

  nodes @1 :List(DhtContact);
  # The nearest to the target that the sender knows, nearest first, at most 20; what comes beyond
  # that is not read.
}

struct DhtFindValue {
  # One step of a lookup for records.

  sender @0 :DhtContact;
  key @1 :Data;
}

struct DhtValues {
  # Both, so that a lookup can go on past this node.

  sender @0 :DhtContact;

  records @1 :List(DhtRecord);
  # All unexpired ones that the sender holds under the key, at most 512.

  published @2 :Bool;
  # At least one of them came from its owner or from a node that replicates. If not, they are copies
  # that a lookup has left here, and there may be more elsewhere.

  nodes @3 :List(DhtContact);
  # As in DhtNodes.
}

struct DhtStore {
  # An owner, or a node that replicates or hands over, to the nodes nearest to the key; or the end
  # of a lookup to a node on its path.

  sender @0 :DhtContact;

  records @1 :List(DhtRecord);
  # At most 64; more are not read.

  cached @2 :Bool;
  # A copy left on a path: kept for a short time only.
}

struct DhtStored {
  sender @0 :DhtContact;

  verdicts @1 :List(UInt8);
  # One per record, in order: 0 stored, 1 already here, 2 a higher sequence is here, 3 forged, 4 not
  # the owner's subkey, 5 expired, 6 expires too far ahead, 7 too large, 8 key full, 9 owner full,
  # 10 sender full, 11 node full. Repeating what was refused does not help; another node may accept.
}
