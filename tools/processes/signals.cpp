#include "tools/processes/signals.hpp"

#include <pthread.h>

#include <ctime>
#include <initializer_list>

namespace swarm::tools {

namespace {

bool is_ignored(int number) {
  struct sigaction now {};
  return sigaction(number, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

}  // namespace

sigset_t leave_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  // Blocked, a signal that is ignored would come all the same.
  for (const int number : {SIGINT, SIGHUP})
    if (!is_ignored(number)) sigaddset(&set, number);
  return set;
}

stop_signals::stop_signals() {
  const auto set = leave_signals();
  pthread_sigmask(SIG_BLOCK, &set, &before_);
}

stop_signals::~stop_signals() {
  release();
}

bool stop_signals::wait(std::chrono::milliseconds limit) {
  const auto set = leave_signals();
  timespec time{};
  time.tv_sec = limit.count() / 1000;
  time.tv_nsec = limit.count() % 1000 * 1'000'000;
  return sigtimedwait(&set, nullptr, &time) > 0;
}

void stop_signals::release() {
  if (!held_) return;
  held_ = false;
  // In this thread is enough: it is delivered to whoever does not block it.
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace swarm::tools
