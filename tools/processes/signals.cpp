#include "tools/processes/signals.hpp"

#include <pthread.h>

#include <ctime>

namespace swarm::tools {

namespace {

sigset_t stops() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

}  // namespace

stop_signals::stop_signals() {
  const auto set = stops();
  pthread_sigmask(SIG_BLOCK, &set, &before_);
}

stop_signals::~stop_signals() {
  release();
}

bool stop_signals::wait(std::chrono::milliseconds limit) {
  const auto set = stops();
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
