// Every command under hostile invocations: it ends with a documented exit code and one sentence,
// leaves nothing behind, and touches nobody else's process.
//
//     bazel run //tests/tools/swarm:hostile_test -- -- $PWD/bazel-bin/tools/swarm/swarm 200 7
//
// runs 200 of each command from seed 7 on.

#include <fcntl.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/tools/swarm/hostile.hpp"

namespace fs = std::filesystem;
using namespace swarm::tests;

namespace {

/// One that serves is asked to leave then; one that has not ended at last hangs.
constexpr time_t serves_s = 10;
constexpr time_t patience_s = 60;
/// tools/swarm/README.md has the table.
const std::set<int> documented_exit_codes{0, 1, 2};

std::string read(const fs::path& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

/// Files and folders below `root`, with their sizes.
std::map<std::string, uintmax_t> listing(const fs::path& root) {
  std::map<std::string, uintmax_t> result;
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator{root}) {
    const auto size = entry.is_regular_file(error) ? entry.file_size(error) : 0;
    result.emplace(entry.path().lexically_relative(root).string(), size);
  }
  return result;
}

/// Somebody else's process: it sleeps until it is killed, and must be alive at the end.
class bystander {
 public:
  explicit bystander(const std::string& locked_file) {
    pid_ = fork();
    if (pid_ != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!locked_file.empty()) {
      const int file = open(locked_file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
      flock(file, LOCK_EX);
    }
    while (true)
      pause();
  }
  ~bystander() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  bystander(const bystander&) = delete;
  bystander& operator=(const bystander&) = delete;

  pid_t pid() const { return pid_; }
  bool lives() const { return waitpid(pid_, nullptr, WNOHANG) == 0; }

 private:
  pid_t pid_;
};

void limit(int which, const std::optional<uint64_t>& value) {
  if (!value) return;
  const rlimit both{*value, *value};
  setrlimit(static_cast<__rlimit_resource>(which), &both);
}

void arrange(int target, descriptor how, const std::string& file) {
  int opened = -1;
  if (how == descriptor::as_usual) opened = open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (how == descriptor::full_disk) opened = open("/dev/full", O_WRONLY);
  if (how == descriptor::reader_gone) {
    int ends[2];
    if (pipe(ends) == 0) {
      close(ends[0]);
      opened = ends[1];
    }
  }
  if (opened < 0) {
    close(target);
  } else if (opened != target) {
    dup2(opened, target);
    close(opened);
  }
}

/// In the child.
[[noreturn]] void become(const std::string& program, const invocation& what,
                         const std::string& folder, const std::string& beside) {
  if (chdir(folder.c_str()) != 0) _exit(99);
  if (what.lost_folder && (mkdir("lost", 0700) != 0 || chdir("lost") != 0 || rmdir("../lost") != 0))
    _exit(99);
  for (const auto& [name, value] : what.environment) {
    if (value)
      setenv(name.c_str(), value->c_str(), 1);
    else
      unsetenv(name.c_str());
  }
  std::vector<char*> arguments{const_cast<char*>("swarm")};
  for (const auto& argument : what.arguments)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  const int nothing = open("/dev/null", O_RDONLY);
  dup2(nothing, STDIN_FILENO);
  if (nothing != STDIN_FILENO) close(nothing);
  arrange(STDERR_FILENO, what.errors, beside + "/err");
  arrange(STDOUT_FILENO, what.output, beside + "/out");
  if (what.closed_input) close(STDIN_FILENO);
  umask(what.umask);
  limit(RLIMIT_NOFILE, what.open_files_max);
  limit(RLIMIT_FSIZE, what.file_bytes_max);
  limit(RLIMIT_AS, what.address_space_bytes_max);
  execv(program.c_str(), arguments.data());
  _exit(98);
}

sigset_t child_ends() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  return set;
}

/// Waits a second at most. True: a child has ended meanwhile.
bool hears_of_a_child() {
  const auto set = child_ends();
  const timespec second{1, 0};
  return sigtimedwait(&set, nullptr, &second) >= 0;
}

/// Its status, or nothing when it hangs; then it has been killed.
std::optional<int> wait_for(pid_t child) {
  int status = 0;
  for (time_t waited = 0; waited < patience_s;) {
    if (waitpid(child, &status, WNOHANG) == child) return status;
    if (!hears_of_a_child() && ++waited == serves_s) kill(child, SIGTERM);
  }
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  return std::nullopt;
}

/// Processes that the command started and left to us, the subreaper. They may be about to end.
bool leaves_processes(const std::set<pid_t>& ours) {
  for (time_t waited = 0; waited < patience_s; ++waited) {
    bool left = false;
    while (true) {
      siginfo_t found{};
      if (waitid(P_ALL, 0, &found, WEXITED | WNOHANG | WNOWAIT) != 0 || found.si_pid == 0) break;
      if (ours.count(found.si_pid) != 0) break;
      waitpid(found.si_pid, nullptr, 0);
    }
    const auto children = "/proc/self/task/" + std::to_string(getpid()) + "/children";
    std::ifstream in{children};
    for (pid_t pid = 0; in >> pid;)
      left = left || ours.count(pid) == 0;
    if (!left) return false;
    hears_of_a_child();
  }
  return true;
}

bool is_one_sentence(const std::string& text) {
  if (text.empty() || text.back() != '\n') return false;
  if (std::count(text.begin(), text.end(), '\n') != 1) return false;
  return std::none_of(text.begin(), text.end() - 1, [](char c) {
    return static_cast<unsigned char>(c) < ' ' || static_cast<unsigned char>(c) == 0x7f;
  });
}

bool is_temporary(const std::string& name) {
  return name.find(".tmp") != std::string::npos || name.find(".new") != std::string::npos;
}

struct place {
  explicit place(const fs::path& at) : root(at), work(at / "work") {}
  fs::path root;
  fs::path work;
};

void check_left(const std::map<std::string, uintmax_t>& before, const fs::path& work, int code,
                const std::string& told) {
  for (const auto& [name, size] : listing(work)) {
    const auto was = before.find(name);
    const bool is_new = was == before.end();
    BOOST_TEST(!(is_new && is_temporary(name)), "left " << name << " behind: " << told);
    // A wrong command line has made nothing and changed nothing.
    if (code == 2) BOOST_TEST((!is_new && was->second == size), "made " << name << ": " << told);
  }
  for (const auto& [name, size] : before)
    BOOST_TEST(fs::exists(fs::symlink_status(work / name)), "removed " << name << ": " << told);
}

void check_said(const invocation& what, const place& at, int code, const std::string& told) {
  const auto errors = read(at.root / "err");
  const auto output = read(at.root / "out");
  if (code == 0 || what.errors != descriptor::as_usual) return;
  // `doctor` tells what it found on standard output.
  if (what.arguments[0] == "doctor" && errors.empty() && output.find("FAIL") != std::string::npos)
    return;
  BOOST_TEST(is_one_sentence(errors), "said '" << errors << "': " << told);
}

/// The exit code; nothing when it hung or died.
std::optional<int> try_one(const std::string& program, const command_line& line, uint64_t seed,
                           const place& at, const bystander& other, const bystander& holder) {
  const auto what = hostile_invocation(line, seed);
  const auto told = "seed " + std::to_string(seed) + ": " + to_text(what);
  fs::remove_all(at.work);
  fs::remove(at.root / "out");
  fs::remove(at.root / "err");
  fs::create_directories(at.work);
  make_hostile_files(at.work.string(), other.pid());
  fs::create_symlink(at.root / "busy", at.work / "busy");
  fs::copy(at.root / "run", at.work / "run", fs::copy_options::recursive);
  const auto before = listing(at.work);
  const auto child = fork();
  if (child == 0) become(program, what, at.work.string(), at.root.string());
  const auto status = wait_for(child);
  BOOST_TEST(!leaves_processes({other.pid(), holder.pid()}), "leaves processes: " << told);
  BOOST_TEST(status.has_value(), "hangs: " << told);
  if (!status) return std::nullopt;
  BOOST_TEST(WIFEXITED(*status), "ended by signal " << WTERMSIG(*status) << ": " << told);
  if (!WIFEXITED(*status)) return std::nullopt;
  const int code = WEXITSTATUS(*status);
  BOOST_TEST(documented_exit_codes.count(code) == 1U, "exit code " << code << ": " << told);
  check_said(what, at, code, told);
  check_left(before, at.work, code, told);
  BOOST_TEST(other.lives(), "killed a stranger: " << told);
  BOOST_TEST(holder.lives(), "killed who holds a lock: " << told);
  return code;
}

/// They end soon even when nothing is wrong with them.
const std::vector<command_line>& commands() {
  static const std::vector<command_line> all{
      {"keygen",
       {},
       {"--dir=fresh", "--data=text.txt", "--layers=1", "--stages=1", "--width=8", "--heads=1",
        "--context=8", "--peers=2"},
       {}},
      {"up",
       {},
       {"--dir=fresh", "--data=text.txt", "--layers=1", "--width=8", "--heads=1", "--context=8"},
       {"--for=1s", "--steps=2", "--stages=1", "--workers=1", "--trainers=1"}},
      {"peer", {}, {"--token=run/peer-1.token"}, {"--join-timeout=1s", "--leave-timeout=1s"}},
      {"train", {}, {"--token=run/peer-1.token"}, {"--join-timeout=1s", "--leave-timeout=1s"}},
      {"plan", {}, {"--peers=2"}, {}},
      {"status", {}, {"--token=run/peer-1.token"}, {"--timeout=300ms", "--every=0s"}},
      {"doctor", {}, {"--token=run/peer-1.token"}, {"--timeout=300ms"}},
      {"stop", {}, {"--dir=decoy"}, {"--patience=200ms"}},
      {"show", {}, {"--run=run/run.swarm"}, {}},
      {"no-such-command", {"--help", "--dir"}, {}, {}},
  };
  return all;
}

int64_t argument(int index, int64_t otherwise) {
  const auto& suite = boost::unit_test::framework::master_test_suite();
  return suite.argc > index ? std::stoll(suite.argv[index]) : otherwise;
}

}  // namespace

