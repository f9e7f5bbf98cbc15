#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "tools/report/one_line.hpp"
#include "tools/report/result_file.hpp"
#include "tools/report/svg_plot.hpp"
#include "tools/report/table.hpp"
#include "tools/report/user_path.hpp"

namespace {

namespace fs = std::filesystem;
namespace tools = swarm::tools;

fs::path temporary_directory(const std::string& name) {
  const char* root = std::getenv("TEST_TMPDIR");
  auto path = fs::path{root == nullptr ? "/tmp" : root} / name;
  fs::remove_all(path);
  return path;
}

std::string content_of(const fs::path& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++found;
  return found;
}

bool contains(const std::string& text, const std::string& part) {
  return count(text, part) > 0;
}

}  // namespace

BOOST_AUTO_TEST_CASE(tables_align_text_left_and_numbers_right) {
  tools::table subject{{"run", "loss"}};
  subject.add({"one", "1.25"}).add({"a longer one", "-"}).add({"\xc3\xa9", "10.5"});
  BOOST_TEST(subject.text() ==
             "run           loss\n"
             "------------  ----\n"
             "one           1.25\n"
             "a longer one     -\n"
             "\xc3\xa9             10.5\n");
}

BOOST_AUTO_TEST_CASE(ranges_are_text) {
  tools::table subject{{"range"}};
  BOOST_TEST(subject.add({"1..1024"}).add({"0..1"}).text() == "range\n-------\n1..1024\n0..1\n");
}

BOOST_AUTO_TEST_CASE(tables_without_rows_are_a_heading) {
  BOOST_TEST(tools::table{{"a"}}.text() == "a\n-\n");
}

BOOST_AUTO_TEST_CASE(fixed_rounds) {
  BOOST_TEST(tools::fixed(1.2345, 2) == "1.23");
  BOOST_TEST(tools::fixed(std::nan(""), 2) == "nan");
}

