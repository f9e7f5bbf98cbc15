# tensor.capnp: a typed tensor, the only payload that is ever large.
#
# Every message that carries numbers carries them as this struct. Inside a process the payload is
# an external segment of the frame, so neither building nor reading a message copies it. Between
# processes it is copied once into the socket and once out of it.

@0xb1f3b0a9d1c7e001;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("swarm::schemas");

struct Tensor {
  # Row-major and contiguous, little-endian.

  enum Type {
    # The numbers are those of swarm::tensors::dtype.
    f32 @0;
    f16 @1;
    bf16 @2;
    i64 @3;
    i32 @4;
    u16 @5;
    u8 @6;
  }

  enum Encoding {
    # How the payload stands for the elements. A receiver refuses an encoding it does not know.
    raw @0;
    # The elements themselves.
  }

  type @0 :Type;

  shape @1 :List(Int64);
  # At most 8 dimensions, none negative. An empty list is "no tensor": a first stage has no input
  # gradient, a backward to the worker that still holds the graph needs no input.

  encoding @2 :Encoding;

  union {
    payload @3 :Data;
    # Exactly the product of `shape` times the size of `type`; anything else is refused.

    virtualBytes @4 :UInt64;
    # The simulator's tensor: it has this many bytes on the modelled network and no contents.
    # A production peer refuses it.
  }
}
