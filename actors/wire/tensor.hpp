#pragma once

#include <capnp/orphan.h>

#include <variant>

#include "actors/wire/message.hpp"
#include "schemas/tensor.capnp.h"
#include "tensors/codec/host_tensor.hpp"

namespace swarm::wire {

/// Writes type, shape and size, and a payload that refers to the tensor's own memory. The caller
/// keeps the owner alive for as long as the message; `attach` does both.
void describe(schemas::Tensor::Builder target, const tensors::host_tensor& value);

/// Puts `value` into a message under construction without copying its bytes.
template <class Schema>
void attach(builder<Schema>& message, schemas::Tensor::Builder target,
            const tensors::host_tensor& value) {
  describe(target, value);
  if (value.owner()) message.keep(value.owner());
  if (value.is_virtual()) message.model(value.bytes());
}

/// A tensor that aliases the frame it came in and keeps it alive; empty when the field is unset.
/// Refused: more than tensor_dimensions_max dimensions, negative ones, a product that overflows
/// frame_bytes_max, an unknown type or encoding, a payload of another size. Virtual tensors are
/// taken only where `allow_virtual`.
std::variant<tensors::host_tensor, errc> extract(schemas::Tensor::Reader source,
                                                 const frame_ptr& owner,
                                                 bool allow_virtual = false);

/// The same, as nothing on any fault.
bool extract_into(schemas::Tensor::Reader source, const frame_ptr& owner, tensors::host_tensor& out,
                  bool allow_virtual = false);

}  // namespace swarm::wire
