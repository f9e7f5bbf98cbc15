#pragma once

#include <functional>
#include <optional>
#include <string>

namespace swarm::tensors {

/// Everything that decides the bits of what this process computes: the libraries with their
/// versions and the kernels that they really took, e.g. "OpenBLAS 0.3.21 Haswell, LibTorch 1.13.1
/// AVX2, oneDNN 2.6.3 avx2, fused loops of GCC 12, C library 2.36". Processes of a reproducible run
/// refuse each other unless theirs are equal. At most 200 bytes.
std::string kernels_in_use();

/// Makes this process compute at a run's kernel level, and looks whether it does; empty: as fast as
/// the processor can. It may start the program again, see cpu_kernels.hpp, so before threads, files
/// and output. `say` is told what of the environment was overruled. A sentence with both values
/// when the process cannot compute at that level.
std::optional<std::string> use_kernels(const std::string& level,
                                       const std::function<void(const std::string&)>& say = {});

}  // namespace swarm::tensors
