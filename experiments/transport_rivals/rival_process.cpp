#include "experiments/transport_rivals/rival_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

#include "experiments/transport_rivals/rival.hpp"

namespace swarm::experiments {

namespace {

constexpr int answer_ms_max = 120'000;
constexpr int exit_no_program = 127;

struct pipe_ends {
  int read = -1;
  int write = -1;
};

pipe_ends make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {};
  return {ends[0], ends[1]};
}

}  // namespace

std::variant<rival_process, std::string> rival_process::start(
    const std::vector<std::string>& argv) {
  const auto in = make_pipe();
  const auto out = make_pipe();
  if (in.read < 0 || out.read < 0) return std::string{"no pipe: "} + std::strerror(errno);
  std::vector<char*> words;
  for (const auto& word : argv)
    words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  const auto parent = ::getpid();
  const auto pid = ::fork();
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(exit_no_program);
    ::dup2(in.read, STDIN_FILENO);
    ::dup2(out.write, STDOUT_FILENO);
    ::execvp(words[0], words.data());
    ::_exit(exit_no_program);
  }
  ::close(in.read);
  ::close(out.write);
  if (pid < 0) return std::string{"no process: "} + std::strerror(errno);
  return rival_process{pid, in.write, out.read};
}

rival_process::rival_process(rival_process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      to_(std::exchange(other.to_, -1)),
      from_(std::exchange(other.from_, -1)),
      unread_(std::move(other.unread_)) {}

rival_process::~rival_process() {
  if (to_ >= 0) ::close(to_);
  if (from_ >= 0) ::close(from_);
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

int rival_process::exit_code() {
  int status = 0;
  if (pid_ < 0 || ::waitpid(pid_, &status, 0) != pid_) return -1;
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::optional<std::string> rival_process::read_line() {
  for (;;) {
    if (const auto end = unread_.find('\n'); end != std::string::npos) {
      auto line = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      return line;
    }
    pollfd readable{from_, POLLIN, 0};
    char bytes[4096];
    if (::poll(&readable, 1, answer_ms_max) != 1) return std::nullopt;
    const auto got = ::read(from_, bytes, sizeof(bytes));
    if (got <= 0) return std::nullopt;
    unread_.append(bytes, static_cast<size_t>(got));
  }
}

std::optional<std::vector<double>> rival_process::ask(const std::string& command) {
  const auto line = command + "\n";
  if (::write(to_, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
    return std::nullopt;
  const auto answer = read_line();
  if (!answer) return std::nullopt;
  std::istringstream words{*answer};
  return std::vector<double>{std::istream_iterator<double>{words}, {}};
}

double rival_process::cpu_seconds() const {
  std::ifstream file{"/proc/" + std::to_string(pid_) + "/stat"};
  std::string text{std::istreambuf_iterator<char>{file}, {}};
  // Behind the program's name, which may hold blanks: fields 3 to 15.
  std::istringstream fields{text.substr(text.rfind(')') + 1)};
  std::string skipped;
  for (int i = 0; i < 11; ++i)
    fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::variant<rival_pair, std::string> start_pair(const rival_spec& spec) {
  const auto command = [&](std::vector<std::string> words, const char* what,
                           const std::string& where) {
    words.insert(words.end(), {spec.program, what, spec.way, where});
    words.insert(words.end(), spec.settings.begin(), spec.settings.end());
    return words;
  };
  auto server = rival_process::start(command(spec.server_prefix, "serve", spec.host));
  if (auto* sentence = std::get_if<std::string>(&server)) return std::move(*sentence);
  auto& serving = std::get<rival_process>(server);
  const auto address = serving.read_line();
  if (!address) {
    if (serving.exit_code() == exit_not_installed) return std::string{};
    return spec.way + ": its server does not start";
  }
  auto client = rival_process::start(command(spec.client_prefix, "ask", *address));
  if (auto* sentence = std::get_if<std::string>(&client)) return std::move(*sentence);
  auto& asking = std::get<rival_process>(client);
  if (!asking.read_line()) return spec.way + ": its client does not start";
  return rival_pair{std::move(serving), std::move(asking)};
}

}  // namespace swarm::experiments
