#pragma once

/// Checked in every build, release included: a broken invariant of the step transaction must stop
/// the process before it spoils a model.
#define SWARM_INVARIANT(condition, sentence) \
  ((condition) ? static_cast<void>(0)        \
               : ::swarm::invariant_broken(#condition, sentence, __FILE__, __LINE__))

namespace swarm {

/// Prints what broke, where, and aborts. If somebody listens, it is told instead and the actor at
/// fault ends with an exception: a simulator goes on to the next run.
[[noreturn]] void invariant_broken(const char* condition, const char* sentence, const char* file,
                                   int line);

using invariant_listener = void (*)(const char* sentence, const char* file, int line);

/// For simulations of one thread; null: nobody listens. Returns the last listener.
invariant_listener listen_for_broken_invariants(invariant_listener listener);

}  // namespace swarm
