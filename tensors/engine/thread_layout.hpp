#pragma once

namespace swarm::tensors {

/// Threads that one LibTorch operation called from this thread may use. Call it on the thread that
/// owns an engine, before its first operation; one per stage is the stable layout, because a
/// parallel matrix product collapses when another process takes a core. Inter-op threads are never
/// used. Also keeps freed memory inside the process: handing activations back to the kernel after
/// every operation costs more than computing them.
void configure_thread(int intra_op_threads);

}  // namespace swarm::tensors
