#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace swarm::tensors {

/// Element types that cross the wire. The numbers are those of schemas/tensor.capnp.
enum class dtype : uint8_t { f32 = 0, f16 = 1, bf16 = 2, i64 = 3, i32 = 4, u16 = 5, u8 = 6 };

/// Bytes of one element.
size_t size_bytes(dtype type);

std::string to_string(dtype type);

/// An immutable, contiguous, row-major tensor in host memory whose bytes somebody else may own: a
/// received frame, a LibTorch storage, a mapped file. Copying it copies a handle. It knows neither
/// LibTorch nor CAF, so every storey above can hold one.
///
/// The bytes start on an 8-byte boundary (Cap'n Proto's word), and `owner` keeps them alive. A
/// virtual tensor has a shape and no bytes; only the simulator makes those.
class host_tensor {
 public:
  host_tensor() = default;

  /// Aliases `bytes`, which `owner` keeps alive. Precondition: word-aligned and long enough.
  host_tensor(dtype type, std::vector<int64_t> shape, std::shared_ptr<const void> owner,
              const void* bytes);

  /// Zero-filled bytes of its own, and a pointer through which its maker fills them.
  static host_tensor allocate(dtype type, std::vector<int64_t> shape, void** bytes);

  /// Takes over a vector. The element type must be one of `dtype`'s.
  template <class T>
  static host_tensor adopt(std::vector<T> values, std::vector<int64_t> shape);

  /// A tensor that only has a size.
  static host_tensor modelled(dtype type, std::vector<int64_t> shape);

  bool empty() const { return shape_.empty(); }
  bool is_virtual() const { return !empty() && data_ == nullptr; }
  dtype type() const { return type_; }
  const std::vector<int64_t>& shape() const { return shape_; }
  int64_t elements() const;
  size_t bytes() const { return static_cast<size_t>(elements()) * size_bytes(type_); }
  const void* data() const { return data_; }
  const std::shared_ptr<const void>& owner() const { return owner_; }

  template <class T>
  const T* as() const {
    return static_cast<const T*>(data_);
  }

 private:
  dtype type_ = dtype::f32;
  std::vector<int64_t> shape_;
  std::shared_ptr<const void> owner_;
  const void* data_ = nullptr;
};

template <class T>
constexpr dtype dtype_of();
template <>
constexpr dtype dtype_of<float>() {
  return dtype::f32;
}
template <>
constexpr dtype dtype_of<int64_t>() {
  return dtype::i64;
}
template <>
constexpr dtype dtype_of<int32_t>() {
  return dtype::i32;
}
template <>
constexpr dtype dtype_of<uint16_t>() {
  return dtype::u16;
}
template <>
constexpr dtype dtype_of<uint8_t>() {
  return dtype::u8;
}

template <class T>
host_tensor host_tensor::adopt(std::vector<T> values, std::vector<int64_t> shape) {
  auto owner = std::make_shared<const std::vector<T>>(std::move(values));
  const void* bytes = owner->data();
  return {dtype_of<T>(), std::move(shape), std::move(owner), bytes};
}

}  // namespace swarm::tensors
