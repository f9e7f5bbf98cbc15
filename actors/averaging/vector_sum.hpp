#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace swarm::averaging {

// Plain loops over arrays, for the compiler to vectorise. Unsigned, because overflow wraps there:
// what wrapped in between still cancels out.

inline float plus(float a, float b) {
  return a + b;
}

inline std::int64_t plus(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}

template <class T>
void add_into(T* __restrict sum, const T* __restrict term, size_t count) {
  for (size_t i = 0; i < count; ++i)
    sum[i] = plus(sum[i], term[i]);
}

template <class T>
void set_to_sum(T* __restrict sum, const T* __restrict a, const T* __restrict b, size_t count) {
  for (size_t i = 0; i < count; ++i)
    sum[i] = plus(a[i], b[i]);
}

/// In memory of its own.
template <class T>
std::shared_ptr<T> copied(const T* from, size_t count) {
  std::shared_ptr<T> copy(new T[count], std::default_delete<T[]>());
  std::copy_n(from, count, copy.get());
  return copy;
}

}  // namespace swarm::averaging
