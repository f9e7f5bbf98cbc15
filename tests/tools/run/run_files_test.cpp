#include "tools/run/run_files.hpp"

#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "actors/identity/certificate.hpp"

using namespace swarm;
using namespace swarm::tools;
namespace fs = std::filesystem;

namespace {

constexpr int64_t now_ms = 1'800'000'000'000;
constexpr int64_t day_s = 86'400;

tensors::corpus data_of(uint16_t last) {
  return {std::vector<uint16_t>{1, 2, 3}, std::vector<uint16_t>{4, last}, 256};
}

struct a_folder {
  a_folder() {
    const char* base = std::getenv("TEST_TMPDIR");
    std::string name = std::string{base == nullptr ? "/tmp" : base} + "/run-XXXXXX";
    BOOST_REQUIRE(mkdtemp(name.data()) != nullptr);
    root = name;
    what.folder = root + "/run";
    what.name = "demo";
    what.peers = 2;
    what.valid_s = 30 * day_s;
    what.addresses = {"h:1"};
  }
  ~a_folder() { fs::remove_all(root); }

  std::string make() const {
    const auto why = make_run(what, options, data_of(5), now_ms);
    return why ? *why : "";
  }
  std::vector<int64_t> add(int64_t count, int64_t unix_ms = now_ms) const {
    auto more = what;
    more.peers = count;
    more.name = "another";
    auto added = add_tokens(more, unix_ms);
    if (const auto* why = std::get_if<std::string>(&added)) BOOST_FAIL(*why);
    return std::get<std::vector<int64_t>>(added);
  }
  identity::join_token token(int64_t number) const {
    auto loaded = load_token(token_file(what.folder, number), now_ms);
    if (const auto* why = std::get_if<std::string>(&loaded)) BOOST_FAIL(*why);
    return std::get<identity::join_token>(loaded);
  }
  /// Every file with what it holds.
  std::map<std::string, std::string> content() const {
    std::map<std::string, std::string> result;
    for (const auto& entry : fs::recursive_directory_iterator{root}) {
      if (!entry.is_regular_file()) continue;
      std::ifstream in{entry.path(), std::ios::binary};
      result[entry.path().string()] = {std::istreambuf_iterator<char>{in}, {}};
    }
    return result;
  }

