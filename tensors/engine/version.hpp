#pragma once

#include <string>

namespace swarm::tensors {

/// Of the LibTorch this program was compiled against, e.g. "1.13.1".
std::string libtorch_version();

}  // namespace swarm::tensors
