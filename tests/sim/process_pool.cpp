#include "tests/sim/process_pool.hpp"

#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <iostream>
#include <new>
#include <stdexcept>
#include <vector>

#include "experiments/stopwatch.hpp"

namespace swarm::campaign {

namespace {

constexpr int tick_ms = 200;
constexpr uint64_t no_task = UINT64_MAX;

volatile std::sig_atomic_t interrupted = 0;

void on_signal(int) {
  interrupted = 1;
}

/// What parent and children share.
struct board {
  std::atomic<uint64_t> next{0};
  std::array<std::atomic<uint64_t>, pool_jobs_max> at{};  ///< by child: the task it is in
};

class shared_board {
 public:
  shared_board() {
    void* memory =
        mmap(nullptr, sizeof(board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::runtime_error("no memory to share with children");
    board_ = new (memory) board;
  }
  ~shared_board() { munmap(board_, sizeof(board)); }
  shared_board(const shared_board&) = delete;
  shared_board& operator=(const shared_board&) = delete;

  board& operator*() { return *board_; }
  board* operator->() { return board_; }

 private:
  board* board_;
};

class signal_guard {
 public:
  signal_guard() {
    struct sigaction action = {};
    action.sa_handler = on_signal;
    interrupted = 0;
    sigaction(SIGINT, &action, &before_int_);
    sigaction(SIGTERM, &action, &before_term_);
  }
  ~signal_guard() {
    sigaction(SIGINT, &before_int_, nullptr);
    sigaction(SIGTERM, &before_term_, nullptr);
  }
  signal_guard(const signal_guard&) = delete;
  signal_guard& operator=(const signal_guard&) = delete;

 private:
  struct sigaction before_int_ = {};
  struct sigaction before_term_ = {};
};

bool write_all(int fd, const std::string& text) {
  size_t done = 0;
  while (done < text.size()) {
    const auto count = write(fd, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    done += static_cast<size_t>(count);
  }
  return true;
}

struct child {
  pid_t pid = -1;
  int fd = -1;
  std::string unread;
  uint64_t task = no_task;  ///< as last seen, since `since`
  experiments::stopwatch since;
  bool killed = false;
};

class pool {
 public:
  pool(const pool_options& options, const std::function<std::string(uint64_t)>& task,
       const pool_listener& listener)
      : options_(options), task_(task), listener_(listener) {
    children_.resize(static_cast<size_t>(std::min(options.jobs, pool_jobs_max)));
  }

  ~pool() {
    for (auto& c : children_)
      if (c.pid > 0) {
        kill(c.pid, SIGKILL);
        waitpid(c.pid, nullptr, 0);
        close(c.fd);
      }
  }

  pool(const pool&) = delete;
  pool& operator=(const pool&) = delete;

  pool_end run() {
    for (size_t i = 0; i < children_.size(); ++i)
      start(i);
    while (alive()) {
      listen();
      if (interrupted != 0) return pool_end::interrupted;
      if (enough_) return pool_end::stopped;
      if (deaths_ >= pool_deaths_max) return pool_end::too_many_deaths;
      if (listener_.tick) listener_.tick();
    }
    return pool_end::complete;
  }

 private:
  bool alive() const {
    return std::any_of(children_.begin(), children_.end(), [](auto& c) { return c.pid > 0; });
  }

  void start(size_t index) {
    std::array<int, 2> ends{};
    if (pipe(ends.data()) != 0) throw std::runtime_error("no pipe to a child");
    std::cout.flush();
    board_->at[index] = no_task;
    const auto pid = fork();
    if (pid < 0) throw std::runtime_error("no child process");
    if (pid == 0) {
      close(ends[0]);
      work(index, ends[1]);
    }
    close(ends[1]);
    children_[index] = {pid, ends[0], {}, no_task, {}, false};
  }

  /// The child's life.
  [[noreturn]] void work(size_t index, int fd) {
    std::signal(SIGINT, SIG_DFL);
    std::signal(SIGTERM, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
      const auto task = board_->next.fetch_add(1);
      if (task >= options_.tasks) _exit(0);
      board_->at[index] = task;
      if (!write_all(fd, task_(task) + "\n")) _exit(0);
      board_->at[index] = no_task;
    }
  }

  void listen() {
    std::vector<pollfd> ready;
    std::vector<size_t> whose;
    for (size_t i = 0; i < children_.size(); ++i) {
      if (children_[i].pid <= 0) continue;
      ready.push_back({children_[i].fd, POLLIN, 0});
      whose.push_back(i);
    }
    if (poll(ready.data(), ready.size(), tick_ms) < 0) return;
    for (size_t i = 0; i < ready.size() && !enough_; ++i) {
      if (ready[i].revents != 0) read_from(whose[i]);
      if (children_[whose[i]].pid > 0) watch(whose[i]);
    }
  }

  void read_from(size_t index) {
    auto& c = children_[index];
    std::array<char, 1 << 16> buffer;
    const auto count = read(c.fd, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) return;
    if (count <= 0) return ended(index);
    c.unread.append(buffer.data(), static_cast<size_t>(count));
    size_t begin = 0;
    for (auto end = c.unread.find('\n'); end != std::string::npos && !enough_;
         end = c.unread.find('\n', begin)) {
      if (!listener_.line(c.unread.substr(begin, end - begin))) enough_ = true;
      begin = end + 1;
    }
    c.unread.erase(0, begin);
  }

  void watch(size_t index) {
    auto& c = children_[index];
    const uint64_t task = board_->at[index];
    if (task != c.task) {
      c.task = task;
      c.since = {};
    } else if (task != no_task && c.since.seconds() > options_.task_s_max && !c.killed) {
      c.killed = true;
      kill(c.pid, SIGKILL);
    }
  }

  void ended(size_t index) {
    auto& c = children_[index];
    int status = 0;
    waitpid(c.pid, &status, 0);
    close(c.fd);
    c.pid = -1;
    const uint64_t task = board_->at[index];
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    ++deaths_;
    std::string how = WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status))
                                          : "exit " + std::to_string(WEXITSTATUS(status));
    if (c.killed) how = "no end within " + std::to_string(options_.task_s_max) + " s of wall time";
    if (task != no_task && !listener_.died(task, how)) enough_ = true;
    if (!enough_ && deaths_ < pool_deaths_max) start(index);
  }

  const pool_options& options_;
  const std::function<std::string(uint64_t)>& task_;
  const pool_listener& listener_;
  shared_board board_;
  std::vector<child> children_;
  int deaths_ = 0;
  bool enough_ = false;
};

}  // namespace

pool_end run_in_children(const pool_options& options,
                         const std::function<std::string(uint64_t)>& task,
                         const pool_listener& listener) {
  const signal_guard guard;
  return pool{options, task, listener}.run();
}

}  // namespace swarm::campaign
