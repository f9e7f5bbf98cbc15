#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tensors/codec/host_tensor.hpp"
#include "tensors/model/model_config.hpp"

namespace swarm::tensors {

/// Zero-filled, on a 64-byte boundary.
template <class T>
std::shared_ptr<T[]> allocate_flat(int64_t elements);

/// A flat vector as a tensor [elements] that aliases it.
template <class T>
host_tensor view_of(const std::shared_ptr<T[]>& flat, int64_t elements) {
  return {dtype_of<T>(), {elements}, std::shared_ptr<const void>(flat, flat.get()), flat.get()};
}

/// The stages' flat vectors (parameters, moments or gradients; f32 or i64) as the whole model's, so
/// that a partitioned model can be compared with an unpartitioned one. Throws std::invalid_argument
/// when a size or type does not fit, or a parameter is missing.
host_tensor combine_flat(const model_config& model, const std::vector<stage_span>& spans,
                         const std::vector<host_tensor>& flats);

/// BLAKE2b-128 of a tensor's bytes, hex. Of the whole model's flat vector this is the hash that
/// every program prints: equal hashes are equal weights, whoever trained them.
std::string weights_hash(const host_tensor& flat);

/// XXH3-128 of the same, ten times as fast: for replicas that compare themselves at every step.
/// Nothing that a person sees.
std::string quick_hash(const host_tensor& flat);

/// ||a - b|| / ||b|| of two f32 tensors of one size; ||a - b|| when b is zero.
double relative_difference(const host_tensor& a, const host_tensor& b);

/// The span that is the whole model.
inline stage_span whole_model(const model_config& model) {
  return {0, model.layers, true, true};
}

}  // namespace swarm::tensors