  std::string root;
  new_run what;
  run_options options;
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_description_says_what_the_options_said) {
  run_options given;
  given.model.layers = 5;
  given.model.vocabulary = 300;
  given.model.dropout = 0.25;
  given.optimizer.learning_rate = 2e-3;
  given.optimizer.decay_steps = 77;
  given.stages = 4;
  given.rows = 3;
  given.microbatches = 9;
  given.seed = 11;
  given.steps = 123;
  given.reproducible = true;
  given.validation_fraction = 0.2;
  given.data = "/somewhere/text";
  const auto run = describe(given, data_of(5), "demo", now_ms);
  BOOST_TEST(run.data_source == "/somewhere/text");
  BOOST_TEST(run.data_tokens == 5);
  BOOST_TEST(run.created_unix_ms == now_ms);
  run_options back;
  apply(run, back);
  // Where the data lies is a matter of each place.
  BOOST_TEST(back.data == run_options{}.data);
  back.data = given.data;
  const auto again = describe(back, data_of(5), "demo", now_ms);
  BOOST_TEST(!identity::explain_difference(run, again));
  BOOST_TEST(identity::canonical_bytes(again) == identity::canonical_bytes(run));
}

BOOST_AUTO_TEST_CASE(the_hash_of_a_corpus_knows_every_token_and_the_split) {
  const auto hash = corpus_hash(data_of(5));
  BOOST_TEST(hash == corpus_hash(data_of(5)));
  BOOST_TEST(hash != corpus_hash(data_of(6)));
  BOOST_TEST(hash != corpus_hash({{1, 2}, {3, 4, 5}, 256}));
  BOOST_TEST(hash != corpus_hash({{4, 5}, {1, 2, 3}, 256}));
}

BOOST_FIXTURE_TEST_CASE(a_run_is_made_whole_and_its_secrets_are_the_owners, a_folder) {
  BOOST_TEST(make() == "");
  const auto loaded = load_description(description_file(what.folder), token(1).run_key);
  BOOST_REQUIRE(std::holds_alternative<loaded_description>(loaded));
  BOOST_TEST(std::get<loaded_description>(loaded).run.name == "demo");
  BOOST_TEST(token(1).run_name == "demo");
  BOOST_TEST(token(2).addresses == what.addresses, boost::test_tools::per_element());
  BOOST_CHECK(token(1).peer.key() != token(2).peer.key());
  BOOST_TEST(token(1).not_after_s == now_ms / 1000 + 30 * day_s);
  for (const char* secret : {"/run.key", "/peer-1.token", "/peer-2.token"}) {
    struct stat facts {};
    BOOST_REQUIRE(stat((what.folder + secret).c_str(), &facts) == 0);
    BOOST_TEST((facts.st_mode & 0777) == 0600U, secret);
  }
  BOOST_TEST(content().size() == 5U);
}

BOOST_FIXTURE_TEST_CASE(nothing_of_a_run_that_is_there_is_touched, a_folder) {
  BOOST_TEST(make() == "");
  for (const char* left : {"/run.key", "/run.ca", "/run.swarm", "/peer-1.token", "/peer-2.token"}) {
    const auto kept = root + "/kept";
    fs::create_directories(kept);
    fs::rename(what.folder + left, kept + left);
    for (const auto& entry : fs::directory_iterator{what.folder})
      fs::remove(entry.path());
    fs::rename(kept + left, what.folder + left);
    const auto before = content();
    const auto why = make();
    BOOST_TEST(contains(why, "exists already"), left << ": " << why);
    BOOST_TEST(contains(why, left), why);
    BOOST_TEST((content() == before), left);
    fs::remove(what.folder + left);
    BOOST_TEST(make() == "");
  }
}

BOOST_FIXTURE_TEST_CASE(a_run_that_cannot_be_made_leaves_nothing, a_folder) {
  // In the way of the second token's draft, which is written after the key and the authority.
  fs::create_directories(token_file(what.folder, 2) + ".new/x");
  BOOST_TEST(contains(make(), "cannot be written"));
  BOOST_TEST(content().empty());
  fs::remove_all(what.folder);
  std::ofstream{what.folder} << "a file";
  BOOST_TEST(contains(make(), "cannot be made"));
}

BOOST_FIXTURE_TEST_CASE(further_tokens_take_the_numbers_that_are_free, a_folder) {
  BOOST_TEST(make() == "");
  BOOST_TEST(add(2) == (std::vector<int64_t>{3, 4}), boost::test_tools::per_element());
  const auto third = token(3);
  fs::remove(token_file(what.folder, 2));
  BOOST_TEST(add(2) == (std::vector<int64_t>{2, 5}), boost::test_tools::per_element());
  BOOST_CHECK(token(3).peer.key() == third.peer.key());
  BOOST_TEST(token(5).run_name == "demo");
}

BOOST_FIXTURE_TEST_CASE(further_tokens_are_valid_as_long_as_the_first, a_folder) {
  BOOST_TEST(make() == "");
  // Long after the first ones have expired.
  const auto later_ms = now_ms + 200 * day_s * 1000;
  BOOST_TEST(add(1, later_ms).front() == 3);
  const auto loaded = load_token(token_file(what.folder, 3), later_ms);
  BOOST_REQUIRE(std::holds_alternative<identity::join_token>(loaded));
  BOOST_TEST(std::get<identity::join_token>(loaded).not_after_s == later_ms / 1000 + 30 * day_s);
  const auto never_ms = now_ms + (identity::authority_valid_s + day_s) * 1000;
  const auto added = add_tokens(what, never_ms);
  BOOST_TEST(contains(std::get<std::string>(added), "expired"));
}

BOOST_FIXTURE_TEST_CASE(further_tokens_need_the_runs_own_files, a_folder) {
  BOOST_TEST(make() == "");
  a_folder other;
  BOOST_TEST(other.make() == "");
  const auto why = [&] { return std::get<std::string>(add_tokens(what, now_ms)); };
  const auto swap = [&](const char* name) {
    fs::copy_file(other.what.folder + name, what.folder + name,
                  fs::copy_options::overwrite_existing);
  };
  fs::rename(description_file(what.folder), root + "/kept");
  BOOST_TEST(contains(why(), "cannot be read"));
  swap("/run.swarm");
  BOOST_TEST(contains(why(), "not signed by the run's key"));
  swap("/run.ca");
  BOOST_TEST(contains(why(), "not the authority"));
  chmod((what.folder + "/run.key").c_str(), 0644);
  BOOST_TEST(contains(why(), "chmod 600"));
  fs::remove(what.folder + "/run.key");
  BOOST_TEST(contains(why(), "cannot be read"));
  BOOST_TEST(content().count(token_file(what.folder, 3)) == 0U);
}

BOOST_FIXTURE_TEST_CASE(a_token_is_a_line_or_a_file, a_folder) {
  BOOST_TEST(make() == "");
  const auto line = identity::to_text(token(1));
  const auto loaded = load_token(line, now_ms);
  BOOST_REQUIRE(std::holds_alternative<identity::join_token>(loaded));
  BOOST_CHECK(std::get<identity::join_token>(loaded).peer.key() == token(1).peer.key());
  BOOST_TEST(contains(std::get<std::string>(load_token("", now_ms)), "no token"));
  BOOST_TEST(contains(std::get<std::string>(load_token(root + "/none", now_ms)), "cannot be read"));
}

BOOST_FIXTURE_TEST_CASE(what_is_no_description_is_named, a_folder) {
  const auto path = root + "/odd";
  std::ofstream{path} << "hello";
  BOOST_TEST(contains(std::get<std::string>(load_description(path, std::nullopt)),
                      path + " is not a run's description"));
  BOOST_TEST(make() == "");
  const auto stranger = identity::key_pair::generate().key();
  BOOST_TEST(
      contains(std::get<std::string>(load_description(description_file(what.folder), stranger)),
               "not signed by the run's key"));
}
