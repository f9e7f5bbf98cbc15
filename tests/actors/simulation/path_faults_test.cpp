#include "actors/simulation/path_faults.hpp"

#include <boost/test/unit_test.hpp>

namespace {

using namespace swarm;
using namespace swarm::simulation;
using namespace std::chrono_literals;
using faults::fault_class;

struct three_hosts {
  three_hosts() {
    for (int i = 0; i < 3; ++i)
      net.add_host(w.add_host());
  }

  faults::planned_fault fault(fault_class kind) const {
    faults::planned_fault result;
    result.kind = kind;
    result.subjects = {0};
    result.others = {1, 2};
    return result;
  }

  static path_conditions slow_path() {
    path_conditions p;
    p.latency = 5s;
    return p;
  }

  bool up(uint32_t from, uint32_t to) const { return net.connected(host_id{from}, host_id{to}); }

  world w{1};
  virtual_network net{w, 1};
  path_faults paths{net, {host_id{1}, host_id{2}, host_id{3}}, slow_path()};
};

}  // namespace

BOOST_AUTO_TEST_CASE(partitions_begin_and_end) {
  three_hosts t;
  for (const auto kind : {fault_class::partition, fault_class::flapping_partition}) {
    const auto f = t.fault(kind);
    for (int flap = 0; flap < 2; ++flap) {
      BOOST_TEST(t.paths.apply(0, f, true));
      BOOST_TEST(!t.up(1, 2));
      BOOST_TEST(!t.up(3, 1));
      BOOST_TEST(t.up(2, 3));
      BOOST_TEST(t.paths.apply(0, f, false));
      BOOST_TEST(t.up(1, 2));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_one_way_partition_hurts_what_its_subjects_say) {
  three_hosts t;
  t.paths.apply(0, t.fault(fault_class::one_way_partition), true);
  BOOST_TEST(!t.up(1, 2));
  BOOST_TEST(t.up(2, 1));
}

BOOST_AUTO_TEST_CASE(faults_on_one_path_may_overlap) {
  three_hosts t;
  const auto f = t.fault(fault_class::half_open);
  t.paths.apply(0, f, true);
  t.paths.apply(1, f, true);
  BOOST_TEST(!t.up(1, 3));
  BOOST_TEST(t.up(3, 1));
  t.paths.apply(0, f, false);
  BOOST_TEST(!t.up(1, 3));
  t.paths.apply(1, f, false);
  BOOST_TEST(t.up(1, 3));
  // Ends without a beginning.
  t.paths.apply(2, f, false);
  BOOST_TEST(t.up(1, 3));
}

BOOST_AUTO_TEST_CASE(a_clogged_path_is_slow_one_way) {
  three_hosts t;
  const auto f = t.fault(fault_class::clogged_path);
  t.paths.apply(0, f, true);
  BOOST_TEST((t.net.model().latency(host_id{1}, host_id{2}) == 5s));
  BOOST_TEST((t.net.model().latency(host_id{2}, host_id{1}) == 0s));
  t.paths.apply(0, f, false);
  BOOST_TEST((t.net.model().latency(host_id{1}, host_id{2}) == 0s));
}

BOOST_AUTO_TEST_CASE(faults_of_peers_are_left_to_others) {
  three_hosts t;
  BOOST_TEST(!t.paths.apply(0, t.fault(fault_class::kill), true));
  BOOST_TEST(!t.paths.apply(0, t.fault(fault_class::slow), true));
}