BOOST_AUTO_TEST_CASE(ticks_are_round_and_cover_the_range) {
  const std::vector<double> expected{0, 20, 40, 60, 80, 100};
  BOOST_TEST(tools::axis_ticks(0, 100, 6) == expected, boost::test_tools::per_element());
  for (double high : {1e-7, 0.3, 7.0, 123456.0, 1e12}) {
    for (int wanted : {2, 5, 9}) {
      const auto ticks = tools::axis_ticks(-high / 3, high, wanted);
      BOOST_TEST(ticks.size() >= 1u);
      BOOST_TEST(ticks.size() <= static_cast<size_t>(wanted) + 1);
      BOOST_TEST(ticks.front() >= -high / 3 * 1.001);
      BOOST_TEST(ticks.back() <= high * 1.001);
      for (double tick : ticks)
        BOOST_TEST((tick != 0 || !std::signbit(tick)));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_plot_has_its_series_events_labels_and_legend) {
  tools::plot drawing{"Loss <b>", "step", "nats & more", {}, {{5, "peer 3 killed"}}};
  drawing.series = {{"swarm", {{0, 3}, {10, 1}}, false}, {"one process", {{0, 3}, {10, 2}}, true}};
  const auto svg = tools::to_svg(drawing);
  BOOST_TEST(svg.rfind("<svg ", 0) == 0u);
  BOOST_TEST(contains(svg, "</svg>"));
  BOOST_TEST(contains(svg, "Loss &lt;b&gt;"));
  BOOST_TEST(!contains(svg, "<b>"));
  BOOST_TEST(contains(svg, "nats &amp; more"));
  BOOST_TEST(contains(svg, ">step<"));
  BOOST_TEST(contains(svg, ">peer 3 killed<"));
  BOOST_TEST(contains(svg, ">one process<"));
  BOOST_TEST(count(svg, "<path ") == 2u);
  BOOST_TEST(contains(svg, "series c1 dashed"));
  BOOST_TEST(contains(svg, "prefers-color-scheme: dark"));
  BOOST_TEST(!contains(svg, "nan"));
}

BOOST_AUTO_TEST_CASE(higher_values_are_drawn_higher) {
  tools::plot drawing;
  drawing.series = {{"", {{0, 0}, {1, 10}}, false}};
  const auto svg = tools::to_svg(drawing);
  const auto path = svg.substr(svg.find(" d=\"M") + 5);
  double x0 = 0, y0 = 0, x1 = 0, y1 = 0;
  BOOST_TEST(std::sscanf(path.c_str(), "%lf %lfL%lf %lf", &x0, &y0, &x1, &y1) == 4);
  BOOST_TEST(x0 < x1);
  BOOST_TEST(y0 > y1);
}

BOOST_AUTO_TEST_CASE(points_that_are_not_finite_break_the_line) {
  tools::plot drawing;
  drawing.series = {{"", {{0, 1}, {1, 2}, {2, std::nan("")}, {3, 1}, {4, INFINITY}}, false}};
  const auto svg = tools::to_svg(drawing);
  const auto path =
      svg.substr(svg.find(" d=\""), svg.find("\"/>", svg.find(" d=\"")) - svg.find(" d=\""));
  BOOST_TEST(count(path, "M") == 2u);
  BOOST_TEST(!contains(svg, "nan"));
  BOOST_TEST(!contains(svg, "inf"));
}

BOOST_AUTO_TEST_CASE(empty_and_constant_plots_are_drawn) {
  BOOST_TEST(!contains(tools::to_svg({}), "nan"));
  tools::plot constant;
  constant.series = {{"", {{3, 7}}, false}};
  BOOST_TEST(!contains(tools::to_svg(constant), "nan"));
}

BOOST_AUTO_TEST_CASE(thinning_a_long_series_keeps_its_spike) {
  tools::plot drawing;
  drawing.series = {{"", {}, false}};
  for (int i = 0; i < 100000; ++i) {
    drawing.series[0].points.emplace_back(i, i == 54321 ? 100 : std::sin(i));
  }
  const auto svg = tools::to_svg(drawing);
  BOOST_TEST(svg.size() < 60000u);
  BOOST_TEST(count(svg, "L") <= tools::plot_points_max + 10);
  // The axis spans -20..100 or so; 40 is the top of the drawing area.
  BOOST_TEST(contains(svg, " 40.0L"));
}

BOOST_AUTO_TEST_CASE(results_are_written_with_all_they_need) {
  const auto directory = temporary_directory("results") / "deeper";
  const auto document = tools::result_document("quickstart", {{"layers", 6}},
                                               {"0.17.6", "1.13.1", "0.9.2"}, {{"loss", 1.5}});
  const auto problem = tools::write_result(directory.string(), "run.json", document);
  BOOST_TEST(!problem.has_value(), problem.value_or(""));
  const auto read = nlohmann::json::parse(content_of(directory / "run.json"));
  BOOST_TEST(read["program"] == "quickstart");
  BOOST_TEST(read["configuration"]["layers"] == 6);
  BOOST_TEST(read["versions"]["libtorch"] == "1.13.1");
  BOOST_TEST(read["hardware"]["cores"].get<int64_t>() >= 1);
  BOOST_TEST(read["hardware"]["memory_bytes"].get<int64_t>() > 1 << 20);
  BOOST_TEST(!read["hardware"]["cpu_model"].get<std::string>().empty());
  BOOST_TEST(read["results"]["loss"] == 1.5);
}

BOOST_AUTO_TEST_CASE(writing_replaces_and_leaves_no_temporary_file) {
  const auto directory = temporary_directory("replace");
  BOOST_TEST(!tools::write_file(directory.string(), "a.txt", "old").has_value());
  BOOST_TEST(!tools::write_file(directory.string(), "a.txt", "new").has_value());
  BOOST_TEST(content_of(directory / "a.txt") == "new");
  BOOST_TEST(std::distance(fs::directory_iterator{directory}, {}) == 1);
}

BOOST_AUTO_TEST_CASE(a_folder_that_can_be_written_is_created_and_left_empty) {
  const auto directory = temporary_directory("prepared") / "a" / "b";
  for (int time = 0; time < 2; ++time) {
    BOOST_TEST(!tools::prepare_folder(directory.string()).has_value());
    BOOST_TEST(fs::is_directory(directory));
    BOOST_TEST(fs::is_empty(directory));
  }
}

BOOST_AUTO_TEST_CASE(a_folder_that_cannot_be_written_is_a_sentence_and_leaves_no_trace) {
  const auto directory = temporary_directory("unprepared");
  BOOST_TEST(!tools::write_file(directory.string(), "file", "x").has_value());
  const std::string long_name(300, 'x');
  const std::vector<std::pair<std::string, std::string>> expected{
      {"file", "Not a directory"},
      {"file/x", "Not a directory"},
      {"file/x\ny", "file/x\\ny"},
      {"new/deep/" + long_name, "too long"},
      {"new/deep/" + long_name + "/", "too long"}};
  for (const auto& [name, words] : expected) {
    const auto problem = tools::prepare_folder((directory / name).string());
    BOOST_REQUIRE(problem.has_value());
    BOOST_TEST(contains(*problem, words), *problem);
    BOOST_TEST(!contains(*problem, "\n"));
    BOOST_TEST(std::distance(fs::directory_iterator{directory}, {}) == 1);
  }
  BOOST_TEST(tools::prepare_folder("/proc").has_value());
  BOOST_TEST(tools::prepare_folder("/proc/x").has_value());
}

BOOST_AUTO_TEST_CASE(one_line_escapes_what_a_terminal_would_obey) {
  BOOST_TEST(tools::one_line("/a b/\xc3\xa9'\"\\.txt") == "/a b/\xc3\xa9'\"\\.txt");
  BOOST_TEST(tools::one_line("a\nb\r\tc") == "a\\nb\\r\\tc");
  BOOST_TEST(tools::one_line("\x1b[2J\x7f") == "\\x1b[2J\\x7f");
  BOOST_TEST(tools::one_line(std::string(1, '\0')) == "\\x00");
  for (int c = 0; c < 256; ++c) {
    for (unsigned char shown : tools::one_line(std::string(1, static_cast<char>(c))))
      BOOST_TEST((shown >= ' ' && shown != 0x7f));
  }
}

BOOST_AUTO_TEST_CASE(failing_to_write_is_a_sentence_and_leaves_no_trace) {
  const auto directory = temporary_directory("failing");
  fs::create_directories(directory / "taken" / "inside");
  const auto problem = tools::write_file(directory.string(), "taken", "x");
  BOOST_REQUIRE(problem.has_value());
  BOOST_TEST(contains(*problem, "taken"));
  BOOST_TEST(std::distance(fs::directory_iterator{directory}, {}) == 1);
  BOOST_TEST(!tools::write_file(directory.string(), "file", "x").has_value());
  BOOST_TEST(tools::write_file((directory / "file").string(), "y", "x").has_value());
  const auto odd = tools::write_file((directory / "file").string(), "y\nz", "x");
  BOOST_REQUIRE(odd.has_value());
  BOOST_TEST(contains(*odd, "y\\nz"));
}

BOOST_AUTO_TEST_CASE(relative_paths_are_the_users_under_bazel_run) {
  ::unsetenv("BUILD_WORKING_DIRECTORY");
  BOOST_TEST(tools::user_path("a/b") == "a/b");
  ::setenv("BUILD_WORKING_DIRECTORY", "/home/me", 1);
  BOOST_TEST(tools::user_path("a/b") == "/home/me/a/b");
  BOOST_TEST(tools::user_path("/a") == "/a");
  BOOST_TEST(tools::user_path("") == "");
  const auto directory = temporary_directory("user");
  ::setenv("BUILD_WORKING_DIRECTORY", directory.c_str(), 1);
  BOOST_TEST(!tools::write_file("out", "a.txt", "x").has_value());
  BOOST_TEST(fs::exists(directory / "out" / "a.txt"));
  ::unsetenv("BUILD_WORKING_DIRECTORY");
}

BOOST_AUTO_TEST_CASE(a_tilde_is_a_home_directory) {
  const std::string before = std::getenv("HOME") == nullptr ? "" : std::getenv("HOME");
  ::setenv("HOME", "/home/me", 1);
  ::setenv("BUILD_WORKING_DIRECTORY", "/work", 1);
  BOOST_TEST(tools::user_path("~/r1") == "/home/me/r1");
  BOOST_TEST(tools::user_path("~") == "/home/me");
  BOOST_TEST(tools::user_path("~root/x") == "/root/x");
  BOOST_TEST(tools::user_path("~nobody-has-this-name/x") == "/work/~nobody-has-this-name/x");
  BOOST_TEST(tools::user_path("a/~") == "/work/a/~");
  ::unsetenv("BUILD_WORKING_DIRECTORY");
  ::setenv("HOME", before.c_str(), 1);
}

BOOST_AUTO_TEST_CASE(a_pattern_is_the_files_it_names_in_the_order_of_their_bytes) {
  const auto folder = temporary_directory("patterns");
  fs::create_directories(folder);
  for (const char* name : {"b_2.bin", "B_1.bin", "a_10.bin", "a_9.bin", "x[1].bin"})
    std::ofstream{folder / name} << "x";
  const auto in = [&](const char* name) { return (folder / name).string(); };
  BOOST_TEST(
      tools::user_paths(in("*_*.bin")) ==
          (std::vector<std::string>{in("B_1.bin"), in("a_10.bin"), in("a_9.bin"), in("b_2.bin")}),
      boost::test_tools::per_element());
  BOOST_TEST(tools::user_paths(in("a_?.bin")).size() == 1u);
  BOOST_TEST(tools::user_paths(in("none_*")).empty());
  BOOST_TEST(tools::user_paths(in("plain")).front() == in("plain"));
  BOOST_TEST(tools::user_paths(in("x[1].bin")).front() == in("x[1].bin"));
}

BOOST_AUTO_TEST_CASE(the_commit_is_found_loose_packed_and_detached) {
  const auto root = temporary_directory("repository");
  const std::string hash(40, 'a');
  fs::create_directories(root / ".git" / "refs" / "heads");
  fs::create_directories(root / "deep" / "down");
  std::ofstream{root / ".git" / "HEAD"} << "ref: refs/heads/main\n";
  BOOST_TEST(tools::git_hash((root / "deep" / "down").string()) == "");
  std::ofstream{root / ".git" / "packed-refs"} << "# pack-refs\n" << hash << " refs/heads/main\n";
  BOOST_TEST(tools::git_hash((root / "deep" / "down").string()) == hash);
  std::ofstream{root / ".git" / "refs" / "heads" / "main"} << std::string(40, 'b') << "\n";
  BOOST_TEST(tools::git_hash(root.string()) == std::string(40, 'b'));
  std::ofstream{root / ".git" / "HEAD"} << std::string(40, 'c') << "\n";
  BOOST_TEST(tools::git_hash(root.string()) == std::string(40, 'c'));
}

BOOST_AUTO_TEST_CASE(json_lines_are_one_line_whatever_they_hold) {
  const auto line = tools::json_line({{"a", "x\ny"}, {"b", std::nan("")}, {"c", "\xff"}});
  BOOST_TEST(count(line, "\n") == 1u);
  BOOST_TEST(line.back() == '\n');
  BOOST_TEST(nlohmann::json::parse(line)["b"].is_null());
}
