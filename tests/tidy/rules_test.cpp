#include "tests/tidy/rules.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <initializer_list>
#include <utility>

// Every rule finds what is planted for it, and only that.

namespace {

using namespace swarm::tidy;

source_map tree_of(std::initializer_list<std::pair<std::string, std::string>> files) {
  source_map tree;
  for (const auto& [path, text] : files)
    tree.emplace(path, make_source(path, text));
  return tree;
}

std::vector<std::string> rules_of(const findings& all) {
  std::vector<std::string> rules;
  for (const auto& f : all)
    rules.push_back(f.rule);
  return rules;
}

template <class Check>
std::vector<std::string> broken_by(Check check, const std::string& path, const std::string& text) {
  findings out;
  check(make_source(path, text), out);
  return rules_of(out);
}

std::vector<std::string> seams_broken_by(const std::string& text) {
  return broken_by(check_seams, "actors/stage/stage.cpp", text);
}

std::vector<std::string> includes_broken_by(const std::string& path, const std::string& include) {
  return broken_by(check_includes, path, "#include \"" + include + "\"\n");
}

using rules = std::vector<std::string>;

const rules none;

std::vector<int> function_lengths(const std::string& text) {
  std::vector<int> lengths;
  // The extents hold no views: the blanked text may go.
  for (const auto& f : find_functions(blank_comments_and_literals(text))) {
    lengths.push_back(f.last_line - f.first_line + 1);
  }
  return lengths;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(lexer)

BOOST_AUTO_TEST_CASE(blanks_comments_and_literals_and_keeps_their_lines) {
  BOOST_TEST(blank_comments_and_literals("a // b\nc") == "a     \nc");
  BOOST_TEST(blank_comments_and_literals("a /* b\n c */ d") == "a     \n      d");
  BOOST_TEST(blank_comments_and_literals(R"(f("x\"y", '"', 'z'))") == "f(      ,    ,    )");
  BOOST_TEST(blank_comments_and_literals("R\"x(a)\" \")x\" b") == "R" + std::string(12, ' ') + "b");
  BOOST_TEST(blank_comments_and_literals("1'000 + 0xff'ff; 'a'") == "1'000 + 0xff'ff;    ");
  BOOST_TEST(blank_comments_and_literals("\"// no\" x") == "        x");
}

BOOST_AUTO_TEST_CASE(survives_text_that_ends_too_soon) {
  for (const char* text : {"\"a", "'a", "/* a", "R\"x(a", "R\"", "\"\\", "// a"}) {
    BOOST_TEST(blank_comments_and_literals(text).size() == std::string(text).size(), text);
  }
}

BOOST_AUTO_TEST_CASE(finds_includes_but_not_those_in_comments) {
  const auto file =
      make_source("a.cpp", "#include <x/y.hpp>\n// #include <no>\n#  include \"z\"\n");
  BOOST_REQUIRE(file.includes.size() == 2U);
  BOOST_TEST(file.includes[0].path == "x/y.hpp");
  BOOST_TEST(file.includes[1].path == "z");
  BOOST_TEST(file.includes[1].line == 3);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(functions)

BOOST_AUTO_TEST_CASE(counts_from_brace_to_brace) {
  BOOST_TEST(function_lengths("int f() {\n  return 1;\n}\n") == std::vector<int>({3}));
  BOOST_TEST(
      function_lengths("namespace a {\nclass b : c {\n void d() const override {\n }\n};\n}") ==
      std::vector<int>({2}));
  BOOST_TEST(function_lengths("template <class T>\nstruct a {\n T b() { return {}; }\n};\n") ==
             std::vector<int>({1}));
}

BOOST_AUTO_TEST_CASE(lambdas_and_local_classes_belong_to_their_function) {
  BOOST_TEST(
      function_lengths("void f() {\n  auto g = [] {\n  };\n  struct h { void i() {} };\n}") ==
      std::vector<int>({5}));
  BOOST_TEST(function_lengths("auto f = [](int x) {\n  return x;\n};\n") == std::vector<int>({3}));
}

BOOST_AUTO_TEST_CASE(constructors_with_braced_initializers_are_one_function) {
  BOOST_TEST(function_lengths("a::a(int x) : b{x}, c(x), d{} {\n  e();\n}\nvoid f() {}\n") ==
             std::vector<int>({3, 1}));
}

BOOST_AUTO_TEST_CASE(types_tables_and_macros_are_not_functions) {
  BOOST_TEST(function_lengths("enum class a : int {\n b\n};\n").empty());
  BOOST_TEST(
      function_lengths("const std::vector<std::function<void()>> t{\n {f()},\n};\n").empty());
  BOOST_TEST(function_lengths("const table t = {\n {1, g()},\n};\n").empty());
  BOOST_TEST(function_lengths("#define x(y) {\\\n  {\nint f() {\n}\n") == std::vector<int>({2}));
}

BOOST_AUTO_TEST_CASE(braces_in_literals_and_comments_do_not_count) {
  BOOST_TEST(function_lengths("int f() {\n g(\"{\", '{');  // {\n return 0;\n}\nint h() {}") ==
             std::vector<int>({4, 1}));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(seams)

BOOST_AUTO_TEST_CASE(finds_sleeping) {
  for (const char* text : {"std::this_thread::sleep_for(1s);", "x::sleep_until(t);", "usleep(1);",
                           "::sleep(1);", "if (x) sleep(1);", "nanosleep(&t, nullptr);"}) {
    BOOST_TEST(seams_broken_by(text) == rules({"sleep"}), text);
  }
}

BOOST_AUTO_TEST_CASE(finds_wall_clocks) {
  for (const char* text :
       {"std::chrono::system_clock::now();", "auto t = std::chrono::steady_clock::now();",
        "using clock = std::chrono::steady_clock;", "high_resolution_clock::now();",
        "return time(nullptr);", "x = std::time(0);", "gettimeofday(&t, nullptr);",
        "clock_gettime(CLOCK_MONOTONIC, &t);"}) {
    BOOST_TEST(seams_broken_by(text) == rules({"wall-clock"}), text);
  }
}

BOOST_AUTO_TEST_CASE(finds_threads) {
  for (const char* text : {"std::thread t(f);", "std::vector<std::thread> pool;", "std::async(f);",
                           "pthread_create(&t, nullptr, f, nullptr);"}) {
    BOOST_TEST(seams_broken_by(text) == rules({"thread"}), text);
  }
}

BOOST_AUTO_TEST_CASE(finds_unseeded_randomness) {
  for (const char* text : {"std::random_device d;", "int x = rand();", "if (a > std::rand()) b();",
                           "srand(1);", "return drand48();"}) {
    BOOST_TEST(seams_broken_by(text) == rules({"random"}), text);
  }
}

BOOST_AUTO_TEST_CASE(leaves_innocent_code_alone) {
  for (const char* text :
       {"auto t = self->clock().now();", "std::chrono::steady_clock::time_point t;",
        "torch::rand({2, 3});", "x.time(1);", "p->sleep(2);", "std::uint64_t time(int x);",
        "std::thread::hardware_concurrency();", "// std::thread and rand()", "\"sleep_for\";",
        "auto rand = 1;", "random(2);", "std::this_thread::get_id();"}) {
    BOOST_TEST(seams_broken_by(text) == none, text);
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(include_directions)

BOOST_AUTO_TEST_CASE(libtorch_lives_in_tensors) {
  for (const char* header : {"torch/torch.h", "ATen/ATen.h", "c10/util/Half.h", "caffe2/x.h"}) {
    BOOST_TEST(includes_broken_by("actors/stage/compute.cpp", header) == rules({"libtorch"}));
    BOOST_TEST(includes_broken_by("experiments/a.cpp", header) == rules({"libtorch"}));
    BOOST_TEST(includes_broken_by("tensors/model/a.cpp", header) == none);
    BOOST_TEST(includes_broken_by("tests/tensors/model/a_test.cpp", header) == none);
  }
}

BOOST_AUTO_TEST_CASE(caf_stays_out_of_tensors_and_schemas) {
  for (const char* path :
       {"tensors/data/a.cpp", "schemas/a.hpp", "tests/tensors/data/a_test.cpp"}) {
    BOOST_TEST(includes_broken_by(path, "caf/all.hpp") == rules({"caf"}), path);
  }
  BOOST_TEST(includes_broken_by("actors/wire/a.cpp", "caf/all.hpp") == none);
}

BOOST_AUTO_TEST_CASE(storeys_point_down) {
  const std::pair<const char*, const char*> wrong[] = {
      {"tensors/codec/a.hpp", "actors/ids.hpp"},      {"schemas/a.hpp", "tensors/codec/a.hpp"},
      {"actors/peer/a.cpp", "experiments/a.hpp"},     {"actors/peer/a.cpp", "tools/swarm/a.hpp"},
      {"tensors/codec/a.hpp", "tests/support/a.hpp"}, {"tools/swarm/a.cpp", "tests/support/a.hpp"},
  };
  for (const auto& [from, to] : wrong) {
    BOOST_TEST(includes_broken_by(from, to) == rules({"storey"}), from << " -> " << to);
  }
  const std::pair<const char*, const char*> right[] = {
      {"actors/wire/a.hpp", "schemas/step.capnp.h"}, {"actors/stage/a.hpp", "tensors/codec/a.hpp"},
      {"tools/swarm/a.cpp", "experiments/a.hpp"},    {"experiments/a.cpp", "actors/peer/a.hpp"},
      {"tests/sim/a.cpp", "tools/swarm/a.hpp"},
  };
  for (const auto& [from, to] : right) {
    BOOST_TEST(includes_broken_by(from, to) == none, from << " -> " << to);
  }
}

BOOST_AUTO_TEST_CASE(floors_inside_actors_point_down) {
  const std::pair<const char*, const char*> wrong[] = {
      {"stage", "training"}, {"averaging", "stage"},    {"peer", "simulation"}, {"wire", "stage"},
      {"wiring", "wire"},    {"supervision", "wiring"}, {"telemetry", "peer"},  {"dht", "peer"},
      {"stage", "wiring"},   {"faults", "dht"},
  };
  for (const auto& [from, to] : wrong) {
    BOOST_TEST(includes_broken_by("actors/" + std::string(from) + "/a.cpp",
                                  "actors/" + std::string(to) + "/b.hpp") == rules({"floor"}),
               from << " -> " << to);
  }
  const std::pair<const char*, const char*> right[] = {
      {"training", "wiring"}, {"stage", "wire"},      {"peer", "stage"},     {"peer", "wiring"},
      {"simulation", "peer"}, {"stage", "telemetry"}, {"simulation", "dht"}, {"stage", "stage"},
  };
  for (const auto& [from, to] : right) {
    BOOST_TEST(includes_broken_by("actors/" + std::string(from) + "/a.cpp",
                                  "actors/" + std::string(to) + "/b.hpp") == none,
               from << " -> " << to);
  }
  BOOST_TEST(includes_broken_by("actors/ids.hpp", "actors/wire/frame.hpp") == rules({"floor"}));
  BOOST_TEST(includes_broken_by("actors/stage/a.cpp", "actors/ids.hpp") == none);
  const char* arbiter = "actors/rebalancing/move_arbiter.hpp";
  BOOST_TEST(includes_broken_by("actors/training/a.cpp", arbiter) == none);
  BOOST_TEST(includes_broken_by("actors/stage/a.cpp", arbiter) == rules({"floor"}));
  BOOST_TEST(includes_broken_by("actors/attic/a.cpp", "vector") == rules({"floor"}));
}

BOOST_AUTO_TEST_CASE(rooms_of_tensors_form_no_circle) {
  findings out;
  check_cycles(tree_of({{"tensors/a/x.hpp", "#include \"tensors/b/x.hpp\"\n"},
                        {"tensors/b/x.hpp", "#include \"tensors/c/x.hpp\"\n"}}),
               out);
  BOOST_TEST(out.empty());
  check_cycles(tree_of({{"tensors/a/x.hpp", "#include \"tensors/b/x.hpp\"\n"},
                        {"tensors/b/x.hpp", "#include \"tensors/a/y.hpp\"\n"}}),
               out);
  BOOST_TEST(rules_of(out) == rules({"cycle", "cycle"}));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(habits)

BOOST_AUTO_TEST_CASE(headers_are_guarded_and_open_no_namespaces) {
  const auto check = check_header_habits;
  BOOST_TEST(broken_by(check, "actors/a.hpp", "#pragma once\nint x;\n") == none);
  BOOST_TEST(broken_by(check, "actors/a.hpp", "// #pragma once\nint x;\n") ==
             rules({"pragma-once"}));
  BOOST_TEST(broken_by(check, "actors/a.hpp", "#pragma once\nusing namespace std;\n") ==
             rules({"using-namespace"}));
  BOOST_TEST(broken_by(check, "actors/a.cpp", "using namespace std;\n") == none);
  BOOST_TEST(broken_by(check, "actors/a.cpp", "#include \"../b.hpp\"\n") ==
             rules({"include-path"}));
}

BOOST_AUTO_TEST_CASE(files_functions_and_lines_have_a_size) {
  const auto lines = [](int count, const std::string& line) {
    std::string text;
    for (int i = 0; i < count; ++i)
      text += line + "\n";
    return text;
  };
  const auto check = check_sizes;
  BOOST_TEST(broken_by(check, "a.cpp", lines(file_lines_max, "int x;")) == none);
  BOOST_TEST(broken_by(check, "a.cpp", lines(file_lines_max + 1, "int x;")) ==
             rules({"file-length"}));
  const auto body = [&](int count) { return "void f() {\n" + lines(count, "  g();") + "}\n"; };
  BOOST_TEST(broken_by(check, "a.cpp", body(function_lines_max - 2)) == none);
  BOOST_TEST(broken_by(check, "a.cpp", body(function_lines_max - 1)) == rules({"function-length"}));
  const std::string full(line_columns_max, 'x');
  BOOST_TEST(broken_by(check, "a.cpp", full + "\n") == none);
  BOOST_TEST(broken_by(check, "a.capnp", full + "x\n") == rules({"line-length"}));
  BOOST_TEST(broken_by(check, "a.cpp", "// " + full.substr(4) + "\u00e9\n") == none);
}

BOOST_AUTO_TEST_CASE(nothing_is_left_for_later) {
  const auto check = check_markers;
  for (const auto& word :
       {std::string("TO") + "DO", std::string("FIX") + "ME", std::string("XX") + "X"}) {
    BOOST_TEST(broken_by(check, "a.cpp", "// " + word + ": x\n") == rules({"marker"}), word);
    BOOST_TEST(broken_by(check, "tools/setup", "# " + word + "\n") == rules({"marker"}), word);
    BOOST_TEST(broken_by(check, "tests/data/corpus.txt", word) == none, word);
  }
}

BOOST_AUTO_TEST_CASE(files_are_named_like_the_rest) {
  const auto check = check_naming;
  for (const char* path :
       {"actors/a.h", "actors/a.cc", "actors/a.cxx", "actors/MyFile.cpp", "actors/my-file.hpp"}) {
    BOOST_TEST(broken_by(check, path, "") == rules({"naming"}), path);
  }
  for (const char* path :
       {"actors/my_file2.cpp", "schemas/a.capnp", "tests/README.md", "a/BUILD"}) {
    BOOST_TEST(broken_by(check, path, "") == none, path);
  }
}

BOOST_AUTO_TEST_CASE(the_top_level_is_agreed) {
  findings out;
  check_top_level({"WORKSPACE", "BUILD", "actors", ".git", "bazel-bin", "out", "README.md"}, out);
  BOOST_TEST(out.empty());
  check_top_level({"misc"}, out);
  BOOST_TEST(rules_of(out) == rules({"top-level"}));
}

BOOST_AUTO_TEST_CASE(the_own_header_comes_first) {
  const std::pair<std::string, std::string> header{"tools/a.hpp", "#pragma once\n"};
  const std::pair<std::string, std::string> build{"tools/BUILD", R"(["a.hpp", "a.cpp"])"};
  const auto with = [&](const std::string& text) {
    return rules_of(check_tree(tree_of({header, build, {"tools/a.cpp", text}})));
  };
  BOOST_TEST(with("#include \"tools/a.hpp\"\n#include <vector>\n") == none);
  BOOST_TEST(with("#include <vector>\n#include \"tools/a.hpp\"\n") == rules({"own-header-first"}));
  BOOST_TEST(with("int x;\n") == rules({"own-header-first"}));
}

BOOST_AUTO_TEST_CASE(no_file_is_forgotten_by_its_build) {
  findings out;
  check_build(tree_of({{"a/BUILD", R"(srcs = ["x.cpp", "sub/y_test.cpp"])"},
                       {"a/x.cpp", ""},
                       {"a/sub/y_test.cpp", ""}}),
              out);
  BOOST_TEST(out.empty());
  check_build(tree_of({{"a/BUILD", R"(srcs = ["xx.cpp"])"}, {"a/x.cpp", ""}, {"b/z.hpp", ""}}),
              out);
  BOOST_TEST(rules_of(out) == rules({"build", "build"}));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(exemptions)

BOOST_AUTO_TEST_CASE(an_exemption_covers_one_rule_of_one_file) {
  const findings all{
      {"a.cpp", 1, "sleep", ""}, {"a.cpp", 2, "thread", ""}, {"b.cpp", 1, "sleep", ""}};
  const auto left = apply_exemptions(all, {{"a.cpp", "sleep", "the seam"}});
  BOOST_TEST(rules_of(left) == rules({"thread", "sleep"}));
}

BOOST_AUTO_TEST_CASE(an_exemption_that_covers_nothing_is_stale) {
  const auto left = apply_exemptions({}, {{"a.cpp", "sleep", "the seam"}});
  BOOST_TEST(rules_of(left) == rules({"stale-exemption"}));
}

BOOST_AUTO_TEST_CASE(an_exemption_without_a_reason_covers_nothing) {
  const auto left = apply_exemptions({{"a.cpp", 1, "sleep", ""}}, {{"a.cpp", "sleep", ""}});
  BOOST_TEST(rules_of(left) == rules({"sleep", "stale-exemption"}));
}

BOOST_AUTO_TEST_SUITE_END()
