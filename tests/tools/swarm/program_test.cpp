// The program itself: its commands, and keygen from the command line to the files of a run.

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "actors/identity/run_description.hpp"
#include "tools/processes/state_folder.hpp"
#include "tools/run/run_files.hpp"

namespace fs = std::filesystem;
using namespace swarm;

namespace {

std::string read(const fs::path& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text)
    result += c == '\'' ? std::string{"'\\''"} : std::string{c};
  return result + "'";
}

struct outcome {
  int exit_code = 0;
  std::string output;
  std::string errors;
};

using words = std::vector<std::string>;

/// A folder with a text to train on, in which the program runs.
class a_place {
 public:
  a_place() {
    const char* base = std::getenv("TEST_TMPDIR");
    std::string name = std::string{base == nullptr ? "/tmp" : base} + "/program-XXXXXX";
    BOOST_REQUIRE(mkdtemp(name.data()) != nullptr);
    root_ = name;
    fs::create_directories(work());
    std::ofstream{work() / "text.txt"} << std::string(4000, 'a');
  }
  ~a_place() { fs::remove_all(root_); }
  a_place(const a_place&) = delete;
  a_place& operator=(const a_place&) = delete;

  fs::path work() const { return root_ / "work"; }

  /// `environment` is for env(1); `output` is where the shell sends standard output.
  outcome run(const words& arguments, const std::string& output = "",
              const std::string& environment = "") const {
    const auto& suite = boost::unit_test::framework::master_test_suite();
    BOOST_REQUIRE_EQUAL(suite.argc, 2);
    std::ostringstream command;
    // With the kernels settled in advance the program starts once instead of twice.
    command << "cd " << quoted(work()) << " && env -u BUILD_WORKING_DIRECTORY"
            << " SWARM_KERNELS_TUNED=1 " << environment << ' '
            << quoted(fs::absolute(suite.argv[1]));
    for (const auto& each : arguments)
      command << ' ' << quoted(each);
    command << (output.empty() ? " >" + quoted(root_ / "out") : output) << " 2>"
            << quoted(root_ / "err") << " </dev/null";
    const int status = std::system(command.str().c_str());
    BOOST_REQUIRE(WIFEXITED(status));
    return {WEXITSTATUS(status), output.empty() ? read(root_ / "out") : "", read(root_ / "err")};
  }

