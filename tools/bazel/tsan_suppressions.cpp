// Linked into every program of --config=tsan. Debian's CAF and libstdc++ are not instrumented, so
// their locks are invisible and what they guard looks like a race. Only the innermost frame counts
// (race_top): a race in our own code under a CAF frame is still reported.
// NOLINTNEXTLINE(bugprone-reserved-identifier): the name is the sanitizer's.
extern "C" const char* __tsan_default_suppressions() {
  return "race_top:caf::\nrace_top:std::\n";
}
