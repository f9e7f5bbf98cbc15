#include "actors/training/replica_hashes.hpp"

#include <boost/test/unit_test.hpp>

using namespace swarm;
using namespace swarm::training;

namespace {

constexpr stage_id stage{1};

worker_id worker(uint64_t n) {
  return {peer_id{n}, incarnation_id{1}};
}

replica_hashes of(uint64_t count) {
  replica_hashes hashes;
  hashes.begin();
  for (uint64_t n = 1; n <= count; ++n)
    hashes.asked(worker(n), stage);
  return hashes;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_first_answer_is_not_the_truth) {
  auto hashes = of(3);
  hashes.said(worker(3), "bad");
  BOOST_TEST(hashes.take_diverged().empty());
  hashes.said(worker(1), "good");
  BOOST_TEST(hashes.take_diverged().empty());
  hashes.said(worker(2), "good");
  BOOST_TEST((hashes.take_diverged() == std::vector<worker_id>{worker(3)}));
  // Once.
  BOOST_TEST(hashes.take_diverged().empty());
}

BOOST_AUTO_TEST_CASE(a_majority_of_those_who_were_asked_decides_before_all_have_answered) {
  auto hashes = of(5);
  hashes.said(worker(5), "bad");
  hashes.said(worker(1), "good");
  hashes.said(worker(2), "good");
  BOOST_TEST(hashes.take_diverged().empty());
  hashes.said(worker(3), "good");
  BOOST_TEST((hashes.take_diverged() == std::vector<worker_id>{worker(5)}));
  hashes.said(worker(4), "also bad");
  BOOST_TEST((hashes.take_diverged() == std::vector<worker_id>{worker(4)}));
}

BOOST_AUTO_TEST_CASE(who_does_not_answer_does_not_keep_the_others_from_a_decision) {
  auto hashes = of(4);
  hashes.said(worker(4), "bad");
  hashes.said(worker(1), "good");
  hashes.said(worker(2), "good");
  BOOST_TEST(hashes.take_diverged().empty());
  hashes.silent(worker(3));
  BOOST_TEST((hashes.take_diverged() == std::vector<worker_id>{worker(4)}));
}

BOOST_AUTO_TEST_CASE(of_two_that_differ_one_goes_on_whichever_was_first) {
  for (const bool swapped : {false, true}) {
    auto hashes = of(2);
    hashes.said(worker(swapped ? 2 : 1), swapped ? "b" : "a");
    hashes.said(worker(swapped ? 1 : 2), swapped ? "a" : "b");
    BOOST_TEST((hashes.take_diverged() == std::vector<worker_id>{worker(2)}));
  }
}

BOOST_AUTO_TEST_CASE(what_is_decided_stays_for_who_comes_later) {
  auto hashes = of(1);
  hashes.said(worker(1), "a");
  BOOST_TEST(hashes.take_diverged().empty());
  for (const uint64_t late : {2, 3, 4}) {
    hashes.asked(worker(late), stage);
    hashes.said(worker(late), "b");
    BOOST_TEST((hashes.take_diverged() == std::vector<worker_id>{worker(late)}));
  }
  hashes.begin();
  BOOST_TEST(hashes.take_diverged().empty());
}

BOOST_AUTO_TEST_CASE(stages_have_hashes_of_their_own) {
  replica_hashes hashes;
  hashes.begin();
  hashes.asked(worker(1), stage_id{0});
  hashes.asked(worker(2), stage_id{1});
  hashes.said(worker(1), "a");
  hashes.said(worker(2), "b");
  BOOST_TEST(hashes.take_diverged().empty());
}