  outcome keygen(const words& more) const {
    words arguments{"keygen", "--data=text.txt", "--dir=run", "--peers=2"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }

 private:
  fs::path root_;
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// One sentence, the exit code of a wrong command line, nothing made.
void check_refused(const a_place& place, const words& arguments, const std::string& named) {
  const auto result = place.run(arguments);
  BOOST_TEST(result.exit_code == 2, named << ": " << result.errors);
  BOOST_TEST(result.output == "");
  BOOST_TEST(std::count(result.errors.begin(), result.errors.end(), '\n') == 1, result.errors);
  BOOST_TEST(contains(result.errors, named), result.errors);
  BOOST_TEST(!fs::exists(place.work() / "run"));
}

/// A process that has done this and waits for a signal.
struct process {
  explicit process(const std::function<void()>& body) {
    int ends[2];
    BOOST_REQUIRE(pipe(ends) == 0);
    pid = fork();
    if (pid == 0) {
      body();
      if (write(ends[1], "x", 1) == 1)
        while (true)
          pause();
      _exit(1);
    }
    close(ends[1]);
    char ready = 0;
    const auto count = ::read(ends[0], &ready, 1);
    close(ends[0]);
    BOOST_REQUIRE(count == 1);
  }
  ~process() {
    if (!is_alive()) return;
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
  bool is_alive() {
    if (alive) alive = waitpid(pid, nullptr, WNOHANG) == 0;
    return alive;
  }
  pid_t pid = -1;
  bool alive = true;
};

const words commands{"keygen", "up", "peer", "train", "status", "doctor", "stop", "show"};

}  // namespace

BOOST_FIXTURE_TEST_CASE(help_lists_every_command_and_each_has_its_own, a_place) {
  const auto help = run({"help"});
  BOOST_TEST(help.exit_code == 0);
  const auto nothing = run({});
  BOOST_TEST(nothing.exit_code == 2);
  BOOST_TEST(nothing.output == "");
  BOOST_TEST(nothing.errors == help.output);
  for (const auto& command : commands) {
    BOOST_TEST(contains(help.output, "\n  " + command + " "), command);
    const auto own = run({command, "--help"});
    BOOST_TEST(own.exit_code == 0, command << ": " << own.errors);
    BOOST_TEST(contains(own.output, "swarm " + command), own.output);
  }
  BOOST_TEST(run({"help", "show"}).output == run({"show", "--help"}).output);
}

BOOST_FIXTURE_TEST_CASE(the_version_names_the_protocol, a_place) {
  const auto version = run({"--version"});
  BOOST_TEST(version.exit_code == 0);
  BOOST_TEST(
      contains(version.output, "protocol version " + std::to_string(identity::protocol_version)));
}

BOOST_FIXTURE_TEST_CASE(an_unknown_command_is_refused_with_those_there_are, a_place) {
  check_refused(*this, {"trian"}, "'trian', only keygen, up, peer, train, ");
  check_refused(*this, {"help", "a\nb"}, "a\\nb");
}

BOOST_FIXTURE_TEST_CASE(a_wrong_command_line_is_one_sentence_and_makes_nothing, a_place) {
  for (const auto& command : commands)
    check_refused(*this, {command, "--no-such-flag"}, "--no-such-flag");
  check_refused(*this, {"keygen", "--data=text.txt"}, "--dir");
  const words base{"keygen", "--data=text.txt", "--dir=run"};
  const std::vector<std::pair<std::string, std::string>> bad{
      {"--peers=0", "--peers"},
      {"--name=", "--name"},
      {"--name=" + std::string(65, 'x'), "--name"},
      {"--data=missing.txt", "missing.txt"},
      {"--join=nowhere", "--join"},
      {"--join=" + std::string(300, 'h') + ":1", "--join"},
      {"--join=a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1", "--join"},
  };
  for (const auto& [flag, named] : bad) {
    auto arguments = base;
    // Of two equal flags the last counts.
    arguments.push_back(flag);
    check_refused(*this, arguments, named);
  }
  check_refused(*this, {"show"}, "--token");
  check_refused(*this, {"show", "--token=x", "--against=y"}, "--against");
}

BOOST_FIXTURE_TEST_CASE(keygen_makes_a_run_that_says_what_was_asked_for, a_place) {
  const auto made = keygen({"--name=demo", "--layers=5", "--stages=3", "--steps=77", "--seed=9",
                            "--reproducible", "--join=h:1,h:2"});
  BOOST_REQUIRE_MESSAGE(made.exit_code == 0, made.errors);
  BOOST_TEST(contains(made.output, "swarm up --dir="));
  const auto folder = (work() / "run").string();
  const auto loaded = tools::load_description(tools::description_file(folder), std::nullopt);
  BOOST_REQUIRE(std::holds_alternative<tools::loaded_description>(loaded));
  const auto& run_described = std::get<tools::loaded_description>(loaded).run;
  BOOST_TEST(run_described.name == "demo");
  BOOST_TEST(run_described.model.layers == 5);
  BOOST_TEST(run_described.model.vocabulary == 256);
  BOOST_TEST(run_described.stages == 3);
  BOOST_TEST(run_described.steps == 77);
  BOOST_TEST(run_described.seed == 9U);
  BOOST_TEST(run_described.reproducible);
  BOOST_TEST(run_described.data_tokens == 4000);
  BOOST_TEST(contains(made.output, identity::description_hash(run_described)));

  const auto shown = run({"show", "--run=run/run.swarm"});
  BOOST_TEST(shown.exit_code == 0);
  BOOST_TEST(contains(shown.output, identity::description_hash(run_described)));

  const auto again = keygen({});
  BOOST_TEST(again.exit_code == 1);
  BOOST_TEST(contains(again.errors, "exists already"));

  const auto more = run({"keygen", "--dir=run", "--add=2"});
  BOOST_TEST(more.exit_code == 0, more.errors);
  BOOST_TEST(contains(more.output, "peer-3.token"));
  BOOST_TEST(contains(more.output, "peer-4.token"));
  BOOST_TEST(fs::exists(work() / "run" / "peer-4.token"));
}

BOOST_FIXTURE_TEST_CASE(an_address_that_nobody_could_use_is_refused_with_its_flag, a_place) {
  const std::vector<std::pair<words, std::string>> bad{
      {{"--bind=0:7106"}, "--bind: '0:7106'"},
      {{"--bind=*:7106"}, "--bind: '*:7106' is no address: write 0.0.0.0"},
      {{"--bind=nohost:99999"}, "--bind: 'nohost:99999' is not host:port"},
      {{"--bind=127.0.0.1:1,127.0.0.1:2"}, "--bind"},
      {{"--bind=[::0]:7106"}, "--announce"},
      {{"--bind=0.0.0.0:7106", "--announce=[::]:7106"}, "--announce: '[::]:7106'"},
      {{"--bind=0.0.0.0:7106", "--announce=nohost"}, "--announce: 'nohost'"},
      {{"--bind=0.0.0.0:7106", "--announce=nohost:99999"}, "--announce: 'nohost:99999'"},
      {{"--bind=0.0.0.0:7106", "--announce=host:0"}, "port 0"},
      {{"--join=nohost"}, "--join: 'nohost'"},
  };
  for (const char* command : {"peer", "train", "doctor"}) {
    for (const auto& [flags, named] : bad) {
      words arguments{command, "--token=t"};
      arguments.insert(arguments.end(), flags.begin(), flags.end());
      check_refused(*this, arguments, named);
    }
  }
  check_refused(*this, {"status", "--token=t", "--join=[nohost]:1"}, "--join");
  check_refused(*this, {"keygen", "--data=text.txt", "--dir=run", "--join=0:1"}, "--join");
}

BOOST_FIXTURE_TEST_CASE(durations_have_units_in_every_command, a_place) {
  check_refused(*this, {"plan", "--call-timeout=1000"}, "give a unit");
  check_refused(*this, {"train", "--call-timeout=1000"}, "give a unit");
  const auto planned = run({"plan", "--call-timeout=1000s", "--latency=20ms",
                            "--trainer-latency=5ms", "--message=200us", "--rows=1"});
  BOOST_TEST(planned.exit_code == 0, planned.errors);
}

BOOST_FIXTURE_TEST_CASE(messages_above_the_limit_are_refused_by_every_command, a_place) {
  const words shape{"--rows=512", "--context=1024", "--width=1024",
                    "--heads=8",  "--layers=3",     "--stages=3"};
  for (const words& command : {words{"plan"}, words{"keygen", "--data=text.txt", "--dir=run"},
                               words{"up", "--data=text.txt", "--dir=run"}}) {
    auto arguments = command;
    arguments.insert(arguments.end(), shape.begin(), shape.end());
    const auto result = run(arguments);
    BOOST_TEST(result.exit_code != 0);
    BOOST_TEST(contains(result.errors, "4.0 GiB > 1.0 GiB"), result.errors);
    BOOST_TEST(contains(result.errors, "--rows=512"), result.errors);
    BOOST_TEST(!fs::exists(work() / "run"));
  }
}

BOOST_FIXTURE_TEST_CASE(a_home_directory_is_no_folder_called_tilde, a_place) {
  // HOME of the test is not the user's.
  const auto made = run({"keygen", "--data=text.txt", "--dir=~/r1", "--peers=1"}, "", "HOME=.");
  BOOST_TEST(made.exit_code == 0, made.errors);
  BOOST_TEST(!fs::exists(work() / "~"));
  BOOST_TEST(fs::exists(work() / "r1" / "run.key"));
}

BOOST_FIXTURE_TEST_CASE(a_corpus_that_is_not_here_is_said_to_be_the_descriptions, a_place) {
  BOOST_REQUIRE(keygen({}).exit_code == 0);
  fs::rename(work() / "text.txt", work() / "moved.txt");
  const words train{"train", "--token=run/peer-1.token", "--run=run/run.swarm", "--insecure",
                    "--bind=127.0.0.1:0"};
  const auto lost = run(train);
  BOOST_TEST(lost.exit_code == 1);
  BOOST_TEST(contains(lost.errors, "text.txt"), lost.errors);
  BOOST_TEST(contains(lost.errors, "the run description's"), lost.errors);
  BOOST_TEST(contains(lost.errors, "with --data"), lost.errors);
  auto wrong = train;
  wrong.emplace_back("--data=missing.txt");
  const auto named = run(wrong);
  BOOST_TEST(contains(named.errors, "missing.txt"), named.errors);
  BOOST_TEST(!contains(named.errors, "description"), named.errors);
}

BOOST_FIXTURE_TEST_CASE(a_run_and_a_token_are_shown_as_json, a_place) {
  BOOST_REQUIRE(keygen({"--name=demo", "--steps=77", "--join=h:1"}).exit_code == 0);
  const auto shown = run({"show", "--run=run/run.swarm", "--json"});
  BOOST_TEST(shown.exit_code == 0, shown.errors);
  const auto described = nlohmann::json::parse(shown.output);
  BOOST_TEST(described["run"] == "demo");
  BOOST_TEST(described["steps"] == 77);
  BOOST_TEST(described["model"]["layers"] == 6);
  BOOST_TEST(described["data"]["source"] == "text.txt");
  const auto token =
      nlohmann::json::parse(run({"show", "--token=run/peer-1.token", "--json"}).output);
  BOOST_TEST(token["run"] == "demo");
  BOOST_TEST(token["addresses"][0] == "h:1");
  BOOST_TEST(!token.contains("seed"));
  const auto same = run({"show", "--run=run/run.swarm", "--against=run/run.swarm", "--json"});
  BOOST_TEST(nlohmann::json::parse(same.output)["same"] == true);
}

BOOST_FIXTURE_TEST_CASE(a_token_is_shown_without_its_secret, a_place) {
  BOOST_REQUIRE(keygen({"--name=demo", "--join=h:1"}).exit_code == 0);
  const auto shown = run({"show", "--token=run/peer-1.token"});
  BOOST_TEST(shown.exit_code == 0, shown.errors);
  BOOST_TEST(contains(shown.output, "demo"));
  BOOST_TEST(contains(shown.output, "h:1"));
  const auto line = read(work() / "run" / "peer-1.token");
  const auto token = tools::load_token(line, tools::unix_now_ms());
  BOOST_REQUIRE(std::holds_alternative<identity::join_token>(token));
  const auto& peer = std::get<identity::join_token>(token).peer;
  BOOST_TEST(contains(shown.output, identity::to_hex(identity::view(peer.key()))));
  BOOST_TEST(!contains(shown.output, identity::to_hex(identity::view(peer.seed()))));
  // Nor does any part of the line.
  for (size_t i = 7; i + 16 < line.size(); ++i)
    BOOST_REQUIRE(!contains(shown.output, line.substr(i, 16)));
  fs::permissions(work() / "run" / "peer-1.token", fs::perms::others_read, fs::perm_options::add);
  const auto open = run({"show", "--token=run/peer-1.token"});
  BOOST_TEST(open.exit_code == 1);
  BOOST_TEST(contains(open.errors, "chmod 600"));
}

BOOST_FIXTURE_TEST_CASE(two_descriptions_are_told_apart_by_the_first_field, a_place) {
  BOOST_REQUIRE(keygen({"--steps=10"}).exit_code == 0);
  BOOST_REQUIRE(
      run({"keygen", "--data=text.txt", "--dir=other", "--steps=20", "--peers=1"}).exit_code == 0);
  const auto same = run({"show", "--run=run/run.swarm", "--against=run/run.swarm"});
  BOOST_TEST(same.exit_code == 0);
  const auto differ = run({"show", "--run=run/run.swarm", "--against=other/run.swarm"});
  BOOST_TEST(differ.exit_code == 1);
  BOOST_TEST(contains(differ.output, "10 here, 20 there"), differ.output);
}

BOOST_FIXTURE_TEST_CASE(the_effective_configuration_reads_back, a_place) {
  const auto dumped = keygen({"--steps=33", "--lr=2e-3", "--dump-config"});
  BOOST_REQUIRE(dumped.exit_code == 0);
  std::ofstream{work() / "again.conf"} << dumped.output;
  BOOST_TEST(run({"keygen", "--config-file=again.conf", "--dump-config"}).output == dumped.output);
  // What is dumped is to be completed.
  const auto bare = run({"keygen", "--dump-config"});
  BOOST_TEST(bare.exit_code == 0, bare.errors);
  BOOST_TEST(contains(bare.output, "\ndir=\"\"\n"), bare.output);
  for (const auto& command : commands)
    BOOST_TEST(run({command, "--dump-config"}).exit_code == 0, command);
  const auto peer = run({"peer", "--token=t", "--silence-timeout=3s", "--dump-config"});
  BOOST_REQUIRE_MESSAGE(peer.exit_code == 0, peer.errors);
  std::ofstream{work() / "peer.conf"} << peer.output;
  BOOST_TEST(run({"peer", "--config-file=peer.conf", "--dump-config"}).output == peer.output);
}

BOOST_FIXTURE_TEST_CASE(a_result_that_cannot_be_printed_is_a_failure, a_place) {
  BOOST_REQUIRE(keygen({}).exit_code == 0);
  const std::vector<words> results{{"--version"},
                                   {"train", "--help"},
                                   {"peer", "--token=t", "--dump-config"},
                                   {"show", "--run=run/run.swarm"},
                                   {"keygen", "--dir=run", "--add=1"}};
  const auto check = [](const outcome& lost, const std::string& name) {
    BOOST_TEST(lost.exit_code == 1, name << lost.errors);
    BOOST_TEST(contains(lost.errors, "standard output could not be written"), lost.errors);
    BOOST_TEST(std::count(lost.errors.begin(), lost.errors.end(), '\n') == 1, lost.errors);
  };
  for (const auto& each : results)
    check(run(each, " >/dev/full"), each[0]);
  check(run(results[0], " >&-"), "closed");
}

BOOST_FIXTURE_TEST_CASE(no_file_of_a_run_becomes_a_closed_stream, a_place) {
  const auto made = run({"keygen", "--data=text.txt", "--dir=run", "--peers=2"}, " >&-");
  const auto loaded =
      tools::load_description(tools::description_file((work() / "run").string()), std::nullopt);
  BOOST_TEST(std::holds_alternative<tools::loaded_description>(loaded), made.errors);
  for (const char* name : {"run.key", "peer-1.token", "peer-2.token"})
    BOOST_TEST(!contains(read(work() / "run" / name), "on one machine"), name);
}

BOOST_FIXTURE_TEST_CASE(the_modes_of_a_run_s_files_are_their_own, a_place) {
  for (const mode_t mask : {0, 077}) {
    const auto before = umask(mask);
    const auto made =
        run({"keygen", "--data=text.txt", "--dir=run-" + std::to_string(mask), "--peers=1"});
    umask(before);
    BOOST_REQUIRE(made.exit_code == 0);
    const auto folder = work() / ("run-" + std::to_string(mask));
    const auto mode = [&](const char* name) {
      return static_cast<int>(fs::status(folder / name).permissions() & fs::perms::all);
    };
    BOOST_TEST(mode("") == 0700);
    BOOST_TEST(mode("run.key") == 0600);
    BOOST_TEST(mode("peer-1.token") == 0600);
    BOOST_TEST(mode("run.swarm") == 0644);
    BOOST_TEST(mode("run.ca") == 0644);
  }
}

BOOST_FIXTURE_TEST_CASE(stop_ends_who_holds_the_lock_and_nobody_else, a_place) {
  const auto folder = (work() / "state").string();
  // Leaves when it is asked; and one that does not.
  for (const bool polite : {true, false}) {
    process stranger{[] {}};
    process holder{[&] {
      if (!polite) std::signal(SIGTERM, SIG_IGN);
      static const auto opened = tools::state_folder::open(folder);
      if (!std::holds_alternative<tools::state_folder>(opened)) _exit(3);
    }};
    std::ofstream{folder + "/pid"} << stranger.pid << "\n";
    const auto stopped = run({"stop", "--dir=state", "--patience=300ms"});
    BOOST_TEST(stranger.is_alive());
    BOOST_TEST(!holder.is_alive());
    const auto name = "process " + std::to_string(holder.pid);
    if (polite) {
      BOOST_TEST(stopped.exit_code == 0, stopped.errors);
      BOOST_TEST(stopped.output == name + " has left\n");
    } else {
      BOOST_TEST(stopped.exit_code == 1);
      BOOST_TEST(contains(stopped.errors, name + " did not leave within 0 s and had to be killed"),
                 stopped.errors);
    }
  }
  const auto nobody = run({"stop", "--dir=state"});
  BOOST_TEST(nobody.exit_code == 0);
  BOOST_TEST(contains(nobody.output, "nothing uses"));
}

BOOST_FIXTURE_TEST_CASE(stop_signals_nobody_when_the_lock_does_not_tell, a_place) {
  fs::create_directories(work() / "state");
  const auto file = (work() / "state" / "pid").string();
  process stranger{[] {}};
  process holder{[&] {
    const int opened = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (flock(opened, LOCK_EX) != 0) _exit(3);
  }};
  std::ofstream{file} << stranger.pid << "\n";
  const auto stopped = run({"stop", "--dir=state", "--patience=0s"});
  BOOST_TEST(stopped.exit_code == 1);
  BOOST_TEST(contains(stopped.errors, "cannot be proven"), stopped.errors);
  BOOST_TEST(stranger.is_alive());
  BOOST_TEST(holder.is_alive());
}

BOOST_FIXTURE_TEST_CASE(a_limit_that_leaves_no_room_for_libtorch_is_named, a_place) {
  BOOST_REQUIRE(keygen({}).exit_code == 0);
  for (const words& command :
       {words{"train", "--token=run/peer-1.token", "--begin"},
        words{"peer", "--token=run/peer-1.token", "--begin"}, words{"up", "--dir=run"}}) {
    const rlimit before = [] {
      rlimit now{};
      getrlimit(RLIMIT_AS, &now);
      return now;
    }();
    const rlimit tight{rlim_t{700} << 20, before.rlim_max};
    setrlimit(RLIMIT_AS, &tight);
    const auto result = run(command);
    setrlimit(RLIMIT_AS, &before);
    BOOST_TEST(result.exit_code == 1, command[0]);
    BOOST_TEST(contains(result.errors, "ulimit -v"), result.errors);
  }
}
