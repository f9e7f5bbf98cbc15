#include <boost/test/unit_test.hpp>

#include "tests/skip.hpp"
#include "tests/tidy/rules.hpp"
#include "tests/tidy/tree.hpp"

// The checkout as it lies on disk obeys the house rules. What each rule finds: rules_test.cpp.

namespace {

using namespace swarm::tidy;

// The files that implement a seam, each with the one rule it may break.
const std::vector<exemption>& seams() {
  static const std::vector<exemption> table{
      {"actors/stage/file_state_store.cpp", "thread", "writes files behind the worker's back"},
      {"actors/transport/clock.cpp", "wall-clock", "of the transport's own thread"},
      {"actors/transport/io_thread.cpp", "thread", "waits in the kernel for sockets"},
      {"actors/transport/io_thread.hpp", "thread", "waits in the kernel for sockets"},
      {"tests/chaos/shifted_clock.cpp", "wall-clock", "is the clock of a machine whose is wrong"},
      {"experiments/stopwatch.cpp", "wall-clock", "measures how long a program took"},
      {"tools/processes/state_folder.cpp", "wall-clock", "what other machines read"}};
  return table;
}

const source_map& tree() {
  static const source_map files = read_tree(workspace_root());
  return files;
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_file_obeys_the_house_rules) {
  auto all = check_tree(tree());
  check_top_level(top_level_names(workspace_root()), all);
  for (const auto& f : apply_exemptions(std::move(all), seams()))
    BOOST_ERROR(to_string(f));
}

BOOST_AUTO_TEST_CASE(the_scan_sees_the_tree) {
  // An empty scan would pass every rule.
  for (const char* path : {"tests/tidy/house_rules_test.cpp", "tests/tidy/BUILD", "actors/ids.hpp",
                           "schemas/step.capnp", "tools/bazel/swarm.bzl",
                           "tests/embedding/workspace/own_engine.cpp"}) {
    BOOST_TEST(tree().count(path) == 1U, path);
  }
}

BOOST_AUTO_TEST_CASE(every_cpp_file_is_formatted) {
  const auto program = find_clang_format();
  if (!program) {
    swarm::tests::skip("clang-format-" + std::to_string(clang_format_version),
                       "the tree is formatted by that version");
    return;
  }
  for (const auto& path : find_unformatted(*program, workspace_root(), tree())) {
    BOOST_ERROR("clang-format -i " + path);
  }
}
