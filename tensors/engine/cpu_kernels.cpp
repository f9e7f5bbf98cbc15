#include "tensors/engine/cpu_kernels.hpp"

#include <dlfcn.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <iterator>

namespace swarm::tensors {

namespace {

/// Set by a process that starts itself again: "fastest", or the level. The user's "1" forbids it.
constexpr const char* guard_variable = "SWARM_KERNELS_TUNED";
constexpr const char* forbidden = "1";
constexpr const char* fastest = "fastest";

constexpr const char* blas_variable = "OPENBLAS_CORETYPE";
constexpr const char* torch_variable = "ATEN_CPU_CAPABILITY";

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

bool is_set(const char* name) {
  return std::getenv(name) != nullptr;
}

std::string value_of(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// A library's function, or null. Looked up at run time: another BLAS does not have it, and a
/// program without LibTorch has none.
template <class Function>
Function function_named(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
}

std::string text_of(const char* function) {
  const auto call = function_named<char* (*)()>(function);
  const char* text = call == nullptr ? nullptr : call();
  return text == nullptr ? "" : text;
}

/// With the arguments that it was started with; returns when that is not possible.
void start_again() {
  std::ifstream file{"/proc/self/cmdline", std::ios::binary};
  const std::string bytes{std::istreambuf_iterator<char>{file}, {}};
  std::vector<std::string> words;
  for (size_t at = 0; at < bytes.size();) {
    const auto end = std::min(bytes.find('\0', at), bytes.size());
    words.push_back(bytes.substr(at, end - at));
    at = end + 1;
  }
  if (words.empty()) return;
  std::vector<char*> arguments;
  for (auto& word : words)
    arguments.push_back(word.data());
  arguments.push_back(nullptr);
  // Signals that this life holds back are the next one's to hold back, or not.
  sigset_t stops;
  sigset_t before;
  sigemptyset(&stops);
  sigaddset(&stops, SIGTERM);
  sigaddset(&stops, SIGINT);
  sigaddset(&stops, SIGHUP);
  pthread_sigmask(SIG_UNBLOCK, &stops, &before);
  execv("/proc/self/exe", arguments.data());
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

/// oneDNN has had two names.
environment pinned(const char* blas, const char* torch, const char* onednn) {
  return {{blas_variable, blas},
          {torch_variable, torch},
          {"ONEDNN_MAX_CPU_ISA", onednn},
          {"DNNL_MAX_CPU_ISA", onednn}};
}

std::vector<kernel_level> levels_here() {
#if defined(__x86_64__)
  auto baseline = pinned("PRESCOTT", "default", "SSE41");
  // The C library's exponentials fuse where the processor can: on none at this level.
  baseline.emplace_back("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX,-AVX2,-FMA,-FMA4");
  return {{"avx2", pinned("HASWELL", "avx2", "AVX2"), "Haswell", "AVX2", "cpu_isa_avx2", true},
          {"avx512", pinned("SKYLAKEX", "avx512", "AVX512_CORE"), "SkylakeX", "AVX512",
           "cpu_isa_avx512_core", true},
          {"baseline", baseline, "Prescott", "NO AVX|DEFAULT", "cpu_isa_sse41", false}};
#elif defined(__aarch64__)
  return {{"armv8",
           {{blas_variable, "ARMV8"}, {torch_variable, "default"}},
           "armv8",
           "NO AVX|DEFAULT",
           "",
           true}};
#elif defined(__powerpc64__)
  return {{"ppc64", {}, "", "", "", true}};
#elif defined(__riscv)
  return {{"riscv", {}, "", "", "", true}};
#elif defined(__s390x__)
  return {{"s390x", {}, "", "", "", true}};
#else
  return {{"other", {}, "", "", "", true}};
#endif
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
  return text_of("openblas_get_corename");
}

std::string blas_name() {
  // "OpenBLAS 0.3.21 DYNAMIC_ARCH ...": the name and the version.
  const auto config = text_of("openblas_get_config");
  const auto end = config.find(' ', config.find(' ') + 1);
  if (!config.empty()) return config.substr(0, end);
  Dl_info where{};
  void* product = dlsym(RTLD_DEFAULT, "sgemm_");
  if (product == nullptr || dladdr(product, &where) == 0 || where.dli_fname == nullptr)
    return "no BLAS";
  const std::string path = where.dli_fname;
  return path.substr(path.rfind('/') + 1);
}

environment kernel_settings(const cpu_features& cpu, const std::string& blas_kernels,
                            const std::function<bool(const char*)>& is_set) {
  environment settings;
  const bool old = contains(before_avx2, blas_kernels);
  if (!is_set(blas_variable)) {
    if (cpu.avx512 && (old || contains(with_avx2, blas_kernels))) {
      settings.emplace_back(blas_variable, "SKYLAKEX");
    } else if (cpu.avx2_fma && old) {
      settings.emplace_back(blas_variable, "HASWELL");
    }
  }
  if (cpu.avx512_full && !is_set(torch_variable)) settings.emplace_back(torch_variable, "avx512");
  return settings;
}

void tune_and_reexec() {
  if (is_set(guard_variable)) return;
  const auto settings = kernel_settings(detect_cpu(), blas_kernels(), &is_set);
  if (settings.empty()) return;
  for (const auto& [name, value] : settings)
    setenv(name.c_str(), value.c_str(), 1);
  setenv(guard_variable, fastest, 1);
  start_again();
  // Not possible here, so run on as we are; what was set would mislead our children.
  for (const auto& [name, value] : settings)
    unsetenv(name.c_str());
  unsetenv(guard_variable);
}

const std::vector<kernel_level>& kernel_levels() {
  static const auto levels = levels_here();
  return levels;
}

std::string default_kernels() {
  return kernel_levels().front().name;
}

std::vector<std::string> known_kernels() {
  return {"baseline", "avx2", "avx512", "armv8", "ppc64", "riscv", "s390x", "other"};
}

std::optional<std::string> kernels_missing(const std::string& level, const cpu_features& cpu) {
  std::string here;
  bool found = false;
  for (const auto& known : kernel_levels()) {
    const bool can = known.name == "avx512" ? cpu.avx512 : known.name != "avx2" || cpu.avx2_fma;
    if (can) here += (here.empty() ? "" : ", ") + known.name;
    found = found || (can && known.name == level);
  }
  if (found) return std::nullopt;
  return "the run's kernels are " + level + ", this processor has " + here +
         ": a reproducible run needs the same everywhere";
}

void prepare_kernels_of_children(const std::string& level) {
  if (value_of(guard_variable) == forbidden) return;
  for (const auto& known : kernel_levels()) {
    if (known.name != level) continue;
    for (const auto& [name, value] : known.settings)
      setenv(name.c_str(), value.c_str(), 1);
    setenv(guard_variable, level.c_str(), 1);
    return;
  }
  if (!level.empty() || is_set(guard_variable)) return;
  // Which kernels OpenBLAS would choose is known where it is loaded.
  if (detect_cpu().avx512_full) setenv(torch_variable, "avx512", 0);
}

void reexec_at(const kernel_level& level, const std::function<void(const std::string&)>& replaced) {
  const auto before = value_of(guard_variable);
  if (before == forbidden || before == level.name) return;
  for (const auto& [name, value] : level.settings) {
    const auto present = value_of(name.c_str());
    // What a start for the fastest kernels left behind is nobody's wish.
    if (before.empty() && !present.empty() && present != value && replaced)
      replaced(name + "=" + present + " is not used: the run's kernels are " + level.name);
    setenv(name.c_str(), value.c_str(), 1);
  }
  setenv(guard_variable, level.name.c_str(), 1);
  start_again();
}

}  // namespace swarm::tensors
