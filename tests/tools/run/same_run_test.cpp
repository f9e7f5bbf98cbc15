#include "tools/run/same_run.hpp"

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "tools/run/run_files.hpp"

using namespace swarm;
using namespace swarm::tools;

namespace {

/// A folder in which somebody has made a run of 8 layers, 4 stages and 77 steps.
struct a_run {
  a_run() {
    const char* base = std::getenv("TEST_TMPDIR");
    root = std::string{base == nullptr ? "/tmp" : base} + "/same-XXXXXX";
    BOOST_REQUIRE(mkdtemp(root.data()) != nullptr);
    run_options made;
    made.model.layers = 8;
    made.model.vocabulary = 97;
    made.stages = 4;
    made.steps = 77;
    made.optimizer.learning_rate = 0.002;
    made.optimizer.decay_steps = 555;
    made.data = "texts/a.txt";
    new_run what;
    what.folder = root + "/run";
    what.name = "demo";
    what.valid_s = 86'400;
    const tensors::corpus data{std::vector<uint16_t>{1, 2, 3}, std::vector<uint16_t>{4, 5}, 97};
    const auto why = make_run(what, made, data, 1'800'000'000'000);
    BOOST_REQUIRE_MESSAGE(!why, *why);
  }
  ~a_run() { std::filesystem::remove_all(root); }

  std::string root;
};

struct program {
  program() { table.add(dir, "dir", "Folder.", "path"); }

  std::string dir;
  run_options options;
  option_table table{"prog", "Tests."};
  const same_run same{table, options, [this] { return dir; }};
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(what_is_not_given_is_the_run_s_own, a_run) {
  program p;
  const auto parsed = p.table.parse({"--dir=" + root + "/run", "--layers=8", "--stages=4"});
  BOOST_REQUIRE_MESSAGE(parsed.ok, parsed.text);
  BOOST_TEST(p.options.model.layers == 8);
  BOOST_TEST(p.options.steps == 77);
  BOOST_TEST(p.options.optimizer.decay_steps == 555);
  BOOST_TEST(p.options.vocabulary == 97);
  BOOST_TEST(p.options.data == "texts/a.txt");
  BOOST_TEST(!p.same.difference());
}

BOOST_FIXTURE_TEST_CASE(what_is_given_is_checked_against_the_run_and_not_the_defaults, a_run) {
  program p;
  // By default there are fewer layers.
  const auto parsed = p.table.parse({"--dir=" + root + "/run", "--stages=8"});
  BOOST_REQUIRE_MESSAGE(parsed.ok, parsed.text);
  BOOST_TEST(p.same.difference().has_value());
}

BOOST_FIXTURE_TEST_CASE(what_is_given_and_differs_is_named_with_both_values, a_run) {
  program p;
  const auto parsed =
      p.table.parse({"--dir=" + root + "/run", "--steps=78", "--lr=0.003", "--reproducible",
                     "--seed=1", "--vocabulary=0", "--data=elsewhere/a.txt"});
  BOOST_REQUIRE_MESSAGE(parsed.ok, parsed.text);
  const auto why = p.same.difference();
  BOOST_REQUIRE(why);
  BOOST_TEST(*why == "--lr=0.003 --steps=78 --reproducible=true: the run in " + root +
                         "/run was made with --lr=0.002 --steps=77 --reproducible=false; leave "
                         "out what differs to go on with it, or choose another --dir for a new "
                         "run.");
}

BOOST_FIXTURE_TEST_CASE(without_a_run_the_defaults_hold, a_run) {
  program p;
  const auto parsed = p.table.parse({"--dir=" + root + "/none", "--steps=300"});
  BOOST_REQUIRE_MESSAGE(parsed.ok, parsed.text);
  BOOST_TEST(p.options.model.layers == run_options{}.model.layers);
  BOOST_TEST(p.options.optimizer.decay_steps == 300);
  BOOST_TEST(p.options.data == default_corpus_path);
  BOOST_TEST(!p.same.difference());
}

BOOST_AUTO_TEST_CASE(the_help_is_that_of_a_new_run) {
  program p;
  run_options options;
  option_table plain{"prog", "Tests."};
  std::string dir;
  add_description_options(plain, options);
  plain.add(dir, "dir", "Folder.", "path");
  BOOST_TEST(p.table.help() == plain.help());
}
