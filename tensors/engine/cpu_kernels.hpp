#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// Which kernels the libraries below compute with, and how a process is started so that they take
/// others. No LibTorch here: programs that train nothing use it, too; `kernels_in_use` looks at
/// what LibTorch really took.
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

/// "OpenBLAS 0.3.21", or the file of another BLAS.
std::string blas_name();

using environment = std::vector<std::pair<std::string, std::string>>;

// -- as fast as the processor can -----------------------------------------------------------------

/// Environment variables that would make OpenBLAS and LibTorch use what the processor has, and
/// that the user has not set (`is_set`). Empty when nothing is to be gained.
///
/// OpenBLAS picks its kernels by model number and falls back to 256-bit or older ones on a
/// processor younger than itself; LibTorch 1.13 leaves its 512-bit loops off unless asked.
environment kernel_settings(const cpu_features& cpu, const std::string& blas_kernels,
                            const std::function<bool(const char*)>& is_set);

/// Starts this program again with `kernel_settings`, once. Both libraries read their variables
/// before main(), so setting them here would be too late. Before threads, files and output. Returns
/// when there is nothing to change or the restart is not possible.
void tune_and_reexec();

// -- a level that a reproducible run names --------------------------------------------------------

/// What a level pins. Another product of two floats, another order of a sum: each library's part
/// decides the last bits of the weights.
struct kernel_level {
  std::string name;
  environment settings;
  std::string blas;    ///< as blas_kernels() says it; empty: whatever it is
  std::string torch;   ///< capabilities that LibTorch may report, separated by '|'
  std::string onednn;  ///< the instruction set that oneDNN may report; empty: whatever it is
  bool fused = true;   ///< our own loops fuse a product and a sum
};

/// "baseline", "avx2" and "avx512" on x86-64, "armv8" on 64-bit ARM; elsewhere one of the
/// architecture's name, which pins nothing but names what is used.
const std::vector<kernel_level>& kernel_levels();

/// "avx2" on x86-64: every server since 2013. Elsewhere the only one.
std::string default_kernels();

/// All names that a run may have, of every architecture.
std::vector<std::string> known_kernels();

/// Why a process on this processor cannot compute at that level: a sentence with both values.
std::optional<std::string> kernels_missing(const std::string& level, const cpu_features& cpu);

/// Sets what a process that is started now needs to begin at that level at once, instead of
/// starting itself again. An empty level: what can be known in advance about the fastest.
void prepare_kernels_of_children(const std::string& level);

/// Starts this program again at that level, once, whatever the environment says. Returns when that
/// is not possible, has been done already, or the user forbids it with SWARM_KERNELS_TUNED=1.
/// `replaced` is told, before, what the user had set to something else.
void reexec_at(const kernel_level& level, const std::function<void(const std::string&)>& replaced);

}  // namespace swarm::tensors
