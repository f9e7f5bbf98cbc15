#include "tools/options/option_table.hpp"

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

namespace {

using namespace std::chrono_literals;
using swarm::tools::exit_success;
using swarm::tools::exit_usage;
using swarm::tools::option_table;
using swarm::tools::parse_result;
using swarm::tools::run_main;

struct program {
  int64_t layers = 6;
  double rate = 1e-3;
  bool bias = true;
  std::string data = "corpus.txt";
  std::string codec = "raw";
  std::chrono::milliseconds timeout{500};
  std::chrono::seconds horizon{60};
  int64_t smoke_steps = 1000;
  bool smoke = false;
  option_table table{"example", "an example."};

  program() {
    table.add(layers, "layers", "Blocks.", "blocks", 1, 1024)
        .add(rate, "lr", "Learning rate.", "1", 0.0, 10.0)
        .add(bias, "bias", "Biases.")
        .add(data, "data", "Corpus.", "path")
        .add_choice(codec, "codec", "Encoding.", {"raw", "fp16"})
        .add(timeout, "net.timeout", "Request timeout.", 1ms, 60000ms)
        .add(horizon, "net.horizon", "Horizon.", 1s, 3600s)
        .add(smoke_steps, "steps", "Steps.", "", 1, 1000000)
        .add(smoke, "smoke", "Small size.")
        .add_preset("smoke", {"--steps=3", "--layers=2"});
  }

