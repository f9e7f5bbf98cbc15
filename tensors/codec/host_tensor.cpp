#include "tensors/codec/host_tensor.hpp"

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <new>
#include <numeric>

namespace swarm::tensors {

size_t size_bytes(dtype type) {
  switch (type) {
    case dtype::i64:
      return 8;
    case dtype::f32:
    case dtype::i32:
      return 4;
    case dtype::f16:
    case dtype::bf16:
    case dtype::u16:
      return 2;
    case dtype::u8:
      return 1;
  }
  return 0;
}

std::string to_string(dtype type) {
  static const char* const names[] = {"f32", "f16", "bf16", "i64", "i32", "u16", "u8"};
  return names[static_cast<size_t>(type)];
}

host_tensor::host_tensor(dtype type, std::vector<int64_t> shape, std::shared_ptr<const void> owner,
                         const void* bytes)
    : type_(type), shape_(std::move(shape)), owner_(std::move(owner)), data_(bytes) {
  assert(reinterpret_cast<uintptr_t>(bytes) % 8 == 0);
}

host_tensor host_tensor::allocate(dtype type, std::vector<int64_t> shape, void** bytes) {
  const auto elements =
      std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<int64_t>());
  const size_t words = (static_cast<size_t>(elements) * size_bytes(type) + 7) / 8;
  // Pages that the system hands out are zero already; they are touched when they are filled.
  void* memory = std::calloc(std::max<size_t>(words, 1), sizeof(uint64_t));
  if (memory == nullptr) throw std::bad_alloc();
  *bytes = memory;
  return {type, std::move(shape), std::shared_ptr<const void>(memory, std::free), memory};
}

host_tensor host_tensor::modelled(dtype type, std::vector<int64_t> shape) {
  host_tensor tensor;
  tensor.type_ = type;
  tensor.shape_ = std::move(shape);
  return tensor;
}

int64_t host_tensor::elements() const {
  if (shape_.empty()) return 0;
  return std::accumulate(shape_.begin(), shape_.end(), int64_t{1}, std::multiplies<int64_t>());
}

}  // namespace swarm::tensors
