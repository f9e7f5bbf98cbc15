#include "tools/options/run_options.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tensors/engine/cpu_kernels.hpp"

namespace {

using namespace swarm::tools;

struct program {
  run_options options;
  option_table table{"run", "a run."};

  program() { add_run_options(table, options); }
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void expect_error(const std::vector<std::string>& arguments,
                  const std::vector<std::string>& words) {
  program subject;
  const auto before = subject.table.dump();
  const auto result = subject.table.parse(arguments);
  BOOST_TEST_CONTEXT(result.text) {
    BOOST_TEST(result.exit_code == exit_usage);
    BOOST_TEST(std::count(result.text.begin(), result.text.end(), '\n') == 1);
    for (const auto& word : words)
      BOOST_TEST(contains(result.text, word), "lacks " << word);
  }
  BOOST_TEST(subject.table.dump() == before);
}

std::string temporary_file(const std::string& name, const std::string& content) {
  const char* directory = std::getenv("TEST_TMPDIR");
  std::string path = std::string{directory == nullptr ? "/tmp" : directory} + "/" + name;
  std::ofstream{path, std::ios::binary} << content;
  return path;
}

std::string load_failure(run_options options) {
  const auto result = load_run_corpus(options);
  const auto* sentence = std::get_if<std::string>(&result);
  BOOST_REQUIRE(sentence != nullptr);
  BOOST_TEST(!contains(*sentence, "\n"));
  return *sentence;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_defaults_are_a_valid_run) {
  program subject;
  const auto result = subject.table.parse(std::vector<std::string>{});
  BOOST_TEST(result.ok, result.text);
}

BOOST_AUTO_TEST_CASE(every_flag_sets_its_own_variable) {
  program subject;
  const auto result = subject.table.parse(
      std::vector<std::string>{"--layers=8",     "--heads=2",        "--width=64",
                               "--context=32",   "--rows=3",         "--microbatches=5",
                               "--steps=11",     "--lr=2e-3",        "--lr-min=1e-5",
                               "--warmup=7",     "--decay-steps=90", "--beta1=0.8",
                               "--beta2=0.95",   "--epsilon=1e-6",   "--weight-decay=0.2",
                               "--clip=0.5",     "--dropout=0.1",    "--bias=false",
                               "--seed=99",      "--data=x",         "--val-fraction=0.2",
                               "--stages=4",     "--workers=3",      "--in-flight=6",
                               "--reproducible", "--eval-every=10",  "--eval-batches=9",
                               "--out=o",        "--json",           "--check",
                               "--smoke",        "--vocabulary=300"});
  BOOST_TEST(result.ok, result.text);
  const auto& options = subject.options;
  BOOST_TEST(options.model.layers == 8);
  BOOST_TEST(options.model.heads == 2);
  BOOST_TEST(options.model.width == 64);
  BOOST_TEST(options.model.context == 32);
  BOOST_TEST(options.model.dropout == 0.1);
  BOOST_TEST(!options.model.bias);
  BOOST_TEST(options.rows == 3);
  BOOST_TEST(options.microbatches == 5);
  BOOST_TEST(options.steps == 11);
  BOOST_TEST(options.optimizer.learning_rate == 2e-3);
  BOOST_TEST(options.optimizer.learning_rate_min == 1e-5);
  BOOST_TEST(options.optimizer.warmup_steps == 7);
  BOOST_TEST(options.optimizer.decay_steps == 90);
  BOOST_TEST(options.optimizer.beta1 == 0.8);
  BOOST_TEST(options.optimizer.beta2 == 0.95);
  BOOST_TEST(options.optimizer.epsilon == 1e-6);
  BOOST_TEST(options.optimizer.weight_decay == 0.2);
  BOOST_TEST(options.optimizer.clip_norm == 0.5);
  BOOST_TEST(options.seed == 99);
  BOOST_TEST(options.data == "x");
  BOOST_TEST(options.validation_fraction == 0.2);
  BOOST_TEST(options.stages == 4);
  BOOST_TEST(options.workers == 3);
  BOOST_TEST(options.in_flight == 6);
  BOOST_TEST(options.reproducible);
  BOOST_TEST(options.eval_every == 10);
  BOOST_TEST(options.eval_batches == 9);
  BOOST_TEST(options.out == "o");
  BOOST_TEST(options.vocabulary == 300);
  BOOST_TEST((options.json && options.check && options.smoke));
  program second;
  const auto path = temporary_file("run.conf", subject.table.dump());
  BOOST_TEST(second.table.parse({"--config-file=" + path}).ok);
  BOOST_TEST(second.table.to_json() == subject.table.to_json());
}

BOOST_AUTO_TEST_CASE(single_values_that_are_wrong_get_one_sentence) {
  expect_error({"--layers=abc"}, {"--layers", "an integer from 1 to 1024", "'abc'"});
  expect_error({"--layers=-1"}, {"--layers", "from 1 to 1024", "'-1'"});
  expect_error({"--layers=1000000000"}, {"--layers", "from 1 to 1024"});
  expect_error({"--nonsense"}, {"--nonsense", "--help"});
  expect_error({"--lr=abc"}, {"--lr", "a number from 0 to 10"});
  expect_error({"--steps"}, {"--steps=VALUE"});
  expect_error({"--rows=0"}, {"--rows", "from 1"});
  expect_error({"--seed=-1"}, {"--seed", "from 0"});
  expect_error({"--dropout=1"}, {"--dropout", "0.99"});
  expect_error({"--val-fraction=0"}, {"--val-fraction"});
}

BOOST_AUTO_TEST_CASE(values_that_contradict_each_other_get_one_sentence) {
  expect_error({"--stages=99"}, {"--stages=99", "--layers=6"});
  expect_error({"--width=130"}, {"--width=130", "--heads=4"});
  expect_error({"--tied-head"}, {"--tied-head", "--stages=1"});
  expect_error({"--workers=4096"}, {"--stages=3", "--workers=4096"});
  expect_error({"--lr=1e-5"}, {"--lr-min=0.0001", "--lr=1e-05"});
  expect_error({"--warmup=5000", "--decay-steps=2000"}, {"--decay-steps=2000", "--warmup=5000"});
  expect_error({"--data=\"\""}, {"--data"});
  expect_error({"--data="}, {"--data names no file"});
}

BOOST_AUTO_TEST_CASE(the_decay_ends_with_the_run_unless_it_is_given) {
  auto decay_steps = [](std::vector<std::string> arguments) {
    program subject;
    subject.table.add_preset("smoke", {"--steps=300"});
    const auto result = subject.table.parse(std::move(arguments));
    BOOST_TEST(result.ok, result.text);
    return subject.options.optimizer.decay_steps;
  };
  BOOST_TEST(decay_steps({}) == 200);
  BOOST_TEST(decay_steps({"--steps=700"}) == 700);
  BOOST_TEST(decay_steps({"--smoke"}) == 300);
  BOOST_TEST(decay_steps({"--steps=700", "--decay-steps=2000"}) == 2000);
  BOOST_TEST(decay_steps({"--steps=20", "--warmup=50"}) == 50);
  program subject;
  const auto dumped = subject.table.parse({"--steps=700", "--dump-config"});
  BOOST_TEST(contains(dumped.text, "\ndecay-steps=700\n"), dumped.text);
}

BOOST_AUTO_TEST_CASE(an_empty_out_writes_no_files) {
  program subject;
  subject.options.out = "out";
  const auto result = subject.table.parse(std::vector<std::string>{"--out="});
  BOOST_TEST(result.ok, result.text);
  BOOST_TEST(subject.options.out == "");
}

BOOST_AUTO_TEST_CASE(memory_that_no_machine_has_is_refused_with_the_flags_to_lower) {
  expect_error({"--width=65536", "--layers=1024"}, {"GiB", "--width", "--layers"});
  expect_error({"--rows=65536", "--context=65536"}, {"GiB", "--rows", "--context"});
}

BOOST_AUTO_TEST_CASE(the_memory_estimate_grows_with_every_size) {
  const run_options base;
  const double before = estimate_memory_bytes(base);
  auto larger = [&](auto change) {
    auto options = base;
    change(options);
    return estimate_memory_bytes(options) > before;
  };
  BOOST_TEST(larger([](auto& o) { o.model.layers *= 2; }));
  BOOST_TEST(larger([](auto& o) { o.model.width *= 2; }));
  BOOST_TEST(larger([](auto& o) { o.model.context *= 2; }));
  BOOST_TEST(larger([](auto& o) { o.vocabulary = 50257; }));
  BOOST_TEST(larger([](auto& o) { o.rows *= 2; }));
  BOOST_TEST(larger([](auto& o) { o.workers *= 2; }));
  BOOST_TEST(larger([](auto& o) { o.in_flight *= 2; }));
  BOOST_TEST(larger([](auto& o) { o.reproducible = true; }));
  const auto sentence = check(base, {before - 1, "the cgroup /job allows (memory.max)"});
  BOOST_REQUIRE(sentence.has_value());
  BOOST_TEST(contains(*sentence, "the cgroup /job allows"));
  BOOST_TEST(contains(*sentence, "(memory.max)"));
  BOOST_TEST(!check(base, {before + 1, ""}).has_value());
}

BOOST_AUTO_TEST_CASE(what_a_program_does_not_use_is_not_checked) {
  const memory_limit little{1, "this machine has"};
  const memory_limit plenty{1e18, "this machine has"};
  run_options options;
  options.model.layers = 2;
  BOOST_TEST(check(options, plenty).has_value());
  options.scope = run_scope::single;
  BOOST_TEST(!check(options, plenty).has_value());
  options.model.tied_head = true;
  BOOST_TEST(!check(options, plenty).has_value());
  options.workers = run_workers_max;
  BOOST_TEST(!check(options, plenty).has_value());
  const auto sentence = check(options, little);
  BOOST_REQUIRE(sentence.has_value());
  BOOST_TEST(!contains(*sentence, "--workers"));
  BOOST_TEST(!contains(*sentence, "--in-flight"));
  options.scope = run_scope::described;
  BOOST_TEST(check(options, little).has_value());
  options.model.tied_head = false;
  options.stages = 2;
  BOOST_TEST(!check(options, little).has_value());
}

BOOST_AUTO_TEST_CASE(the_corpus_sets_the_vocabulary) {
  run_options options;
  options.data = temporary_file("corpus.txt", std::string(2000, 'x'));
  options.model.context = 16;
  options.model.vocabulary = 7;
  auto result = load_run_corpus(options);
  BOOST_TEST(std::holds_alternative<swarm::tensors::corpus>(result));
  BOOST_TEST(options.model.vocabulary == 256);
  options.vocabulary = 512;
  result = load_run_corpus(options);
  BOOST_TEST(options.model.vocabulary == 512);
}

BOOST_AUTO_TEST_CASE(a_corpus_that_does_not_fit_names_the_flag) {
  run_options options;
  options.data = "/nowhere/text";
  BOOST_TEST(contains(load_failure(options), "--data"));
  for (const char* path : {"/nowhere/a\nb", "/nowhere/a\x1b[2Jb", "/nowhere/\r\x7f"}) {
    options.data = path;
    const auto sentence = load_failure(options);
    BOOST_TEST(contains(sentence, "/nowhere/"));
    BOOST_TEST(std::none_of(sentence.begin(), sentence.end(),
                            [](unsigned char c) { return c < ' ' || c == 0x7f; }),
               sentence);
  }
  options.data = temporary_file("short.txt", std::string(200, 'x'));
  BOOST_TEST(contains(load_failure(options), "--context=64"));
  options.model.context = 8;
  options.vocabulary = 100;
  BOOST_TEST(contains(load_failure(options), "--vocabulary=100"));
}

BOOST_AUTO_TEST_CASE(a_pattern_names_its_files_in_order) {
  const auto first = temporary_file("part_a.txt", std::string(1000, 'a'));
  temporary_file("part_b.txt", std::string(1000, 'b'));
  const auto pattern = first.substr(0, first.rfind('/')) + "/part_*.txt";
  run_options options;
  options.data = pattern;
  options.model.context = 16;
  const auto result = load_run_corpus(options);
  BOOST_REQUIRE(std::holds_alternative<swarm::tensors::corpus>(result));
  const auto& train = std::get<swarm::tensors::corpus>(result).train();
  BOOST_TEST(train.size() == 1800u);
  BOOST_TEST((train.front() == 'a' && train.back() == 'b'));
  options.data = "/nowhere/part_*.txt";
  BOOST_TEST(contains(load_failure(options), "no file matches '/nowhere/part_*.txt'"));
}

BOOST_AUTO_TEST_CASE(data_paths_are_the_users_under_bazel_run) {
  const auto path = temporary_file("mine.txt", std::string(2000, 'x'));
  const auto slash = path.rfind('/');
  ::setenv("BUILD_WORKING_DIRECTORY", path.substr(0, slash).c_str(), 1);
  run_options options;
  options.data = path.substr(slash + 1) + "," + path;
  const auto result = load_run_corpus(options);
  ::unsetenv("BUILD_WORKING_DIRECTORY");
  BOOST_REQUIRE(std::holds_alternative<swarm::tensors::corpus>(result));
  BOOST_TEST(std::get<swarm::tensors::corpus>(result).train().size() == 3600u);
}

BOOST_AUTO_TEST_CASE(a_reproducible_run_has_a_kernel_level_another_run_has_none) {
  program subject;
  BOOST_TEST(kernels_of(subject.options) == "");
  BOOST_TEST(subject.table.parse(std::vector<std::string>{"--reproducible"}).ok);
  BOOST_TEST(kernels_of(subject.options) == swarm::tensors::default_kernels());
  BOOST_TEST(
      subject.table.parse(std::vector<std::string>{"--reproducible", "--kernels=baseline"}).ok);
  BOOST_TEST(kernels_of(subject.options) == "baseline");
  expect_error({"--kernels=avx2"}, {"--kernels=avx2", "--reproducible"});
  expect_error({"--reproducible", "--kernels=sse9"}, {"--kernels=sse9", "baseline", "avx512"});
}
