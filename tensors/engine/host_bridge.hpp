#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

#include "tensors/codec/host_tensor.hpp"

namespace swarm::tensors {

/// A contiguous CPU tensor as a host tensor, and back, without a copy: each side keeps the other's
/// memory alive. Nobody may write to either.
host_tensor to_host(const at::Tensor& tensor);
at::Tensor to_torch(const host_tensor& tensor);

/// Runs `work` and turns whatever LibTorch throws into an engine_error.
void translate_errors(const std::function<void()>& work);

/// Throws engine_error(wrong_shape) unless `tensor` is i32 [rows, tokens], 1 <= tokens <= context,
/// and every value lies in [0, vocabulary).
void require_tokens(const host_tensor& tensor, int64_t context, int64_t vocabulary,
                    const char* what);

}  // namespace swarm::tensors
