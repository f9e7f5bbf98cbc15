#include "tools/processes/child_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace swarm::tools {

namespace {

constexpr int exit_no_program = 127;

/// What the child needs between fork and exec, where only system calls are safe.
struct launch {
  int program = -1;
  const char* path = nullptr;
  char* const* arguments = nullptr;
  int output = -1;
  int trouble = -1;  ///< closed by exec; or gets the errno
  pid_t parent = 0;
};

[[noreturn]] void become(const launch& what) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // The parent may have died before.
  if (getppid() != what.parent) _exit(exit_no_program);
  // What this program ignores is not its children's: neither they nor a shell expect it.
  signal(SIGPIPE, SIG_DFL);
  signal(SIGXFSZ, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  // Ctrl-C at the terminal is the parent's to pass on.
  setpgid(0, 0);
  dup2(what.output, STDOUT_FILENO);
  dup2(what.output, STDERR_FILENO);
  fexecve(what.program, what.arguments, environ);
  // A script's interpreter finds no descriptor that exec has closed.
  if (errno == ENOENT) execv(what.path, what.arguments);
  const int why = errno;
  if (write(what.trouble, &why, sizeof(why)) < 0) _exit(exit_no_program);
  _exit(exit_no_program);
}

/// 0: the program runs.
int trouble_of(int descriptor) {
  int why = 0;
  ssize_t count = 0;
  while ((count = read(descriptor, &why, sizeof(why))) < 0 && errno == EINTR) {
  }
  return count == sizeof(why) ? why : 0;
}

std::string cannot_start(const std::string& path, int why) {
  return "the program " + path + " cannot be started: " + std::strerror(why);
}

child_process::ending ending_of(int status) {
  child_process::ending result;
  if (WIFSIGNALED(status))
    result.signal = WTERMSIG(status);
  else
    result.exit_code = WEXITSTATUS(status);
  return result;
}

}  // namespace

program::program(std::string path, int descriptor)
    : path_(std::move(path)), descriptor_(new int{descriptor}, [](const int* owned) {
        close(*owned);
        delete owned;
      }) {}

std::variant<program, std::string> program::open(const std::string& path) {
  if (access(path.c_str(), X_OK) != 0) return cannot_start(path, errno);
  const int descriptor = ::open(path.c_str(), O_PATH | O_CLOEXEC);
  if (descriptor < 0) return cannot_start(path, errno);
  return program{path, descriptor};
}

std::variant<child_process, std::string> child_process::start(
    const std::string& path, const std::vector<std::string>& arguments) {
  auto opened = program::open(path);
  if (auto* why = std::get_if<std::string>(&opened)) return std::move(*why);
  return start(std::get<program>(opened), arguments);
}

std::variant<child_process, std::string> child_process::start(
    const program& what, const std::vector<std::string>& arguments) {
  int ends[2];
  int trouble[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return std::string{"no pipe: "} + std::strerror(errno);
  if (pipe2(trouble, O_CLOEXEC) != 0) {
    const int why = errno;
    close(ends[0]);
    close(ends[1]);
    return std::string{"no pipe: "} + std::strerror(why);
  }
  std::vector<char*> argv{const_cast<char*>(what.path().c_str())};
  for (const auto& a : arguments)
    argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  const launch how{what.descriptor(), what.path().c_str(), argv.data(),
                   ends[1],           trouble[1],          getpid()};
  const auto pid = fork();
  if (pid == 0) become(how);
  int why = errno;
  close(ends[1]);
  close(trouble[1]);
  if (pid > 0) why = trouble_of(trouble[0]);
  close(trouble[0]);
  child_process started{pid, ends[0]};
  if (pid < 0) return std::string{"no process: "} + std::strerror(why);
  if (why != 0) {
    started.wait();
    return cannot_start(what.path(), why);
  }
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return started;
}

child_process::child_process(child_process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      output_(std::exchange(other.output_, -1)),
      ending_(other.ending_) {}

child_process& child_process::operator=(child_process&& other) noexcept {
  if (this == &other) return *this;
  end();
  pid_ = std::exchange(other.pid_, -1);
  output_ = std::exchange(other.output_, -1);
  ending_ = other.ending_;
  return *this;
}

child_process::~child_process() {
  end();
}

void child_process::end() {
  if (pid_ > 0 && !ending_) {
    kill(pid_, SIGKILL);
    wait();
  }
  if (output_ >= 0) close(output_);
  pid_ = output_ = -1;
}

void child_process::signal(int number) const {
  if (pid_ > 0 && !ending_) kill(pid_, number);
}

std::optional<child_process::ending> child_process::poll() {
  if (ending_) return ending_;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) == pid_) ending_ = ending_of(status);
  return ending_;
}

child_process::ending child_process::wait() {
  if (ending_) return *ending_;
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  ending_ = ending_of(status);
  return *ending_;
}

std::string own_program() {
  char path[4096];
  const auto length = readlink("/proc/self/exe", path, sizeof(path));
  std::string result(path, length > 0 ? static_cast<size_t>(length) : 0);
  // How Linux names a file that has gone or was replaced.
  constexpr std::string_view gone = " (deleted)";
  if (result.size() > gone.size() &&
      result.compare(result.size() - gone.size(), gone.size(), gone) == 0)
    result.resize(result.size() - gone.size());
  return result;
}

std::string tree_program(const std::string& path) {
  const auto own = own_program();
  std::vector<std::string> places{path, own + ".runfiles/swarm/" + path};
  for (auto at = own.rfind('/'); at != std::string::npos && at != 0; at = own.rfind('/', at - 1))
    places.push_back(own.substr(0, at + 1) + path);
  for (const auto& place : places)
    if (access(place.c_str(), X_OK) == 0) return place;
  return path;
}

}  // namespace swarm::tools
