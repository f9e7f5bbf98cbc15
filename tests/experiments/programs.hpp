#pragma once

#include <sys/wait.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

/// Runs the programs that a test names as its arguments, in a folder of the test's own.
namespace swarm::programs {

namespace fs = std::filesystem;
using words = std::vector<std::string>;

struct outcome {
  int exit_code = -1;
  std::string output;
  std::string errors;
};

inline std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text)
    result += c == '\'' ? std::string{"'\\''"} : std::string{c};
  return result + "'";
}

inline std::string contents(const fs::path& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

/// With a text of some variety in it, text.txt.
class place {
 public:
  place() {
    const char* base = std::getenv("TEST_TMPDIR");
    std::string name = std::string{base == nullptr ? "/tmp" : base} + "/programs-XXXXXX";
    BOOST_REQUIRE(mkdtemp(name.data()) != nullptr);
    root_ = name;
    std::ofstream text{root_ / "text.txt"};
    for (int i = 0; i < 400; ++i)
      text << "line " << i * 37 % 101 << " of a text that has " << i << " more words\n";
  }
  ~place() { fs::remove_all(root_); }
  place(const place&) = delete;
  place& operator=(const place&) = delete;

  /// `program` counts the test's arguments from 1; `environment` is "NAME=VALUE ...".
  outcome run(int program, const words& arguments, const std::string& environment = "") const {
    const auto& suite = boost::unit_test::framework::master_test_suite();
    BOOST_REQUIRE_LT(program, suite.argc);
    auto command = "cd " + quoted(root_) + " && env -u BUILD_WORKING_DIRECTORY " + environment +
                   " " + quoted(fs::absolute(suite.argv[program]));
    for (const auto& each : arguments)
      command += " " + quoted(each);
    command += " >out 2>err </dev/null";
    const int status = std::system(command.c_str());
    BOOST_REQUIRE(WIFEXITED(status));
    return {WEXITSTATUS(status), contents(root_ / "out"), contents(root_ / "err")};
  }

 private:
  fs::path root_;
};

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// The 32 digits behind `mark`; empty if there are none.
inline std::string hash_after(const std::string& text, const std::string& mark) {
  const auto at = text.find(mark);
  return at == std::string::npos ? "" : text.substr(at + mark.size(), 32);
}

}  // namespace swarm::programs
