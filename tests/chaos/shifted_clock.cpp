// To be preloaded: the wall clock of a process is SHIFT_S seconds ahead (or behind, if that is
// negative). Intervals and time-outs go by the monotonic clock, which stays.

#include <dlfcn.h>
#include <pthread.h>
#include <sys/time.h>
#include <time.h>

#include <cstdlib>

namespace {

time_t shift() {
  const char* text = std::getenv("SHIFT_S");
  return text == nullptr ? 0 : static_cast<time_t>(std::atoll(text));
}

template <class F>
F real(F, const char* name) {
  return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t which, struct timespec* out) noexcept {
  static const auto asked = real(&clock_gettime, "clock_gettime");
  const int result = asked(which, out);
  if (result == 0 && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE))
    out->tv_sec += shift();
  return result;
}

/// Waits until a moment by the wall clock: the kernel's is another one.
int pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                           const struct timespec* until) {
  static const auto waits = real(&pthread_cond_timedwait, "pthread_cond_timedwait");
  auto by_kernel = *until;
  by_kernel.tv_sec -= shift();
  return waits(condition, mutex, &by_kernel);
}

time_t time(time_t* out) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}

int gettimeofday(struct timeval* __restrict out, void* __restrict) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  out->tv_sec = now.tv_sec;
  out->tv_usec = now.tv_nsec / 1000;
  return 0;
}
}
