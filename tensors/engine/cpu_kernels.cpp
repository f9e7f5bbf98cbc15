#include "tensors/engine/cpu_kernels.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

namespace swarm::tensors {

namespace {

constexpr const char* guard_variable = "SWARM_KERNELS_TUNED";

/// OpenBLAS's x86 kernels without AVX2, and those with AVX2 only. A name on neither list is left
/// alone: it is newer than this file or another architecture.
constexpr std::array before_avx2 = {
    "Katmai", "Coppermine", "Northwood",  "Prescott",    "Banias",     "Atom",         "Core2",
    "Penryn", "Dunnington", "Nehalem",    "Athlon",      "Opteron",    "Opteron_SSE3", "Barcelona",
    "Bobcat", "Bulldozer",  "Piledriver", "Steamroller", "Sandybridge"};
constexpr std::array with_avx2 = {"Haswell", "Zen", "Excavator"};

template <class List>
bool contains(const List& list, const std::string& name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

}  // namespace

cpu_features detect_cpu() {
  cpu_features cpu;
#if defined(__x86_64__)
  __builtin_cpu_init();
  cpu.avx2_fma = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  cpu.avx512 = cpu.avx2_fma && __builtin_cpu_supports("avx512f") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd");
  cpu.avx512_full = cpu.avx512 && __builtin_cpu_supports("avx512vbmi2");
#endif
  return cpu;
}

std::string blas_kernels() {
  // Looked up at run time: another BLAS does not have it.
  using name_function = char* (*)();
  const auto name = reinterpret_cast<name_function>(dlsym(RTLD_DEFAULT, "openblas_get_corename"));
  const char* text = name == nullptr ? nullptr : name();
  return text == nullptr ? "" : text;
}

std::vector<std::pair<std::string, std::string>> kernel_settings(
    const cpu_features& cpu, const std::string& blas_kernels,
    const std::function<bool(const char*)>& is_set) {
  std::vector<std::pair<std::string, std::string>> settings;
  const bool old = contains(before_avx2, blas_kernels);
  if (!is_set("OPENBLAS_CORETYPE")) {
    if (cpu.avx512 && (old || contains(with_avx2, blas_kernels))) {
      settings.emplace_back("OPENBLAS_CORETYPE", "SKYLAKEX");
    } else if (cpu.avx2_fma && old) {
      settings.emplace_back("OPENBLAS_CORETYPE", "HASWELL");
    }
  }
  if (cpu.avx512_full && !is_set("ATEN_CPU_CAPABILITY")) {
    settings.emplace_back("ATEN_CPU_CAPABILITY", "avx512");
  }
  return settings;
}

void tune_and_reexec(int argc, char** argv) {
  if (argc < 1 || std::getenv(guard_variable) != nullptr) return;
  const auto settings = kernel_settings(
      detect_cpu(), blas_kernels(), [](const char* name) { return std::getenv(name) != nullptr; });
  if (settings.empty()) return;
  for (const auto& [name, value] : settings)
    setenv(name.c_str(), value.c_str(), 1);
  setenv(guard_variable, "1", 1);
  execv("/proc/self/exe", argv);
  // Not possible here, so run on as we are; what was set would mislead our children.
  for (const auto& [name, value] : settings)
    unsetenv(name.c_str());
  unsetenv(guard_variable);
}

}  // namespace swarm::tensors
