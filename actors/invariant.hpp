#pragma once

/// Checked in every build, release included: a broken invariant of the step transaction must stop
/// the process before it spoils a model.
#define SWARM_INVARIANT(condition, sentence) \
  ((condition) ? static_cast<void>(0)        \
               : ::swarm::invariant_broken(#condition, sentence, __FILE__, __LINE__))

namespace swarm {

/// Prints what broke, where, and aborts.
[[noreturn]] void invariant_broken(const char* condition, const char* sentence, const char* file,
                                   int line);

}  // namespace swarm
