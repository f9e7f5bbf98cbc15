#include "tensors/engine/host_bridge.hpp"

#include <ATen/ops/from_blob.h>
#include <c10/util/Exception.h>

#include <cassert>
#include <cstring>
#include <new>
#include <sstream>

#include "tensors/engine/stage_engine.hpp"

namespace swarm::tensors {

namespace {

dtype host_type(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return dtype::f32;
    case at::kHalf:
      return dtype::f16;
    case at::kBFloat16:
      return dtype::bf16;
    case at::kLong:
      return dtype::i64;
    case at::kInt:
      return dtype::i32;
    case at::kByte:
      return dtype::u8;
    default:
      throw engine_error(engine_fault::internal, "An element type that no host tensor has.");
  }
}

at::ScalarType torch_type(dtype type) {
  switch (type) {
    case dtype::f32:
      return at::kFloat;
    case dtype::f16:
      return at::kHalf;
    case dtype::bf16:
      return at::kBFloat16;
    case dtype::i64:
      return at::kLong;
    case dtype::i32:
      return at::kInt;
    case dtype::u8:
      return at::kByte;
    case dtype::u16:
      break;
  }
  throw engine_error(engine_fault::wrong_shape, "An element type that LibTorch does not have.");
}

/// The CPU allocator reports exhaustion as a plain c10::Error.
bool says_out_of_memory(const c10::Error& error) {
  const char* text = error.what_without_backtrace();
  return std::strstr(text, "allocate memory") != nullptr ||
         std::strstr(text, "out of memory") != nullptr;
}

}  // namespace

host_tensor to_host(const at::Tensor& tensor) {
  assert(tensor.is_contiguous());
  auto owner = std::make_shared<const at::Tensor>(tensor.detach());
  const void* bytes = owner->data_ptr();
  return {host_type(tensor.scalar_type()), tensor.sizes().vec(), std::move(owner), bytes};
}

at::Tensor to_torch(const host_tensor& tensor) {
  const auto type = torch_type(tensor.type());
  return at::from_blob(
      const_cast<void*>(tensor.data()), tensor.shape(), [owner = tensor.owner()](void*) {}, type);
}

void translate_errors(const std::function<void()>& work) {
  try {
    work();
  } catch (const engine_error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw engine_error(engine_fault::out_of_memory, "Out of memory; run fewer microbatches.");
  } catch (const c10::Error& error) {
    const auto fault =
        says_out_of_memory(error) ? engine_fault::out_of_memory : engine_fault::internal;
    throw engine_error(fault, error.what_without_backtrace());
  } catch (const std::exception& error) {
    throw engine_error(engine_fault::internal, error.what());
  }
}

void require_tokens(const host_tensor& tensor, int64_t context, int64_t vocabulary,
                    const char* what) {
  const auto& shape = tensor.shape();
  std::ostringstream text;
  if (tensor.type() != dtype::i32 || shape.size() != 2 || shape[0] < 1 || shape[1] < 1 ||
      shape[1] > context || tensor.is_virtual()) {
    text << "The " << what << " must be i32 [rows, tokens] with 1 to " << context << " tokens.";
    throw engine_error(engine_fault::wrong_shape, text.str());
  }
  const auto* values = tensor.as<int32_t>();
  for (int64_t i = 0; i < tensor.elements(); ++i) {
    if (values[i] < 0 || values[i] >= vocabulary) {
      text << "The " << what << " hold " << values[i] << "; a token is 0 to " << vocabulary - 1
           << ".";
      throw engine_error(engine_fault::wrong_shape, text.str());
    }
  }
}

}  // namespace swarm::tensors
