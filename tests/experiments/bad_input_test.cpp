// Runs the programs themselves: bad input is one line on standard error that names the flag, exit
// code 2, nothing on standard output and nothing written. What fails only after the run loses
// nothing.

#include <sys/wait.h>

#include <algorithm>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

namespace fs = std::filesystem;
namespace data = boost::unit_test::data;

namespace {

struct bad_input {
  std::vector<std::string> arguments;
  std::vector<std::string> named;  ///< what the sentence must hold
};

std::ostream& operator<<(std::ostream& out, const bad_input& given) {
  for (const auto& argument : given.arguments)
    out << argument.substr(0, 60) << ' ';
  return out;
}

/// What every program is tried with. Relative names are made by `folder`.
const std::vector<bad_input> every_programs = {
    {{"--data=missing.txt"}, {"--data", "missing.txt"}},
    {{"--data=empty.txt"}, {"--data", "empty.txt"}},
    {{"--data=short.txt"}, {"--data", "--context"}},
    {{"--layers=-1"}, {"--layers", "'-1'"}},
    {{"--steps=99999999999999999999"}, {"--steps"}},
    {{"--width=65536", "--layers=1024"}, {"--width", "--layers"}},
    {{"--layers=four"}, {"--layers", "'four'"}},
    {{"--layers"}, {"--layers", "no value"}},
    {{"--layer=3"}, {"--layer'", "--layers?"}},
    {{"--data=text.txt", "--out=text.txt/x"}, {"--out: ", "text.txt/x", "Not a directory"}},
};

/// What one program is tried with, since all read their options in the same way.
const std::vector<bad_input> shared = {
    {{"--data=a-folder"}, {"--data", "a-folder"}},
    {{"--data=,"}, {"--data"}},
    {{"--data=\"\""}, {"--data"}},
    {{"--data=odd.bin"}, {"--data", "odd.bin"}},
    {{"--data=cut.gz"}, {"--data", "cut.gz"}},
    {{"--data=text.txt", "--vocabulary=10"}, {"--vocabulary=10"}},
    {{"--data=text.txt", "--context=1024"}, {"--context=1024"}},
    {{"--width=130", "--heads=4"}, {"--width=130", "--heads=4"}},
    {{"--lr=1e-3", "--lr-min=1e-2"}, {"--lr-min=0.01", "--lr=0.001"}},
    {{"--warmup=100", "--decay-steps=50"}, {"--decay-steps=50", "--warmup=100"}},
    {{"--rows=0"}, {"--rows", "'0'"}},
    {{"--rows=0x10"}, {"--rows", "'0x10'", "decimal"}},
    {{"--data=packed.txt.zst"}, {"--data", "packed.txt.zst", "Zstandard", "zstd -d"}},
    {{"--data=shards"}, {"--data", "'shards.bin' is there"}},
    {{"--data=none-*.txt"}, {"--data", "no file matches 'none-*.txt'"}},
    {{"--rows=65536", "--context=65536"}, {"--rows", "--context"}},
    {{"--dropout=1"}, {"--dropout"}},
    {{"--lr=nan"}, {"--lr", "nan"}},
    {{"--lr=-inf"}, {"--lr", "inf"}},
    {{"--steps=1.5"}, {"--steps", "'1.5'"}},
    {{"--bias=maybe"}, {"--bias", "'maybe'"}},
    {{"--layers=3\n4"}, {"--layers"}},
    {{"--layers="}, {"--layers", "no value"}},
    {{"--layers", "4"}, {"--layers", "no value"}},
    {{"--data="}, {"--data names no file"}},
    {{"--data=a\nb"}, {"--data", "a\\nb"}},
    {{"--data=text.txt", "--out=text.txt"}, {"--out: ", "'text.txt'", "Not a directory"}},
    {{"--data=text.txt", "--out=text.txt/a\nb"}, {"--out: ", "text.txt/a\\nb"}},
    {{"--data=text.txt", "--out=/proc/x"}, {"--out: ", "'/proc/x'", "No such file"}},
    {{"--data=text.txt", "--out=/proc"}, {"--out: ", "'/proc'"}},
    {{"--data=text.txt", "--out=new/deep/" + std::string(300, 'x')}, {"--out: ", "too long"}},
    {{"--no-such-flag"}, {"--no-such-flag", "--help"}},
    {{"-x"}, {"'-x'"}},
    {{"--" + std::string(6000, 'x')}, {"--xxx"}},
    {{"train"}, {"'train'"}},
    {{"--config-file=missing.conf"}, {"--config-file", "missing.conf"}},
    {{"--config-file=broken.conf"}, {"--config-file", "broken.conf", "line"}},
    {{"--config-file=wrong.conf"}, {"--layers", "wrong.conf"}},
};

struct own_input {
  std::string program;
  bad_input given;
};

std::ostream& operator<<(std::ostream& out, const own_input& own) {
  return out << own.program << ' ' << own.given;
}

const std::vector<own_input> one_programs = {
    {"baseline", {{"--threads=-1"}, {"--threads", "'-1'"}}},
    {"baseline", {{"--log-every=0"}, {"--log-every", "'0'"}}},
    {"efficiency", {{"--rounds=0"}, {"--rounds", "'0'"}}},
    {"equivalence", {{"--runs=none"}, {"--runs", "'none'"}}},
    {"efficiency", {{"--layers=3", "--stages=4"}, {"--stages=4", "--layers=3"}}},
    {"equivalence", {{"--layers=3", "--stages=4"}, {"--stages=4", "--layers=3"}}},
    {"quickstart", {{"--layers=3", "--stages=4"}, {"--stages=4", "--layers=3"}}},
    {"quickstart", {{"--stages=2", "--tied-head"}, {"--tied-head", "--stages=2"}}},
    {"quickstart", {{"--kills=-1"}, {"--kills", "'-1'"}}},
    {"quickstart", {{"--temperature=hot"}, {"--temperature", "'hot'"}}},
};

/// The test's only argument.
fs::path program() {
  const auto& suite = boost::unit_test::framework::master_test_suite();
  BOOST_REQUIRE_EQUAL(suite.argc, 2);
  return fs::absolute(suite.argv[1]);
}

std::string read(const fs::path& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

void write(const fs::path& path, const std::string& text) {
  std::ofstream{path, std::ios::binary} << text;
}

std::string quoted(const std::string& text) {
  std::string result = "'";
  for (char c : text)
    result += c == '\'' ? std::string{"'\\''"} : std::string{c};
  return result + "'";
}

/// A folder of its own for one run of the program.
class folder {
 public:
  folder() {
    const char* root = std::getenv("TEST_TMPDIR");
    BOOST_REQUIRE(root != nullptr);
    std::string name = std::string{root} + "/bad-input-XXXXXX";
    BOOST_REQUIRE(mkdtemp(name.data()) != nullptr);
    root_ = name;
    fs::create_directories(work() / "a-folder");
    write(work() / "empty.txt", "");
    write(work() / "short.txt", "hi\n");
    write(work() / "text.txt", std::string(4000, 'a'));
    write(work() / "odd.bin", "abc");
    write(work() / "shards.bin", "ab");
    write(work() / "packed.txt.zst", "\x28\xb5\x2f\xfd packed");
    write(work() / "cut.gz", std::string("\x1f\x8b\x08\x00\x00", 5));
    write(work() / "broken.conf", "layers = \n");
    write(work() / "wrong.conf", "layers = \"three\"\n");
    before_ = listing();
  }
  ~folder() { fs::remove_all(root_); }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;

  /// Runs the program in it and returns its exit code. `environment` is for env(1).
  int run(const std::vector<std::string>& arguments, const std::string& environment) const {
    std::ostringstream command;
    command << "cd " << quoted(work()) << " && env -u BUILD_WORKING_DIRECTORY " << environment
            << ' ' << quoted(program());
    for (const auto& each : arguments)
      command << ' ' << quoted(each);
    command << " >" << quoted(root_ / "out") << " 2>" << quoted(root_ / "err") << " </dev/null";
    const int status = std::system(command.str().c_str());
    BOOST_REQUIRE(WIFEXITED(status));
    return WEXITSTATUS(status);
  }

  /// A folder in the way of the file of that name.
  void block(const std::string& name) const { fs::create_directories(work() / name); }

  std::string output() const { return read(root_ / "out"); }
  std::string errors() const { return read(root_ / "err"); }
  bool untouched() const { return listing() == before_; }

 private:
  fs::path work() const { return root_ / "work"; }

  std::vector<std::string> listing() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator{work()})
      names.push_back(entry.path().string() +
                      (entry.is_regular_file() ? ":" + std::to_string(entry.file_size()) : "/"));
    std::sort(names.begin(), names.end());
    return names;
  }

