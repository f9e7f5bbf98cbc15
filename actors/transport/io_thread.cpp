#include "actors/transport/io_thread.hpp"

#include <pthread.h>
#include <signal.h>

namespace swarm::transport {

io_thread::io_thread() : work_(context_.get_executor()) {}

io_thread::~io_thread() {
  stop();
}

void io_thread::start() {
  // Signals are for the program's own threads.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread{[this] {
    pthread_setname_np(pthread_self(), "transport");
    context_.run();
  }};
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void io_thread::stop() {
  work_.reset();
  context_.stop();
  if (thread_.joinable()) thread_.join();
}

}  // namespace swarm::transport