  parse_result run(std::vector<std::string> arguments) { return table.parse(std::move(arguments)); }
};

std::string temporary_file(const std::string& name, const std::string& content) {
  const char* directory = std::getenv("TEST_TMPDIR");
  std::string path = std::string{directory == nullptr ? "/tmp" : directory} + "/" + name;
  std::ofstream{path, std::ios::binary} << content;
  return path;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Exit code 2, one line, one sentence, the expected words in it, and nothing changed.
void expect_error(const std::vector<std::string>& arguments,
                  const std::vector<std::string>& words) {
  program subject;
  const auto before = subject.table.dump();
  const auto result = subject.run(arguments);
  BOOST_TEST_CONTEXT(result.text) {
    BOOST_TEST(!result.ok);
    BOOST_TEST(result.exit_code == exit_usage);
    BOOST_TEST(std::count(result.text.begin(), result.text.end(), '\n') == 1);
    BOOST_TEST(result.text.size() < 400u);
    const char last = result.text[result.text.size() - 2];
    BOOST_TEST((last == '.' || last == '?'));
    for (const auto& word : words)
      BOOST_TEST(contains(result.text, word), "lacks " << word);
  }
  BOOST_TEST(subject.table.dump() == before);
}

}  // namespace

BOOST_AUTO_TEST_CASE(defaults_hold_without_arguments) {
  program subject;
  BOOST_TEST(subject.run({}).ok);
  BOOST_TEST(subject.layers == 6);
  BOOST_TEST(subject.rate == 1e-3);
}

BOOST_AUTO_TEST_CASE(every_type_is_read_from_the_command_line) {
  program subject;
  BOOST_TEST(subject
                 .run({"--layers=12", "--lr=3e-4", "--bias=false", "--data=a b,c.bin",
                       "--codec=fp16", "--net.timeout=2s", "--net.horizon=10min", "--smoke"})
                 .ok);
  BOOST_TEST(subject.layers == 12);
  BOOST_TEST(subject.rate == 3e-4);
  BOOST_TEST(!subject.bias);
  BOOST_TEST(subject.data == "a b,c.bin");
  BOOST_TEST(subject.codec == "fp16");
  BOOST_TEST(subject.timeout.count() == 2000);
  BOOST_TEST(subject.horizon.count() == 600);
  BOOST_TEST(subject.smoke);
}

BOOST_AUTO_TEST_CASE(reals_are_what_their_decimal_text_says) {
  for (const char* text : {"1e-5", "0.1", "3e-4", "1e-8", "0.99", "2", "0", ".5", "6.02e-3"}) {
    program subject;
    BOOST_TEST(subject.run({std::string{"--lr="} + text}).ok);
    BOOST_TEST(subject.rate == std::strtod(text, nullptr));
  }
}

BOOST_AUTO_TEST_CASE(wrong_types_get_one_sentence) {
  expect_error({"--layers=abc"}, {"--layers", "an integer from 1 to 1024", "'abc'"});
  expect_error({"--layers=1.5"}, {"--layers", "an integer", "'1.5'"});
  expect_error({"--layers=3x"}, {"--layers", "'3x'"});
  expect_error({"--layers=99999999999999999999"}, {"--layers", "from 1 to 1024"});
  expect_error({"--lr=abc"}, {"--lr", "a number from 0 to 10"});
  expect_error({"--lr=nan"}, {"--lr", "a number"});
  expect_error({"--lr=1e999"}, {"--lr", "a number"});
  expect_error({"--bias=maybe"}, {"--bias", "true or false", "'maybe'"});
  expect_error({"--codec=mp3"}, {"--codec", "one of raw, fp16", "'mp3'"});
  expect_error({"--net.timeout=5"}, {"--net.timeout", "a duration", "from 1ms to 60s"});
  expect_error({"--net.timeout=1us"}, {"--net.timeout", "whole milliseconds"});
}

BOOST_AUTO_TEST_CASE(numbers_are_decimal_in_every_type_and_place) {
  program subject;
  BOOST_TEST(subject.run({"--layers=010", "--lr=01.5", "--net.timeout=010ms"}).ok);
  BOOST_TEST(subject.layers == 10);
  BOOST_TEST(subject.rate == 1.5);
  BOOST_TEST(subject.timeout.count() == 10);
  program from_file;
  const auto path = temporary_file("zeros.conf", "layers=08\nlr=01.5\nnet { timeout=010ms }\n");
  BOOST_TEST(from_file.run({"--config-file=" + path}).ok);
  BOOST_TEST(from_file.layers == 8);
  BOOST_TEST(from_file.rate == 1.5);
  BOOST_TEST(from_file.timeout.count() == 10);
  for (const char* value : {"0x10", "0X10", "0b11", "-0x1", "0o7"}) {
    const auto given = std::string{"="} + value;
    expect_error({"--layers" + given}, {"--layers", value, "decimal"});
    expect_error({"--lr" + given}, {"--lr", value, "decimal"});
    expect_error({"--net.timeout" + given + "ms"}, {"--net.timeout", value, "decimal"});
    expect_error({"--config-file=" + temporary_file("base.conf", "layers" + given)},
                 {"base.conf", "line 1", "--layers", value, "decimal"});
    expect_error({"--config-file=" + temporary_file("base.conf", "lr" + given)},
                 {"base.conf", "--lr", value, "decimal"});
    expect_error({"--config-file=" + temporary_file("base.conf", "net { timeout" + given + "ms }")},
                 {"base.conf", "--net.timeout", value, "decimal"});
  }
  for (const char* value : {"inf", "-inf", "nan", "1e999", "0.5x", "1,5", "0x1p3"})
    expect_error({std::string{"--lr="} + value}, {"--lr", value});
  expect_error({"--net.timeout=1000"}, {"--net.timeout", "give a unit"});
}

BOOST_AUTO_TEST_CASE(a_byte_order_mark_and_carriage_returns_are_read) {
  program subject;
  const auto path = temporary_file(
      "windows.conf", "\xef\xbb\xbf; saved on Windows\r\nlayers=7\r\nbias=false\r\nsmoke=true\r\n");
  const auto result = subject.run({"--config-file=" + path});
  BOOST_TEST(result.ok, result.text);
  BOOST_TEST(subject.layers == 7);
  BOOST_TEST(!subject.bias);
  BOOST_TEST(subject.smoke);
}

BOOST_AUTO_TEST_CASE(what_differs_from_the_programs_own_sizes_is_told) {
  const auto changed = [](std::vector<std::string> arguments) {
    program subject;
    BOOST_TEST(subject.run(arguments).ok);
    return subject.table.changed();
  };
  const auto none = std::vector<std::string>{};
  BOOST_TEST(changed({}) == none, boost::test_tools::per_element());
  BOOST_TEST(changed({"--layers=6"}) == none, boost::test_tools::per_element());
  BOOST_TEST(changed({"--layers=7"}) == std::vector<std::string>{"layers"},
             boost::test_tools::per_element());
  BOOST_TEST(changed({"--smoke"}) == std::vector<std::string>{"smoke"},
             boost::test_tools::per_element());
  BOOST_TEST(changed({"--smoke", "--steps=4", "--layers=2"}) ==
                 (std::vector<std::string>{"steps", "smoke"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_dump_comes_before_what_is_still_missing) {
  program subject;
  subject.table.add_check([]() -> std::optional<std::string> { return "--dir names no folder."; });
  const auto dumped = subject.run({"--layers=3", "--dump-config"});
  BOOST_TEST(dumped.exit_code == exit_success);
  BOOST_TEST(contains(dumped.text, "\nlayers=3\n"));
  BOOST_TEST(subject.run({"--help"}).exit_code == exit_success);
  BOOST_TEST(subject.run({"--layers=3"}).exit_code == exit_usage);
  BOOST_TEST(subject.run({"--layers=0", "--dump-config"}).exit_code == exit_usage);
}

BOOST_AUTO_TEST_CASE(values_out_of_range_get_one_sentence) {
  expect_error({"--layers=-1"}, {"--layers", "from 1 to 1024", "'-1'"});
  expect_error({"--layers=0"}, {"--layers", "from 1 to 1024"});
  expect_error({"--layers=1000000000"}, {"--layers", "from 1 to 1024", "'1000000000'"});
  expect_error({"--lr=-0.1"}, {"--lr", "from 0 to 10", "'-0.1'"});
  expect_error({"--net.timeout=-5s"}, {"--net.timeout", "'-5s'"});
  expect_error({"--net.horizon=2h"}, {"--net.horizon", "from 1s to 3600s"});
  expect_error({"--data=" + std::string(5000, 'x')}, {"--data", "at most 4096 bytes"});
}

BOOST_AUTO_TEST_CASE(unknown_options_get_one_sentence) {
  expect_error({"--nonsense"}, {"--nonsense", "not an option", "--help"});
  expect_error({"--nonsense=4"}, {"--nonsense"});
  expect_error({"--layer=4"}, {"--layer", "did you mean --layers?"});
  expect_error({"--timeout=5s"}, {"--timeout"});
  expect_error({"-x"}, {"'-x'"});
  expect_error({"-layers=3"}, {"'-layers'", "did you mean --layers?"});
  expect_error({"-"}, {"'-'"});
  expect_error({"stray"}, {"'stray'", "--name=value"});
  expect_error({"--", "--layers=3"}, {"--"});
  expect_error({""}, {"''"});
  expect_error({"--x\ny=1"}, {"--x\\ny"});
}

BOOST_AUTO_TEST_CASE(missing_values_get_one_sentence) {
  expect_error({"--layers"}, {"--layers=VALUE", "an integer from 1 to 1024"});
  expect_error({"--layers="}, {"--layers=VALUE"});
  expect_error({"--lr="}, {"--lr=VALUE", "a number from 0 to 10"});
  expect_error({"--bias="}, {"--bias=VALUE", "true or false"});
  expect_error({"--net.timeout="}, {"--net.timeout=VALUE", "a duration"});
  expect_error({"--codec="}, {"--codec", "one of raw, fp16", "''"});
  expect_error({"--data"}, {"--data=VALUE"});
  expect_error({"--config-file="}, {"--config-file", "names no file"});
  expect_error({"--layers", "5"}, {"--layers=VALUE"});
}

BOOST_AUTO_TEST_CASE(a_text_may_be_empty) {
  for (const char* argument : {"--data=", "--data=\"\"", "--global.data="}) {
    program subject;
    const auto result = subject.run({"--layers=3", argument, "--smoke"});
    BOOST_TEST(result.ok, result.text);
    BOOST_TEST(subject.data == "");
    BOOST_TEST(subject.layers == 3);
  }
}

BOOST_AUTO_TEST_CASE(one_wrong_value_leaves_the_right_ones_unset) {
  expect_error({"--layers=7", "--lr=abc"}, {"--lr"});
}

BOOST_AUTO_TEST_CASE(help_shows_every_option_with_its_range_and_default) {
  program subject;
  for (const char* flag : {"--help", "-h"}) {
    const auto result = subject.run({flag});
    BOOST_TEST(!result.ok);
    BOOST_TEST(result.exit_code == exit_success);
    for (const auto& declared : subject.table.options()) {
      BOOST_TEST(contains(result.text, "--" + declared.name));
      BOOST_TEST(contains(result.text, declared.sentence));
    }
    BOOST_TEST(contains(result.text, "1..1024"));
    BOOST_TEST(contains(result.text, "1ms..60s"));
    BOOST_TEST(contains(result.text, "--config-file"));
  }
}

BOOST_AUTO_TEST_CASE(a_dumped_configuration_reads_back_unchanged) {
  std::mt19937 random{7};
  for (int trial = 0; trial < 200; ++trial) {
    program first;
    const double rate =
        std::ldexp(static_cast<double>(random() % 1000000) + 1, -static_cast<int>(random() % 60));
    std::vector<std::string> arguments{
        "--layers=" + std::to_string(1 + random() % 1024),
        "--net.timeout=" + std::to_string(1 + random() % 60000) + "ms",
        random() % 2 == 0 ? "--bias=true" : "--bias=false",
        "--data=\\a;b'=\"c d{}\xc3\xa9" + std::to_string(trial)};
    if (rate <= 10) arguments.push_back("--lr=" + std::to_string(rate));
    if (trial % 2 == 0) arguments.emplace_back("--smoke");
    BOOST_TEST(first.run(arguments).ok);
    arguments.emplace_back("--dump-config");
    program dumping;
    const auto dumped = dumping.run(arguments);
    BOOST_TEST(dumped.exit_code == exit_success);
    program second;
    const auto path = temporary_file("dump.conf", dumped.text);
    const auto read = second.run({"--config-file=" + path});
    BOOST_TEST(read.ok, read.text);
    BOOST_TEST(second.table.to_json() == first.table.to_json());
    BOOST_TEST(second.rate == first.rate);
    BOOST_TEST(second.data == first.data);
    BOOST_TEST(second.table.dump() == dumped.text);
  }
}

BOOST_AUTO_TEST_CASE(the_command_line_wins_over_the_file_and_the_file_over_the_preset) {
  const auto path =
      temporary_file("layers.conf", "layers=9\nsmoke=true\nnet {\n  timeout=7ms\n}\n");
  program subject;
  const auto result = subject.run({"--layers=11", "--config-file=" + path});
  BOOST_TEST(result.ok, result.text);
  BOOST_TEST(subject.layers == 11);
  BOOST_TEST(subject.smoke_steps == 3);
  BOOST_TEST(subject.timeout.count() == 7);
  program without;
  BOOST_TEST(without.run({"--config-file=" + path}).ok);
  BOOST_TEST(without.layers == 9);
  program overruled;
  BOOST_TEST(overruled.run({"--config-file=" + path, "--smoke=false"}).ok);
  BOOST_TEST(overruled.smoke_steps == 1000);
}

BOOST_AUTO_TEST_CASE(ini_sections_are_read_too) {
  const auto path = temporary_file("ini.conf", "; comment\n[global]\nlr=1\n[net]\nhorizon=2min\n");
  program subject;
  const auto result = subject.run({"--config-file=" + path});
  BOOST_TEST(result.ok, result.text);
  BOOST_TEST(subject.rate == 1.0);
  BOOST_TEST(subject.horizon.count() == 120);
}

BOOST_AUTO_TEST_CASE(wrong_configuration_files_get_one_sentence) {
  auto expect = [](const std::string& content, const std::vector<std::string>& words) {
    expect_error({"--config-file=" + temporary_file("wrong.conf", content)}, words);
  };
  expect("layers=4.5", {"wrong.conf", "--layers", "an integer from 1 to 1024", "'4.5'"});
  expect("layers=\"x\"", {"--layers", "'x'"});
  expect("layers=0", {"--layers", "'0'"});
  expect("nonsense=4", {"wrong.conf", "--nonsense"});
  expect("net { nonsense=4 }", {"--net.nonsense"});
  expect("layers=abc", {"wrong.conf", "line 1", "--layers", "'abc'"});
  expect("layers=", {"wrong.conf", "line"});
  expect("data=\"x", {"wrong.conf", "line"});
  expect("lr=1e999", {"wrong.conf", "line"});
  expect("layers=3\nlayers=4", {"wrong.conf", "twice"});
  expect("net { timeout=5ms }\nnet { timeout=5ms }", {"wrong.conf", "twice"});
  expect("net=5", {"--net"});
  expect("layers { x=5 }", {"--layers.x"});
  expect("help=true", {"--help"});
  expect(std::string(2 << 20, ' '), {"--config-file", "1048576 bytes"});
  expect_error({"--config-file=/nowhere/x.conf"}, {"--config-file", "/nowhere/x.conf", "No such"});
  expect_error({"--config-file=/nowhere/a\nb"}, {"/nowhere/a\\nb"});
  expect_error({"--config-file=" + temporary_file("a\nb.conf", "layers=0")}, {"a\\nb.conf", "'0'"});
  expect_error({"--config-file=/"}, {"--config-file", "directory"});
}

BOOST_AUTO_TEST_CASE(a_failed_check_is_an_error_that_changes_nothing) {
  program subject;
  subject.table.add_check([&]() -> std::optional<std::string> {
    if (subject.layers % 2 == 1) return "--layers must be even.";
    return std::nullopt;
  });
  BOOST_TEST(subject.run({"--layers=8"}).ok);
  const auto result = subject.run({"--layers=7"});
  BOOST_TEST(result.exit_code == exit_usage);
  BOOST_TEST(result.text == "--layers must be even.\n");
  BOOST_TEST(subject.layers == 8);
}

BOOST_AUTO_TEST_CASE(a_derived_default_follows_the_others_unless_it_is_given) {
  struct derived : program {
    derived() {
      table.add_derived_default("layers", "--steps", [this] { return smoke_steps % 1024; });
    }
  };
  derived plain;
  BOOST_TEST(plain.run({"--steps=20"}).ok);
  BOOST_TEST(plain.layers == 20);
  BOOST_TEST(plain.run({"--steps=30"}).ok);
  BOOST_TEST(plain.layers == 30);
  BOOST_TEST(plain.run({"--steps=20", "--layers=6"}).ok);
  BOOST_TEST(plain.layers == 6);
  BOOST_TEST(plain.run({"--smoke"}).ok);
  BOOST_TEST(plain.layers == 2);
  BOOST_TEST(
      plain.run({"--steps=20", "--config-file=" + temporary_file("derived.conf", "layers=9")}).ok);
  BOOST_TEST(plain.layers == 9);
  BOOST_TEST(contains(plain.run({"--steps=20", "--dump-config"}).text, "\nlayers=20\n"));
  const auto help = plain.table.help();
  const auto line = help.substr(help.find("--layers"));
  BOOST_TEST(contains(line.substr(0, line.find('\n')), " --steps "));
  const auto before = plain.table.dump();
  BOOST_TEST(!plain.run({"--steps=50", "--lr=abc"}).ok);
  plain.table.add_check([&]() -> std::optional<std::string> {
    return plain.layers == 50 ? std::optional<std::string>{"no."} : std::nullopt;
  });
  BOOST_TEST(plain.run({"--steps=50"}).text == "no.\n");
  BOOST_TEST(plain.table.dump() == before);
}

BOOST_AUTO_TEST_CASE(json_groups_as_the_names_do) {
  program subject;
  const auto json = subject.table.to_json();
  BOOST_TEST(json["layers"] == 6);
  BOOST_TEST(json["bias"] == true);
  BOOST_TEST(json["net"]["timeout"] == "500ms");
}

BOOST_AUTO_TEST_CASE(run_main_returns_the_bodys_code_or_the_usage_code) {
  program subject;
  const char* good[] = {"example", "--layers=3"};
  BOOST_TEST(run_main(2, good, subject.table, [&] { return static_cast<int>(subject.layers); }) ==
             3);
  const char* bad[] = {"example", "--layers=abc"};
  bool ran = false;
  BOOST_TEST(run_main(2, bad, subject.table, [&] { return ran = true, 0; }) == exit_usage);
  BOOST_TEST(!ran);
  BOOST_TEST(run_main(1, good, subject.table, []() -> int { throw std::runtime_error{"x"}; }) == 1);
}