  fs::path root_;
  std::vector<std::string> before_;
};

/// With the kernels settled in advance the program starts once instead of twice.
constexpr const char* kernels_settled = "SWARM_KERNELS_TUNED=1";

void check_refused(const bad_input& given, const std::string& environment) {
  const folder place;
  auto arguments = given.arguments;
  // First, because the flag under test may be the last one's missing value.
  arguments.insert(arguments.begin(), {"--smoke", "--json", "--out=results"});
  BOOST_TEST(place.run(arguments, environment) == 2);
  const auto errors = place.errors();
  BOOST_TEST(std::count(errors.begin(), errors.end(), '\n') == 1, errors);
  BOOST_TEST((!errors.empty() && errors.back() == '\n'));
  for (const auto& name : given.named)
    BOOST_TEST(errors.find(name) != std::string::npos, errors << " does not name " << name);
  BOOST_TEST(place.output() == "");
  BOOST_TEST(place.untouched());
}

BOOST_DATA_TEST_CASE(every_program_refuses, data::make(every_programs), given) {
  check_refused(given, kernels_settled);
}

BOOST_DATA_TEST_CASE(the_shared_reader_refuses, data::make(shared), given) {
  if (program().filename() == "baseline") check_refused(given, kernels_settled);
}

BOOST_DATA_TEST_CASE(a_program_refuses_its_own, data::make(one_programs), own) {
  if (program().filename() == own.program) check_refused(own.given, kernels_settled);
}