BOOST_AUTO_TEST_CASE(hostile_invocations_end_with_one_sentence_and_harm_nobody) {
  const auto& suite = boost::unit_test::framework::master_test_suite();
  BOOST_REQUIRE(suite.argc >= 2);
  const auto program = fs::absolute(suite.argv[1]).string();
  const auto count = argument(2, 10);
  const auto first = static_cast<uint64_t>(argument(3, 1));
  const char* base = std::getenv("TEST_TMPDIR");
  std::string name = std::string{base == nullptr ? "/tmp" : base} + "/hostile-XXXXXX";
  BOOST_REQUIRE(mkdtemp(name.data()) != nullptr);
  const place at{name};
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  const auto held_back = child_ends();
  sigprocmask(SIG_BLOCK, &held_back, nullptr);
  fs::create_directories(at.root / "busy");
  std::ofstream{at.root / "text.txt"} << std::string(20'000, 'a');
  const auto made = program + " keygen --dir=" + name + "/run --peers=2 --data=" + name +
                    "/text.txt --layers=1 --stages=1 --width=8 --heads=1 --context=8 >" + name +
                    "/made 2>&1";
  BOOST_REQUIRE_MESSAGE(std::system(made.c_str()) == 0, read(at.root / "made"));
  const bystander other{""};
  // Its number in a file that another process has locked.
  std::ofstream{at.root / "busy/pid"} << other.pid() << "\n";
  const bystander holder{(at.root / "busy/pid").string()};
  std::map<int, int64_t> codes;
  for (auto line : commands()) {
    if (line.options.empty()) {
      const auto asked = program + " " + line.command + " --help >" + name + "/help";
      BOOST_REQUIRE(std::system(asked.c_str()) == 0);
      line.options = options_in(read(at.root / "help"));
      BOOST_REQUIRE(!line.options.empty());
    }
    for (int64_t i = 0; i < count; ++i)
      if (const auto code =
              try_one(program, line, first + static_cast<uint64_t>(i), at, other, holder))
        ++codes[*code];
  }
  for (const auto& [code, times] : codes)
    BOOST_TEST_MESSAGE("exit code " << code << ": " << times);
  // All of one kind would be a generator that never gets past the door.
  for (const int code : {0, 1, 2})
    BOOST_TEST(codes[code] > 0, "no invocation ended with " << code);
  fs::remove_all(at.root);
}
