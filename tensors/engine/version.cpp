#include "tensors/engine/version.hpp"

#include <torch/csrc/api/include/torch/version.h>

namespace swarm::tensors {

std::string libtorch_version() {
  return TORCH_VERSION;
}

}  // namespace swarm::tensors
