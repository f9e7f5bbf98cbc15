#include "actors/wire/tensor.hpp"

#include <cstring>

namespace swarm::wire {

using tensors::dtype;
using tensors::host_tensor;

void describe(schemas::Tensor::Builder target, const host_tensor& value) {
  target.setType(static_cast<schemas::Tensor::Type>(value.type()));
  target.setEncoding(schemas::Tensor::Encoding::RAW);
  auto shape = target.initShape(static_cast<unsigned>(value.shape().size()));
  for (unsigned i = 0; i < shape.size(); ++i)
    shape.set(i, value.shape()[i]);
  if (value.is_virtual()) {
    target.setVirtualBytes(value.bytes());
    return;
  }
  if (value.empty()) return;
  const capnp::Data::Reader bytes(static_cast<const kj::byte*>(value.data()), value.bytes());
  // An external segment is whole words; the odd tail of a small tensor is copied instead.
  if (value.bytes() % sizeof(capnp::word) != 0) {
    target.setPayload(bytes);
    return;
  }
  target.adoptPayload(
      capnp::Orphanage::getForMessageContaining(target).referenceExternalData(bytes));
}

std::variant<host_tensor, errc> extract(schemas::Tensor::Reader source, const frame_ptr& owner,
                                        bool allow_virtual) {
  const auto shape_list = source.getShape();
  if (shape_list.size() == 0) return host_tensor{};
  if (shape_list.size() > tensor_dimensions_max) return errc::bad_tensor;
  if (static_cast<uint16_t>(source.getType()) > static_cast<uint16_t>(dtype::u8))
    return errc::bad_tensor;
  if (source.getEncoding() != schemas::Tensor::Encoding::RAW) return errc::bad_tensor;
  const auto type = static_cast<dtype>(source.getType());
  std::vector<int64_t> shape;
  uint64_t bytes = tensors::size_bytes(type);
  for (const int64_t extent : shape_list) {
    if (extent < 0 || static_cast<uint64_t>(extent) > frame_bytes_max) return errc::bad_tensor;
    bytes *= static_cast<uint64_t>(extent);
    if (bytes > frame_bytes_max) return errc::bad_tensor;
    shape.push_back(extent);
  }
  if (source.isVirtualBytes()) {
    if (!allow_virtual || source.getVirtualBytes() != bytes) return errc::bad_tensor;
    return host_tensor::modelled(type, std::move(shape));
  }
  // A sender may set a union member that this schema does not know.
  if (!source.isPayload()) return errc::bad_tensor;
  const auto payload = source.getPayload();
  if (payload.size() != bytes) return errc::bad_tensor;
  return host_tensor{type, std::move(shape), owner, payload.begin()};
}

bool extract_into(schemas::Tensor::Reader source, const frame_ptr& owner, host_tensor& out,
                  bool allow_virtual) {
  auto result = extract(source, owner, allow_virtual);
  if (!std::holds_alternative<host_tensor>(result)) return false;
  out = std::get<host_tensor>(std::move(result));
  return true;
}

}  // namespace swarm::wire
