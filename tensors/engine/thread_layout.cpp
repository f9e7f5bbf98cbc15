#include "tensors/engine/thread_layout.hpp"

#include <ATen/Parallel.h>
#include <malloc.h>

namespace swarm::tensors {

void configure_thread(int intra_op_threads) {
  at::set_num_threads(intra_op_threads < 1 ? 1 : intra_op_threads);
}

}  // namespace swarm::tensors
