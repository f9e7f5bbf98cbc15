#include "actors/stage/replies.hpp"

#include <boost/test/unit_test.hpp>

using namespace swarm;
using namespace swarm::stage;

// Under the address sanitizer a list that outlives its reader is found, too.
BOOST_AUTO_TEST_CASE(who_contributes_is_read_from_a_large_group) {
  constexpr uint32_t members = 400;
  wire::builder<schemas::Reduce> message;
  auto list = message->initMembers(members);
  const auto named = [](uint32_t i) { return worker_id{peer_id{i + 1}, incarnation_id{1}}; };
  for (uint32_t i = 0; i < members; ++i) {
    wire::to_wire(named(i), list[i].initWorker());
    list[i].setContributes(i % 3 != 0);
  }
  const auto order = message.finish();
  for (uint32_t i = 0; i < members; ++i)
    BOOST_TEST(contributes(named(i), order) == (i % 3 != 0));
  // Who is not named is taken for one that does.
  BOOST_TEST(contributes(named(members), order));
}
