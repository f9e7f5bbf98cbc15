#include "actors/training/office.hpp"

#include <boost/test/unit_test.hpp>
#include <map>
#include <set>
#include <utility>

using namespace swarm;
using namespace swarm::training;

namespace {

using step = std::pair<duty, office_event>;

/// All that is not here changes nothing.
const std::map<step, duty>& table() {
  using e = office_event;
  static const std::map<step, duty> rows{
      {{duty::standing_by, e::appointed}, duty::leading},
      {{duty::standing_by, e::leader_silent}, duty::asking},
      {{duty::asking, e::elected}, duty::taking_over},
      {{duty::asking, e::denied}, duty::standing_by},
      {{duty::taking_over, e::level}, duty::leading},
      {{duty::taking_over, e::unfinished}, duty::finishing},
      {{duty::taking_over, e::unready}, duty::waiting},
      {{duty::finishing, e::finished}, duty::taking_over},
      {{duty::finishing, e::patience_over}, duty::taking_over},
      {{duty::waiting, e::newcomer}, duty::taking_over},
      {{duty::waiting, e::patience_over}, duty::taking_over},
      {{duty::waiting, e::stage_lost}, duty::taking_stock},
      {{duty::leading, e::overtaken}, duty::taking_over},
      {{duty::leading, e::stage_lost}, duty::taking_stock},
      {{duty::taking_stock, e::can_restore}, duty::restoring},
      {{duty::taking_stock, e::can_move}, duty::moving},
      {{duty::taking_stock, e::cannot}, duty::waiting},
      {{duty::moving, e::moved}, duty::taking_stock},
      {{duty::moving, e::patience_over}, duty::taking_stock},
      {{duty::restoring, e::restored}, duty::taking_over},
  };
  return rows;
}

const worker_id one{peer_id{1}, incarnation_id{1}};
const worker_id other{peer_id{2}, incarnation_id{1}};

}  // namespace

BOOST_AUTO_TEST_CASE(every_event_in_every_duty) {
  for (size_t d = 0; d < duties; ++d) {
    for (size_t e = 0; e < office_events; ++e) {
      const auto from = static_cast<duty>(d);
      const auto what = static_cast<office_event>(e);
      const auto found = table().find({from, what});
      std::optional<duty> expected;
      if (found != table().end()) expected = found->second;
      if (what == office_event::deposed && from != duty::standing_by) expected = duty::standing_by;
      BOOST_TEST((office::after(from, what) == expected),
                 "event " << e << " while " << to_string(from));
    }
  }
}

BOOST_AUTO_TEST_CASE(every_duty_can_be_reached_and_left) {
  std::set<duty> reached{duty::standing_by};
  std::set<duty> left;
  for (const auto& [from, to] : table()) {
    reached.insert(to);
    left.insert(from.first);
  }
  BOOST_TEST(reached.size() == duties);
  BOOST_TEST(left.size() == duties);
}

BOOST_AUTO_TEST_CASE(whoever_has_no_term_of_its_own_is_not_in_office) {
  office arbiter;
  BOOST_TEST(!arbiter.in_office());
  arbiter.on(office_event::leader_silent);
  BOOST_TEST(!arbiter.in_office());
  arbiter.on(office_event::elected);
  BOOST_TEST(arbiter.in_office());
  arbiter.on(office_event::deposed);
  BOOST_TEST(!arbiter.in_office());
}

BOOST_AUTO_TEST_CASE(an_answer_to_a_question_of_an_earlier_duty_is_late) {
  office arbiter;
  arbiter.on(office_event::leader_silent);
  arbiter.expect(one);
  arbiter.expect(other);
  const auto asked = arbiter.generation();
  BOOST_TEST(arbiter.settled(one, asked));
  BOOST_TEST(!arbiter.settled(one, asked));
  BOOST_TEST(!arbiter.all_settled());
  arbiter.on(office_event::elected);
  BOOST_TEST(arbiter.all_settled());
  arbiter.expect(other);
  BOOST_TEST(!arbiter.settled(other, asked));
  BOOST_TEST(arbiter.expects(other));
  BOOST_TEST(arbiter.settled(other, arbiter.generation()));
}

BOOST_AUTO_TEST_CASE(an_event_that_means_nothing_keeps_those_who_are_waited_for) {
  office arbiter;
  arbiter.on(office_event::leader_silent);
  arbiter.expect(one);
  BOOST_TEST(!arbiter.on(office_event::restored));
  BOOST_TEST(arbiter.expects(one));
}
