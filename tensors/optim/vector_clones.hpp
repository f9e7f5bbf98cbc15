#pragma once

/// Compiles a loop once per instruction set and picks at load time. The clones give the same bits:
/// the build contracts nothing (-ffp-contract=off) and every reduction here has fixed lanes.
/// Sanitizers run before the resolvers can, so they get the plain version.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define SWARM_VECTOR_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define SWARM_VECTOR_CLONES
#endif
