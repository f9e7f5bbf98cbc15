#include "actors/stage/keep_promise.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

namespace {

using swarm::stage::keep_promise;

/// "s" a state, "S" one that is not written, "a" a sum, "A" one that is not; what is said after
/// each: "." nothing, "-" withdrawn, "+" given again.
std::string said(const std::string& writes, keep_promise* after = nullptr) {
  keep_promise promise;
  std::string result;
  for (const char c : writes) {
    const bool state = c == 's' || c == 'S';
    const bool good = c == 's' || c == 'a';
    const auto verdict =
        promise.wrote(state ? keep_promise::kind::state : keep_promise::kind::sum, good);
    result += verdict == keep_promise::verdict::none        ? '.'
              : verdict == keep_promise::verdict::withdrawn ? '-'
                                                            : '+';
  }
  if (after != nullptr) *after = promise;
  return result;
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_path_through_the_states_says_what_it_should) {
  const struct {
    const char* writes;
    const char* words;
  } table[] = {
      {"sasasa", "......"},
      // Withdrawn at the first that is not written, whichever it is, and once.
      {"S", "-"},
      {"A", "-"},
      {"saSASAS", "..-...."},
      // Given again after so many states in a row.
      {"Sss", "-.."},
      {"Ssss", "-..+"},
      {"SssSsss", "-.....+"},
      // Not while the last sum is missing, however many states are written.
      {"Assss", "-...."},
      {"AssssA", "-....."},
      {"Assssa", "-....+"},
      {"SasasasaS", "-.....+.-"},
      // Each time it takes twice as long.
      {"SsssSsss", "-..+-..."},
      {"SsssSssssss", "-..+-.....+"},
  };
  for (const auto& row : table)
    BOOST_TEST(said(row.writes) == row.words, row.writes << " says " << said(row.writes));
}

BOOST_AUTO_TEST_CASE(a_disk_that_fails_again_and_again_is_told_of_ever_less_often) {
  for (const size_t good_in_a_row : {1, 2, 5, 50, 500}) {
    std::string writes;
    while (writes.size() < 100'000)
      writes += "S" + std::string(good_in_a_row, 's');
    size_t words = 0;
    for (const char c : said(writes))
      words += c == '.' ? 0 : 1;
    BOOST_TEST(words <= 2 * 10U, good_in_a_row << " good ones in a row: " << words << " words");
  }
}

BOOST_AUTO_TEST_CASE(after_a_long_good_time_it_is_forgiven) {
  std::string writes;
  for (int i = 0; i < 20; ++i)
    writes += "S" + std::string(swarm::stage::regain_max, 's');
  writes += std::string(swarm::stage::regain_max, 's') + "Ssss";
  const auto words = said(writes);
  BOOST_TEST(words.back() == '+');
}

BOOST_AUTO_TEST_CASE(it_knows_which_of_the_two_is_missing) {
  keep_promise promise;
  said("sA", &promise);
  BOOST_TEST(promise.withdrawn());
  BOOST_TEST(promise.failed(keep_promise::kind::sum));
  BOOST_TEST(!promise.failed(keep_promise::kind::state));
  said("Sa", &promise);
  BOOST_TEST(promise.failed(keep_promise::kind::state));
  BOOST_TEST(!promise.failed(keep_promise::kind::sum));
}
