#include "tensors/engine/thread_layout.hpp"

#include <ATen/Parallel.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace swarm::tensors {

namespace {

/// glibc's own maximum; larger blocks are mapped and unmapped each time.
[[maybe_unused]] constexpr int mapped_block_min_bytes = 32 << 20;

/// How much free memory stays with the process. As padding it also stops a thread's arena from
/// giving up whole heaps, which are 64 MiB.
[[maybe_unused]] constexpr int kept_free_max_bytes = 1 << 30;
[[maybe_unused]] constexpr int arena_padding_bytes = 64 << 20;

void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, mapped_block_min_bytes);
  mallopt(M_TRIM_THRESHOLD, kept_free_max_bytes);
  mallopt(M_TOP_PAD, arena_padding_bytes);
#endif
}

}  // namespace

void configure_thread(int intra_op_threads, numeric_mode mode) {
  keep_freed_memory();
  const bool one = intra_op_threads < 1 || mode == numeric_mode::reproducible;
  at::set_num_threads(one ? 1 : intra_op_threads);
}

int intra_op_threads() {
  return at::get_num_threads();
}

}  // namespace swarm::tensors
