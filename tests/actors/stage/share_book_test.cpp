#include "actors/stage/share_book.hpp"

#include <boost/test/unit_test.hpp>
#include <random>

namespace {

using namespace swarm;
using namespace swarm::stage;

constexpr share_key share{3, 0};
const share_round attempt{step_id{7}, {term_id{1}, round_id{2}}};

microbatch_set set_of(const std::vector<int64_t>& indices) {
  microbatch_set result;
  for (const int64_t i : indices)
    result.insert(microbatch_id{i});
  return result;
}

share_book book_with(const std::vector<int64_t>& cut) {
  share_book book;
  book.begin(attempt);
  book.assign({{share, set_of(cut)}});
  return book;
}

bool admitted(const share_book& book, int64_t index, const share_round& when = attempt,
              share_key which = share) {
  return !book.admit(when, which, microbatch_id{index});
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_share_takes_its_own_microbatches_in_its_own_attempt_only) {
  const auto book = book_with({1, 4});
  BOOST_TEST(admitted(book, 1));
  BOOST_TEST(!admitted(book, 2));
  BOOST_TEST(!admitted(book, 1, {step_id{7}, {term_id{1}, round_id{3}}}));
  BOOST_TEST(!admitted(book, 1, {step_id{7}, {term_id{2}, round_id{2}}}));
  BOOST_TEST(!admitted(book, 1, attempt, {3, 1}));
  BOOST_TEST(!admitted(share_book{}, 1));
}

BOOST_AUTO_TEST_CASE(a_share_is_complete_when_each_of_its_microbatches_is_in_once) {
  auto book = book_with({1, 4});
  BOOST_TEST(book.weight(share, microbatch_id{1}) == 1);
  // A copy of the request, while the first is at the engine and afterwards.
  BOOST_TEST(book.weight(share, microbatch_id{1}) == 0);
  BOOST_TEST(!book.computed(attempt, share, microbatch_id{1}, true));
  BOOST_TEST(book.weight(share, microbatch_id{1}) == 0);
  BOOST_TEST((book.progress() == std::pair<size_t, size_t>{1, 2}));
  // A failed one is tried again.
  BOOST_TEST(book.weight(share, microbatch_id{4}) == 1);
  BOOST_TEST(!book.computed(attempt, share, microbatch_id{4}, false));
  BOOST_TEST(book.weight(share, microbatch_id{4}) == 1);
  BOOST_TEST(book.computed(attempt, share, microbatch_id{4}, true));
  // Nothing is added any more.
  BOOST_TEST(book.weight(share, microbatch_id{1}) == 0);
  BOOST_TEST(!book.computed(attempt, share, microbatch_id{1}, true));
}

BOOST_AUTO_TEST_CASE(a_later_revision_leaves_what_is_here) {
  auto book = book_with({1, 2});
  BOOST_TEST(book.weight(share, microbatch_id{1}) == 1);
  BOOST_TEST(!book.computed(attempt, share, microbatch_id{1}, true));
  // Another's now, and ours again: the engine's sum has the first all the while.
  book.assign({});
  book.assign({{share, set_of({1, 2})}, {{5, 1}, set_of({2})}});
  BOOST_TEST(book.weight(share, microbatch_id{1}) == 0);
  BOOST_TEST(book.weight(share, microbatch_id{2}) == 1);
  BOOST_TEST(book.computed(attempt, share, microbatch_id{2}, true));
  BOOST_TEST(admitted(book, 2, attempt, {5, 1}));
}

/// The first round of every step has the same number: a share of the last step's would stand in the
/// way of its namesake, and a few of them in the way of all.
BOOST_AUTO_TEST_CASE(the_same_round_of_the_next_step_ends_all_shares) {
  auto book = book_with({1, 4});
  BOOST_TEST(book.weight(share, microbatch_id{1}) == 1);
  const share_round next{step_id{8}, attempt.attempt};
  BOOST_TEST(!admitted(book, 1, next));
  book.begin(next);
  BOOST_TEST(book.size() == 0U);
  book.assign({{share, set_of({1, 2})}});
  BOOST_TEST(admitted(book, 2, next));
  BOOST_TEST(!admitted(book, 1, attempt));
  BOOST_TEST(book.weight(share, microbatch_id{1}) == 1);
  // The engine answers a request of the step before.
  BOOST_TEST(!book.computed(attempt, share, microbatch_id{1}, true));
  BOOST_TEST(!book.computed(next, share, microbatch_id{1}, true));
  BOOST_TEST((book.progress() == std::pair<size_t, size_t>{1, 2}));
}

BOOST_AUTO_TEST_CASE(another_attempt_ends_all_shares) {
  auto book = book_with({1});
  BOOST_TEST(book.weight(share, microbatch_id{1}) == 1);
  const share_round next{step_id{7}, {term_id{1}, round_id{3}}};
  book.begin(next);
  book.assign({{share, set_of({1})}});
  // The answer to the old request says nothing of the new share of the same name.
  BOOST_TEST(!book.computed(attempt, share, microbatch_id{1}, true));
  BOOST_TEST(book.weight(share, microbatch_id{1}) == 1);
  BOOST_TEST(book.computed(next, share, microbatch_id{1}, true));
}

BOOST_AUTO_TEST_CASE(shares_are_bounded) {
  share_book book;
  book.begin(attempt);
  std::map<share_key, microbatch_set> many;
  for (uint32_t i = 0; i < 3 * share_book::shares_max; ++i)
    many[{i, 0}] = set_of({static_cast<int64_t>(i)});
  book.assign(many);
  BOOST_TEST(book.size() == share_book::shares_max);
}

/// Whatever is repeated, fails or comes late: what the engine was told to add is the cut, once.
BOOST_AUTO_TEST_CASE(what_is_added_is_the_cut_once_in_any_order) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937 random{seed};
    auto book = book_with({0, 1, 2, 3, 4});
    std::vector<int> added(5, 0);
    std::vector<int64_t> at_engine;
    int completions = 0;
    for (int event = 0; event < 300; ++event) {
      const auto m = static_cast<int64_t>(random() % 5);
      if (random() % 2 == 0 || at_engine.empty()) {
        if (book.weight(share, microbatch_id{m}) == 1) at_engine.push_back(m);
      } else {
        const size_t which = random() % at_engine.size();
        const auto done = at_engine[which];
        at_engine.erase(at_engine.begin() + static_cast<long>(which));
        const bool counted = random() % 3 != 0;
        added[static_cast<size_t>(done)] += counted ? 1 : 0;
        completions += book.computed(attempt, share, microbatch_id{done}, counted) ? 1 : 0;
      }
    }
    BOOST_TEST(completions == 1);
    for (const int times : added)
      BOOST_TEST(times == 1);
  }
}
