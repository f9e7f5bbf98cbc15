#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace swarm::tensors {

/// What the processor can do, as far as it decides between kernels.
struct cpu_features {
  bool avx2_fma = false;
  bool avx512 = false;       ///< f, dq, bw, vl and cd: what OpenBLAS's SKYLAKEX kernels use
  bool avx512_full = false;  ///< and vbmi2: generations that do not slow their clock for it
};

cpu_features detect_cpu();

/// OpenBLAS's name for the kernels it chose; empty without OpenBLAS.
std::string blas_kernels();

/// Environment variables that would make OpenBLAS and LibTorch use what the processor has, and
/// that the user has not set (`is_set`). Empty when nothing is to be gained.
///
/// OpenBLAS picks its kernels by model number and falls back to 256-bit or older ones on a
/// processor younger than itself; LibTorch 1.13 leaves its 512-bit loops off unless asked.
std::vector<std::pair<std::string, std::string>> kernel_settings(
    const cpu_features& cpu, const std::string& blas_kernels,
    const std::function<bool(const char*)>& is_set);

/// First thing in main(): starts this program again with `kernel_settings`, once (the variable
/// SWARM_KERNELS_TUNED says that it has happened; set it yourself to forbid it). Both libraries
/// read their variables before main(), so setting them here would be too late. Returns when there
/// is nothing to change or the restart is not possible.
void tune_and_reexec(int argc, char** argv);

}  // namespace swarm::tensors
