#pragma once

#include <boost/test/unit_test.hpp>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "actors/stage/joiner.hpp"
#include "actors/telemetry/event.hpp"
#include "tests/actors/stage/donor_rig.hpp"

namespace swarm::testing {

using open_atom = caf::atom_constant<caf::atom("open")>;

inline constexpr uint64_t worker = 5;
inline constexpr uint64_t gate = 1;
inline constexpr uint64_t joining = 7;

/// One worker, and a joiner that knows of no other donor than a gate: that lets the worker's
/// answers through only as the test says. The test is the coordinator.
class follower_rig {
 public:
  explicit follower_rig(std::shared_ptr<stage::state_store> store = nullptr) {
    one = rig.spawn(worker, stage::start_mode::fresh, rig.whole_model());
    around_joiner_ = peer::spawn_directory(rig.system());
    rig.own(caf::actor_cast<caf::actor>(around_joiner_));
    spawn_gate();
    watcher_ = rig.system().spawn([this](caf::event_based_actor*) -> caf::behavior {
      return {[this](const telemetry::event& e) { events[e.name].push_back(e); },
              [this](const wire::roster_update& update) {
                for (const auto& m : update.changed) {
                  if (m.id.peer != peer_id{joining}) continue;
                  states.emplace_back(m.state, m.version);
                  // All others know of it.
                  caf::anon_send(rig.directory(), wire::announce_atom::value, m);
                }
              }};
    });
    rig.own(watcher_);
    caf::anon_send(around_joiner_, wire::subscribe_atom::value, watcher_);
    spawn_joiner(store);
    rig.run();
  }

  void spawn_joiner(const std::shared_ptr<stage::state_store>& store) {
    two = rig.spawn(joining, stage::start_mode::fetch, rig.whole_model(),
                    [&](stage::stage_worker_options& options) {
                      options.telemetry = watcher_;
                      options.store = store;
                      options.directory = around_joiner_;
                      options.chunk_bytes = two_elements;
                    });
  }

  /// Lets the gate answer `count` requests, those to come included.
  void open(size_t count) {
    open_later(count);
    rig.run();
  }

  /// The gate is gone.
  void close() {
    rig.kill(donor_);
    rig.run();
  }

  /// The same, without running anybody.
  void open_later(size_t count) {
    allowed_ += count;
    caf::anon_send(donor_, open_atom::value);
  }

  /// From here on what it lets through is of the time when it was asked for.
  void be_slow() { slow_ = true; }

  /// Sums and reduces a step; `with_joiner`: in the presence of the follower.
  outcome<wire::reduced> reduce(int64_t step, bool with_joiner = true, uint32_t round = 1) {
    const when w{step, round};
    rig.call<wire::loss_done>(one, loss_of(w, 0));
    BOOST_REQUIRE(rig.call<wire::holding>(one, gather_of(w)).value);
    const auto order = with_joiner ? reduce_of(w, {worker}, {joining}, 1) : reduce_of(w, {worker});
    const auto mine = rig.ask<wire::reduced>(one.worker, order);
    const auto its = with_joiner ? rig.ask<wire::reduced>(two.worker, order)
                                 : std::make_shared<outcome<wire::reduced>>();
    rig.run();
    BOOST_REQUIRE(mine->value);
    if (its->value)
      BOOST_TEST(its->value->read()->getHash().cStr() == mine->value->read()->getHash().cStr());
    return *its;
  }

  outcome<wire::committed> commit(int64_t step, bool with_joiner = true, uint32_t round = 1) {
    BOOST_REQUIRE(rig.call<wire::committed>(one, commit_of({step, round})).value);
    return with_joiner ? rig.call<wire::committed>(two, commit_of({step, round}))
                       : outcome<wire::committed>{};
  }

  std::pair<int64_t, std::vector<float>> weights(const crew& whose) {
    return snapshot(rig.call<wire::state_chunk>(whose, newest_state()));
  }

  /// Shards that have been asked for, repeats included.
  size_t asked() const { return asked_; }

  void joiner_has(int64_t version) {
    const auto [its_version, numbers] = weights(two);
    BOOST_TEST(its_version == version);
    BOOST_TEST(numbers == reference_weights(1, version), boost::test_tools::per_element());
  }

  std::map<std::string, std::vector<telemetry::event>> events;
  std::vector<std::pair<wire::member_state, int64_t>> states;  ///< the joiner's, announced

 private:
  struct question {
    wire::state_request request;
    caf::typed_response_promise<wire::state_chunk> reply;
    std::optional<wire::state_chunk> answer;
  };

  void spawn_gate() {
    donor_ = rig.system().spawn([this](caf::event_based_actor* self) -> caf::behavior {
      return {
          [=](const wire::state_request& m) {
            auto reply = self->make_response_promise<wire::state_chunk>();
            ++asked_;
            waiting_.push_back({m, reply, {}});
            if (slow_) {
              const auto i = waiting_.size() - 1;
              self->request(one.worker, caf::infinite, m).then([=](const wire::state_chunk& chunk) {
                waiting_.at(i).answer = chunk;
              });
            }
            flush(self);
            return reply;
          },
          [=](open_atom) { flush(self); }};
    });
    rig.own(donor_);
    wire::member member;
    member.id = {peer_id{gate}, incarnation_id{1}};
    member.state = wire::member_state::serving;
    member.handle = donor_;
    caf::anon_send(around_joiner_, wire::announce_atom::value, member);
    rig.run();
  }

  void flush(caf::event_based_actor* self) {
    while (allowed_ > 0 && !waiting_.empty()) {
      --allowed_;
      auto [request, reply, answer] = waiting_.front();
      waiting_.erase(waiting_.begin());
      if (answer) {
        reply.deliver(*answer);
      } else {
        reply.delegate(one.worker, request);
      }
    }
    static_cast<void>(self);
  }

  bool slow_ = false;
  size_t asked_ = 0;
  size_t allowed_ = 0;
  std::vector<question> waiting_;
  wire::directory_actor around_joiner_;
  caf::actor watcher_;
  caf::actor donor_;

 public:
  // Last, since its actors write to all of the above until it is gone.
  worker_rig rig{1};
  crew one;
  crew two;
};

inline constexpr size_t all_shards = 2;

}  // namespace swarm::testing
