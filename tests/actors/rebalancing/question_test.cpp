#include "actors/rebalancing/question.hpp"

#include <boost/test/unit_test.hpp>

using namespace swarm;
using swarm::rebalancing::question;

namespace {

worker_id peer(uint64_t id) {
  return {peer_id{id}, incarnation_id{1}};
}

}  // namespace

BOOST_AUTO_TEST_CASE(an_answer_counts_once_and_only_for_its_own_question) {
  question q;
  BOOST_TEST(!q.answered(0));
  const auto first = q.ask(peer(1), step_id{7});
  BOOST_TEST(q.open());
  BOOST_TEST(!q.answered(first + 1));
  BOOST_TEST(q.answered(first));
  BOOST_TEST(!q.open());
  BOOST_TEST(!q.answered(first));
  const auto second = q.ask(peer(1), step_id{7});
  BOOST_TEST(!q.answered(first));
  BOOST_TEST(q.answered(second));
}

BOOST_AUTO_TEST_CASE(the_table) {
  struct row {
    const char* what;
    std::optional<worker_id> leader;
    int64_t version;
    bool open;
  };
  for (const auto& r :
       {row{"the step lasts", peer(1), 7, true}, row{"the step is over", peer(1), 8, true},
        row{"a second one is over", peer(1), 9, false},
        row{"the leader went back", peer(1), 3, true}, row{"nobody leads", std::nullopt, 0, false},
        row{"another leads", peer(2), 7, false},
        row{"another life leads", worker_id{peer_id{1}, incarnation_id{2}}, 7, false}}) {
    question q;
    q.observe(r.leader, step_id{r.version});
    BOOST_TEST(!q.open(), r.what);
    const auto serial = q.ask(peer(1), step_id{7});
    q.observe(r.leader, step_id{r.version});
    BOOST_TEST(q.open() == r.open, r.what);
    BOOST_TEST(q.answered(serial) == r.open, r.what);
  }
}
