#pragma once

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "actors/stage/state_transfer.hpp"
#include "tests/actors/stage/worker_rig.hpp"

/// Donors that a test plays itself, and what the tests of joiners ask and do.
namespace swarm::testing {

/// What everybody says of itself now.
inline std::map<worker_id, wire::member_state> member_states(worker_rig& rig) {
  auto seen = std::make_shared<std::map<worker_id, wire::member_state>>();
  const auto listener = rig.system().spawn([seen](caf::event_based_actor*) -> caf::behavior {
    return {[seen](const wire::roster_update& update) {
      for (const auto& m : update.changed)
        (*seen)[m.id] = m.state;
    }};
  });
  rig.own(listener);
  caf::anon_send(rig.directory(), wire::subscribe_atom::value, caf::actor{listener});
  rig.run();
  return *seen;
}

inline std::vector<worker_id> serving_workers(worker_rig& rig) {
  std::vector<worker_id> result;
  for (const auto& [id, state] : member_states(rig))
    if (state == wire::member_state::serving) result.push_back(id);
  return result;
}

/// What a donor of the tests answers to its n-th request, or nothing.
using donor_script =
    std::function<std::optional<wire::state_chunk>(int n, schemas::StateRequest::Reader)>;

/// Three rows of four floats.
struct toy_state {
  std::vector<float> values = {7, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  int64_t version = 5;
  uint64_t history = 0;

  wire::state_chunk chunk(schemas::StateRequest::Reader asked, bool sound = true) const {
    return chunk(asked.getFirstElement(), asked.getElements(), sound);
  }

  wire::state_chunk chunk(uint64_t first, uint64_t count, bool sound = true) const {
    auto copy = values;
    const auto state = tensors::host_tensor::adopt(std::move(copy), {3, 4});
    const auto shard = stage::shard_of(state, first, count).value();
    wire::builder<schemas::StateChunk> message;
    message->setVersion(version);
    message->setHistory(history);
    message->setTotalElements(4);
    message->setFirstElement(first);
    message->setChecksum(stage::state_checksum(shard.data(), shard.bytes()) + (sound ? 0 : 1));
    message->setBytes({shard.as<kj::byte>(), shard.bytes()});
    return message.finish();
  }
};

/// Has the above of version 5; silent from the `answers`-th request on.
struct noting_donor {
  std::vector<uint64_t> asked;  ///< first elements
  size_t answers = ~size_t{0};
  toy_state state;

  donor_script script() {
    return [this](int, schemas::StateRequest::Reader m) -> std::optional<wire::state_chunk> {
      asked.push_back(m.getFirstElement());
      if (asked.size() > answers) return std::nullopt;
      return state.chunk(m);
    };
  }
};

/// Shards of two elements: two of them are a toy stage.
constexpr uint64_t two_elements = 24;

inline std::vector<uint64_t> sorted(std::vector<uint64_t> asked) {
  std::sort(asked.begin(), asked.end());
  return asked;
}

inline void pass_slowly(worker_rig& rig, std::chrono::milliseconds time) {
  constexpr std::chrono::milliseconds step{100};
  for (; time.count() > 0; time -= step)
    rig.pass(step);
}

inline caf::actor play_donor(worker_rig& rig, donor_script script) {
  auto count = std::make_shared<int>(0);
  const auto donor = rig.system().spawn([=](caf::event_based_actor* self) -> caf::behavior {
    return {[=](const wire::state_request& m) {
      auto reply = self->make_response_promise<wire::state_chunk>();
      if (auto chunk = script((*count)++, *m.read())) reply.deliver(*chunk);
      return reply;
    }};
  });
  rig.own(donor);
  return donor;
}

/// A worker of stage 0 that serves.
inline caf::actor spawn_donor(worker_rig& rig, uint64_t peer, donor_script script) {
  const auto donor = play_donor(rig, std::move(script));
  wire::member member;
  member.id = {peer_id{peer}, incarnation_id{1}};
  member.state = wire::member_state::serving;
  member.handle = donor;
  caf::anon_send(rig.directory(), wire::announce_atom::value, member);
  rig.run();
  return donor;
}

/// The replicator of a worker of stage 1.
inline caf::actor spawn_holder(worker_rig& rig, uint64_t peer, donor_script script) {
  const auto replicator = play_donor(rig, std::move(script));
  wire::member member;
  member.id = {peer_id{peer}, incarnation_id{1}};
  member.stage = stage_id{1};
  member.state = wire::member_state::serving;
  member.handle = replicator;
  member.replicator = replicator;
  caf::anon_send(rig.directory(), wire::announce_atom::value, member);
  rig.run();
  return replicator;
}

/// The state's first weight, or -1 when the worker does not serve.
inline float first_weight(worker_rig& rig, const crew& one) {
  const auto [version, weights] = snapshot(rig.call<wire::state_chunk>(one, newest_state()));
  return version < 0 ? -1 : weights.at(0);
}

inline void commit_step(worker_rig& rig, const crew& one, int64_t step) {
  BOOST_REQUIRE(rig.call<wire::loss_done>(one, loss_of({step}, 0)).value);
  BOOST_REQUIRE(rig.call<wire::holding>(one, gather_of({step})).value);
  BOOST_REQUIRE(rig.call<wire::reduced>(one, reduce_of({step}, {1})).value);
  BOOST_REQUIRE(rig.call<wire::committed>(one, commit_of({step})).value);
}

/// The whole step, its microbatch 0 only; `keep`: the commit has a copy of the state left.
inline void commit_step(worker_rig& rig, const crew& one, const when& w, double scale, bool keep) {
  BOOST_REQUIRE(rig.call<wire::loss_done>(one, loss_of(w, 0)).value);
  BOOST_REQUIRE(rig.call<wire::holding>(one, gather_of(w)).value);
  BOOST_REQUIRE(rig.call<wire::reduced>(one, reduce_of(w, {1}, {}, 1)).value);
  BOOST_REQUIRE(rig.call<wire::committed>(one, commit_of(w.term, w, scale, 1, keep)).value);
}

/// The request for elements from `first` on of `version` (-1: the newest).
inline wire::state_request state_of(int64_t version, uint64_t first = 0, uint32_t count = 1'000) {
  wire::builder<schemas::StateRequest> message;
  message->setVersion(version);
  message->setFirstElement(first);
  message->setElements(count);
  return message.finish();
}

/// The first row of a whole state.
inline std::vector<float> weights_in(const tensors::host_tensor& state) {
  return {state.as<float>(), state.as<float>() + state.elements() / 3};
}

}  // namespace swarm::testing
