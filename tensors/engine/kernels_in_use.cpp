#include "tensors/engine/kernels_in_use.hpp"

#include <ATen/Version.h>
#include <dlfcn.h>

#include <algorithm>
#include <sstream>
#include <vector>

#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

#include "tensors/engine/cpu_kernels.hpp"
#include "tensors/engine/version.hpp"
#include "tensors/model/attention_kernels.hpp"

namespace swarm::tensors {

namespace {

constexpr size_t identity_bytes_max = 200;

/// What LibTorch's loops were compiled for; LibTorch says it in a text for people only.
std::string torch_capability() {
  constexpr const char* mark = "CPU capability usage: ";
  std::istringstream lines{at::show_config()};
  for (std::string line; std::getline(lines, line);) {
    const auto at = line.find(mark);
    if (at != std::string::npos) return line.substr(at + std::string{mark}.size());
  }
  return "?";
}

struct onednn {
  std::string version;
  std::string instructions;
};

/// LibTorch's GELU is oneDNN's. Nothing where it is hidden inside LibTorch.
std::optional<onednn> onednn_here() {
  struct version {
    int major;
    int minor;
    int patch;
  };
  const auto about = reinterpret_cast<const version* (*)()>(dlsym(RTLD_DEFAULT, "dnnl_version"));
  const auto effective =
      reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "dnnl_get_effective_cpu_isa"));
  const auto name = reinterpret_cast<const char* (*)(int)>(dlsym(RTLD_DEFAULT, "dnnl_cpu_isa2str"));
  if (about == nullptr || effective == nullptr || name == nullptr) return std::nullopt;
  const auto* v = about();
  return onednn{
      std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch),
      name(effective())};
}

std::string compiler() {
#if defined(__clang__)
  return "clang " + std::to_string(__clang_major__);
#elif defined(__GNUC__)
  return "GCC " + std::to_string(__GNUC__);
#else
  return "another compiler";
#endif
}

bool is_one_of(const std::string& value, const std::string& choices) {
  std::istringstream list{choices};
  for (std::string choice; std::getline(list, choice, '|');)
    if (value == choice) return true;
  return choices.empty();
}

std::string without(const std::string& prefix, const std::string& text) {
  return text.compare(0, prefix.size(), prefix) == 0 ? text.substr(prefix.size()) : text;
}

bool choose_loops(const kernel_level& level) {
  if (!level.fused) return choose_attention_loops(attention_loops::plain);
  if (level.name == "avx2") return choose_attention_loops(attention_loops::avx2);
  // The same bits as avx2, wider registers.
  if (level.name == "avx512") return choose_attention_loops(attention_loops::avx512);
  return choose_attention_loops(attention_loops::widest);
}

/// Whether the libraries took the level's kernels.
bool is_in_force(const kernel_level& level) {
  // Only OpenBLAS can be told which kernels to take.
  if (blas_kernels().empty()) return false;
  if (!level.blas.empty() && blas_kernels() != level.blas) return false;
  if (!is_one_of(torch_capability(), level.torch)) return false;
  const auto dnn = onednn_here();
  return !dnn || level.onednn.empty() || dnn->instructions == level.onednn;
}

const kernel_level* level_named(const std::string& name) {
  const auto& all = kernel_levels();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace

std::string kernels_in_use() {
  auto text = blas_name();
  if (!blas_kernels().empty()) text += " " + blas_kernels();
  text += ", LibTorch " + libtorch_version() + " " + torch_capability();
  if (const auto dnn = onednn_here())
    text += ", oneDNN " + dnn->version + " " + without("cpu_isa_", dnn->instructions);
  text +=
      std::string{", "} + (attention_loops_fuse() ? "fused" : "plain") + " loops of " + compiler();
#ifdef __GLIBC__
  text += std::string{", C library "} + gnu_get_libc_version();
#endif
  return text.substr(0, identity_bytes_max);
}

std::optional<std::string> use_kernels(const std::string& level,
                                       const std::function<void(const std::string&)>& say) {
  if (level.empty()) {
    tune_and_reexec();
    return std::nullopt;
  }
  if (auto why = kernels_missing(level, detect_cpu())) return why;
  const auto* wanted = level_named(level);
  if (!is_in_force(*wanted)) reexec_at(*wanted, say);
  choose_loops(*wanted);
  if (is_in_force(*wanted)) return std::nullopt;
  if (blas_kernels().empty()) {
    return "the run's kernels are " + level + " of OpenBLAS, this process has " + blas_name() +
           ", whose kernels cannot be chosen: install libopenblas0";
  }
  return "the run's kernels are " + level + ", this process has " + kernels_in_use() +
         ": unset SWARM_KERNELS_TUNED, so that it can start itself with the run's";
}

}  // namespace swarm::tensors
