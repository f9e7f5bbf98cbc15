#include "actors/peer/directory.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/all.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <map>
#include <memory>
#include <vector>

namespace {

using namespace swarm;
using boost::test_tools::per_element;

struct virtual_time : caf::actor_system_config {
  virtual_time() { set("scheduler.policy", caf::atom("testing")); }
};

/// What a subscriber has heard.
struct hearsay {
  std::map<worker_id, wire::member> members;
  std::vector<worker_id> gone;
  int updates = 0;

  std::vector<uint64_t> peers() const {
    std::vector<uint64_t> result;
    for (const auto& [id, m] : members)
      result.push_back(id.peer.value());
    return result;
  }
};

class rig {
 public:
  rig()
      : system_(config_),
        scheduler_(dynamic_cast<caf::scheduler::test_coordinator&>(system_.scheduler())),
        directory_(peer::spawn_directory(system_)) {}

  ~rig() {
    for (const auto& who : everybody_)
      caf::anon_send_exit(caf::actor_cast<caf::actor>(who), caf::exit_reason::kill);
    caf::anon_send_exit(directory_, caf::exit_reason::kill);
    scheduler_.run();
  }

  caf::actor somebody() {
    auto made =
        system_.spawn([](caf::event_based_actor*) -> caf::behavior { return {[](int) {}}; });
    everybody_.push_back(made.address());
    return made;
  }

  caf::actor listener(std::shared_ptr<hearsay> heard) {
    auto made = system_.spawn([heard](caf::event_based_actor*) -> caf::behavior {
      return {[heard](const wire::roster_update& update) {
        ++heard->updates;
        for (const auto& id : update.gone) {
          heard->members.erase(id);
          heard->gone.push_back(id);
        }
        for (const auto& m : update.changed)
          heard->members[m.id] = m;
      }};
    });
    everybody_.push_back(made.address());
    return made;
  }

  std::shared_ptr<hearsay> subscribed() {
    auto heard = std::make_shared<hearsay>();
    subscribe(listener(heard));
    return heard;
  }

  void subscribe(const caf::actor& who) {
    caf::anon_send(directory_, wire::subscribe_atom::value, who);
    scheduler_.run();
  }

  void announce(uint64_t peer, const caf::actor& who,
                wire::member_state state = wire::member_state::serving) {
    wire::member m;
    m.id = id(peer);
    m.state = state;
    m.handle = who;
    caf::anon_send(directory_, wire::announce_atom::value, m);
    scheduler_.run();
  }

  void withdraw(uint64_t peer) {
    caf::anon_send(directory_, wire::withdraw_atom::value, id(peer));
    scheduler_.run();
  }

  void kill(const caf::actor& who) {
    caf::anon_send_exit(who, caf::exit_reason::kill);
    scheduler_.run();
  }

  static worker_id id(uint64_t peer) { return {peer_id{peer}, incarnation_id{1}}; }

 private:
  virtual_time config_;
  caf::actor_system system_;
  caf::scheduler::test_coordinator& scheduler_;
  wire::directory_actor directory_;
  std::vector<caf::actor_addr> everybody_;
};

using peers = std::vector<uint64_t>;

}  // namespace

BOOST_AUTO_TEST_CASE(a_subscriber_hears_everything_once_and_then_the_changes) {
  rig r;
  r.announce(1, r.somebody());
  r.announce(2, r.somebody());
  const auto heard = r.subscribed();
  BOOST_TEST(heard->peers() == (peers{1, 2}), per_element());
  BOOST_TEST(heard->updates == 1);
  r.announce(3, r.somebody());
  r.withdraw(1);
  r.withdraw(1);
  BOOST_TEST(heard->peers() == (peers{2, 3}), per_element());
  BOOST_TEST(heard->updates == 3);
}

BOOST_AUTO_TEST_CASE(announcing_again_replaces_the_record) {
  rig r;
  const auto heard = r.subscribed();
  const auto before = r.somebody();
  const auto after = r.somebody();
  r.announce(1, before, wire::member_state::joining);
  r.announce(1, after);
  BOOST_TEST((heard->members.at(rig::id(1)).state == wire::member_state::serving));
  BOOST_TEST((heard->members.at(rig::id(1)).handle == after));
  // The end of the replaced actor is no news.
  r.kill(before);
  BOOST_TEST(heard->peers() == peers{1}, per_element());
  r.kill(after);
  BOOST_TEST(heard->peers().empty());
}

BOOST_AUTO_TEST_CASE(a_death_is_told_once_to_everybody) {
  rig r;
  const auto one = r.subscribed();
  const auto two = r.subscribed();
  const auto worker = r.somebody();
  for (auto state : {wire::member_state::joining, wire::member_state::serving,
                     wire::member_state::joining, wire::member_state::serving})
    r.announce(7, worker, state);
  r.announce(8, worker);
  r.kill(worker);
  for (const auto& heard : {one, two}) {
    BOOST_TEST(heard->members.empty());
    BOOST_TEST(heard->gone.size() == 2U);
    BOOST_TEST(heard->updates == 1 + 5 + 1);
  }
}

BOOST_AUTO_TEST_CASE(the_dead_cannot_be_announced_for_long) {
  rig r;
  const auto heard = r.subscribed();
  const auto worker = r.somebody();
  r.kill(worker);
  r.announce(1, worker);
  BOOST_TEST(heard->members.empty());
  BOOST_TEST(r.subscribed()->members.empty());
}

BOOST_AUTO_TEST_CASE(an_announcement_without_a_handle_is_dropped) {
  rig r;
  const auto heard = r.subscribed();
  r.announce(1, {});
  r.subscribe({});
  BOOST_TEST(heard->members.empty());
}

BOOST_AUTO_TEST_CASE(a_subscriber_that_died_is_forgotten_and_may_be_a_member_too) {
  rig r;
  const auto heard = std::make_shared<hearsay>();
  const auto both = r.listener(heard);
  r.announce(1, both);
  r.subscribe(both);
  const auto other = r.subscribed();
  r.kill(both);
  r.announce(2, r.somebody());
  BOOST_TEST(heard->peers() == peers{1}, per_element());
  BOOST_TEST(other->peers() == peers{2}, per_element());
}

BOOST_AUTO_TEST_CASE(more_members_than_the_limit_are_not_taken) {
  rig r;
  const auto worker = r.somebody();
  for (uint64_t peer = 0; peer < swarm::peer::members_max; ++peer)
    r.announce(peer, worker);
  r.announce(swarm::peer::members_max, worker);
  r.announce(0, worker, wire::member_state::joining);
  const auto heard = r.subscribed();
  BOOST_TEST(heard->members.size() == swarm::peer::members_max);
  BOOST_TEST((heard->members.at(rig::id(0)).state == wire::member_state::joining));
}