BOOST_AUTO_TEST_CASE(the_restart_for_the_kernels_changes_nothing_about_it) {
  check_refused({{"--layers=four"}, {"--layers", "'four'"}}, "-u SWARM_KERNELS_TUNED");
}

BOOST_AUTO_TEST_CASE(a_result_that_cannot_be_written_is_printed_all_the_same) {
  if (program().filename() != "baseline") return;
  const folder place;
  place.block("results/baseline.json");
  BOOST_TEST(
      place.run({"--smoke", "--json", "--data=text.txt", "--out=results"}, kernels_settled) == 1);
  const auto errors = place.errors();
  BOOST_TEST(std::count(errors.begin(), errors.end(), '\n') == 1, errors);
  BOOST_TEST(errors.find("--out") != std::string::npos, errors);
  BOOST_TEST(errors.find("results/baseline.json") != std::string::npos, errors);
  auto output = place.output();
  BOOST_REQUIRE(!output.empty());
  output.pop_back();
  const auto last = output.substr(output.rfind('\n') + 1);
  BOOST_TEST(last.find("\"validation_loss\":") != std::string::npos, output);
}

BOOST_AUTO_TEST_CASE(an_empty_out_writes_no_files) {
  if (program().filename() != "baseline") return;
  const folder place;
  BOOST_TEST(place.run({"--smoke", "--data=text.txt", "--out="}, kernels_settled) == 0);
  BOOST_TEST(place.errors() == "");
  BOOST_TEST(place.untouched());
}

BOOST_AUTO_TEST_CASE(options_that_a_program_does_not_use_are_not_checked) {
  if (program().filename() != "baseline") return;
  const folder place;
  BOOST_TEST(place.run({"--smoke", "--data=text.txt", "--out=", "--layers=2", "--stages=3",
                        "--workers=4096", "--tied-head"},
                       kernels_settled) == 0);
  BOOST_TEST(place.errors() == "");
}

BOOST_AUTO_TEST_CASE(too_little_memory_is_told_with_the_limit) {
  if (program().filename() != "baseline") return;
  const folder place;
  // Loading LibTorch takes 1 GB of it, and the sizes about 3.
  const auto limited = std::string{"sh -c 'ulimit -v 3000000; exec \"$0\" \"$@\"'"};
  BOOST_TEST(place.run({"--smoke", "--data=text.txt", "--out=", "--width=2048", "--layers=12"},
                       std::string{kernels_settled} + " " + limited) == 2);
  BOOST_TEST(place.errors().find("ulimit -v") != std::string::npos, place.errors());
  BOOST_TEST(place.errors().find("bad_alloc") == std::string::npos, place.errors());
}

BOOST_AUTO_TEST_CASE(claims_are_about_the_sizes_that_they_are_about) {
  if (program().filename() != "quickstart") return;
  const folder place;
  BOOST_TEST(place.run({"--smoke", "--check", "--data=text.txt", "--out="}, kernels_settled) == 0);
  BOOST_TEST(place.output().find("not claimed of this size: 3 of 3") != std::string::npos);
  BOOST_TEST(place.output().find("HOLD") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(help_goes_to_standard_output_and_writes_nothing) {
  const folder place;
  BOOST_TEST(place.run({"--help"}, kernels_settled) == 0);
  BOOST_TEST(place.errors() == "");
  BOOST_TEST(place.output().find("--layers") != std::string::npos);
  BOOST_TEST(place.untouched());
}

}  // namespace
