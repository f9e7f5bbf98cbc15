#pragma once

#include "tensors/engine/stage_engine.hpp"

namespace swarm::tensors {

/// Threads that one LibTorch operation called from this thread may use. Call it on the thread that
/// owns an engine, before its first operation; one per stage is the stable layout, because a
/// parallel matrix product collapses when another process takes a core. Inter-op threads are never
/// used.
///
/// In reproducible mode it is one thread whatever is asked for: matrix products are split and
/// LayerNorm's gradient is summed per thread, so that their number changes the last bits.
///
/// Also keeps freed memory inside the process: handing activations back to the kernel after
/// every operation costs more than computing them.
void configure_thread(int intra_op_threads, numeric_mode mode = numeric_mode::floating);

/// What the calling thread has been given.
int intra_op_threads();

}  // namespace swarm::tensors
