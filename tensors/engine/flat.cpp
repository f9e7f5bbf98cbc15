#include "tensors/engine/flat.hpp"

#include <sodium.h>
#include <xxhash.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>
#include <unordered_map>

namespace swarm::tensors {

namespace {

constexpr size_t alignment_bytes = 64;

const parameter_slot& slot_named(const std::unordered_map<std::string, parameter_slot>& slots,
                                 const std::string& name) {
  const auto found = slots.find(name);
  if (found == slots.end()) throw std::invalid_argument("The whole model has no " + name + ".");
  return found->second;
}

std::string hex(const unsigned char* bytes, size_t count) {
  static const char digits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    text += digits[bytes[i] >> 4];
    text += digits[bytes[i] & 15];
  }
  return text;
}

}  // namespace

template <class T>
std::shared_ptr<T[]> allocate_flat(int64_t elements) {
  const size_t needed = static_cast<size_t>(elements) * sizeof(T);
  const size_t bytes = (needed + alignment_bytes - 1) / alignment_bytes * alignment_bytes;
  void* memory = std::aligned_alloc(alignment_bytes, bytes == 0 ? alignment_bytes : bytes);
  if (memory == nullptr) throw std::bad_alloc();
  std::memset(memory, 0, bytes);
  return {static_cast<T*>(memory), [](T* pointer) { std::free(pointer); }};
}

template std::shared_ptr<float[]> allocate_flat<float>(int64_t elements);
template std::shared_ptr<int64_t[]> allocate_flat<int64_t>(int64_t elements);

host_tensor combine_flat(const model_config& model, const std::vector<stage_span>& spans,
                         const std::vector<host_tensor>& flats) {
  if (spans.empty() || spans.size() != flats.size()) {
    throw std::invalid_argument("There must be one flat vector per stage, and at least one.");
  }
  const auto whole = parameter_layout(model, whole_model(model));
  std::unordered_map<std::string, parameter_slot> slots;
  for (const auto& slot : whole)
    slots.emplace(slot.name, slot);
  const dtype type = flats.front().type();
  const size_t element = size_bytes(type);
  void* bytes = nullptr;
  auto combined = host_tensor::allocate(type, {flat_size(whole)}, &bytes);
  size_t moved = 0;
  for (size_t stage = 0; stage < spans.size(); ++stage) {
    const auto layout = parameter_layout(model, spans[stage]);
    if (flats[stage].type() != type || flats[stage].elements() != flat_size(layout)) {
      throw std::invalid_argument("The flat vector of stage " + std::to_string(stage) +
                                  " has the wrong size or type.");
    }
    const auto* from = static_cast<const char*>(flats[stage].data());
    for (const auto& slot : layout) {
      const auto& target = slot_named(slots, slot.name);
      std::memcpy(static_cast<char*>(bytes) + target.offset * element, from + slot.offset * element,
                  slot.size * element);
      ++moved;
    }
  }
  if (moved != whole.size()) throw std::invalid_argument("The stages do not cover the model once.");
  return combined;
}

std::string weights_hash(const host_tensor& flat) {
  if (sodium_init() < 0) throw std::runtime_error("libsodium does not start.");
  std::array<unsigned char, 16> hash;
  static_assert(hash.size() >= crypto_generichash_BYTES_MIN);
  crypto_generichash(hash.data(), hash.size(), static_cast<const unsigned char*>(flat.data()),
                     flat.bytes(), nullptr, 0);
  return hex(hash.data(), hash.size());
}

std::string quick_hash(const host_tensor& flat) {
  const XXH128_hash_t hash = XXH3_128bits(flat.data(), flat.bytes());
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  return hex(canonical.digest, sizeof(canonical.digest));
}

double relative_difference(const host_tensor& a, const host_tensor& b) {
  if (a.type() != dtype::f32 || b.type() != dtype::f32 || a.elements() != b.elements()) {
    throw std::invalid_argument("Only two f32 tensors of one size can be compared.");
  }
  double difference = 0;
  double norm = 0;
  for (int64_t i = 0; i < a.elements(); ++i) {
    const double x = a.as<float>()[i];
    const double y = b.as<float>()[i];
    difference += (x - y) * (x - y);
    norm += y * y;
  }
  return norm > 0 ? std::sqrt(difference / norm) : std::sqrt(difference);
}

}  // namespace swarm::tensors
