#include "actors/peer/status_actor.hpp"

#include <algorithm>
#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <utility>
#include <vector>

#include "actors/actor_body.hpp"
#include "actors/peer/roster_message.hpp"
#include "actors/peer/status_board.hpp"
#include "actors/telemetry/telemetry.hpp"

namespace swarm::peer {

namespace {

constexpr std::chrono::seconds neighbours_timeout{2};
constexpr std::chrono::seconds probe_timeout{8};

class status_body final : public actor_body<status_actor::base> {
 public:
  static constexpr const char* name = "status";

  status_body(pointer self, status_options options)
      : actor_body(self), options_(std::move(options)) {}

  behavior_type make_behavior() {
    started_ = now();
    const auto self = caf::actor_cast<caf::actor>(ctrl());
    send(options_.directory, wire::subscribe_atom::value, self);
    if (options_.telemetry)
      caf::anon_send(options_.telemetry, telemetry::subscribe_atom::value, self);
    return {[this](const wire::status_request& m) { return on_request(m); },
            [this](const wire::probe_request& m) { return on_probe(m); },
            [this](const telemetry::event& e) { board_.on_event(e, now()); },
            [this](const wire::roster_update& update) { board_.on_roster(update); }};
  }

 private:
  caf::result<wire::status> on_request(const wire::status_request& m) {
    if (m.fault()) return make_error(*m.fault());
    const size_t events = std::min<size_t>(m.read()->getEvents(), status_events_max);
    auto promise = make_response_promise<wire::status>();
    request(options_.neighbours, neighbours_timeout, neighbours_atom::value)
        .then(
            [this, promise, events](const std::vector<neighbour_status>& known) mutable {
              ask_contacts(known, events, promise);
            },
            [promise](caf::error& why) mutable { promise.deliver(std::move(why)); });
    return caf::delegated<wire::status>{};
  }

  void ask_contacts(const std::vector<neighbour_status>& known, size_t events,
                    caf::typed_response_promise<wire::status> promise) {
    if (!options_.dht) {
      promise.deliver(answer(known, events, 0));
      return;
    }
    request(options_.dht, neighbours_timeout, dht::status_atom::value)
        .then(
            [this, known, events, promise](const dht::node_status& table) mutable {
              promise.deliver(answer(known, events, static_cast<uint32_t>(table.contacts)));
            },
            [this, known, events, promise](const caf::error&) mutable {
              promise.deliver(answer(known, events, 0));
            });
  }

  caf::result<wire::probe_done> on_probe(const wire::probe_request& m) {
    if (m.fault()) return make_error(*m.fault());
    const std::string address = m.read()->getAddress().cStr();
    auto promise = make_response_promise<wire::probe_done>();
    request(options_.neighbours, probe_timeout, probe_atom::value, address)
        .then(
            [promise](peer_id who) mutable {
              wire::builder<schemas::ProbeDone> done;
              done->setPeer(who.value());
              promise.deliver(done.finish());
            },
            [promise](caf::error& why) mutable { promise.deliver(std::move(why)); });
    return caf::delegated<wire::probe_done>{};
  }

  wire::status answer(const std::vector<neighbour_status>& known, size_t events,
                      uint32_t contacts) {
    wire::builder<schemas::Status> out;
    out->setPeer(options_.id.value());
    out->setLife(options_.life);
    out->setAnnounce(options_.announce);
    out->setAgent(options_.agent);
    out->setUpMs(std::chrono::duration_cast<std::chrono::milliseconds>(now() - started_).count());
    if (options_.description_hash) out->setDescriptionHash(options_.description_hash());
    if (options_.unix_ms) out->setUnixMs(options_.unix_ms());
    out->setKernels(options_.kernels);
    out->setContacts(contacts);
    auto members = out->initMembers(static_cast<unsigned>(board_.members().size()));
    unsigned i = 0;
    for (const auto& [id, m] : board_.members())
      write_member(members[i++], m);
    auto others = out->initNeighbours(static_cast<unsigned>(known.size()));
    for (i = 0; i < known.size(); ++i) {
      others[i].setPeer(known[i].peer.value());
      others[i].setAnnounce(known[i].announce);
    }
    write_events(*out, events);
    write_traffic(*out);
    if (const auto progress = board_.progress()) {
      auto training = out->initTraining();
      training.setStep(progress->step);
      training.setLoss(progress->loss);
      training.setTokensPerSecond(progress->tokens_per_s);
      training.setLearningRate(progress->learning_rate);
      training.setTerm(progress->term);
    }
    return out.finish();
  }

  void write_events(schemas::Status::Builder out, size_t most) {
    const auto& all = board_.events();
    const size_t count = std::min(most, all.size());
    auto events = out.initEvents(static_cast<unsigned>(count));
    for (size_t i = 0; i < count; ++i) {
      const auto& e = all[all.size() - count + i];
      const auto ago = std::chrono::duration_cast<std::chrono::milliseconds>(now() - e.when);
      events[static_cast<unsigned>(i)].setAgoMs(ago.count());
      events[static_cast<unsigned>(i)].setText(e.text);
    }
  }

  void write_traffic(schemas::Status::Builder out) {
    if (!options_.counted) return;
    const auto counted = options_.counted();
    auto traffic = out.initTraffic();
    traffic.setControlBytesSent(counted.sent.control_bytes);
    traffic.setControlBytesReceived(counted.received.control_bytes);
    traffic.setBulkBytesSent(counted.sent.bulk_bytes);
    traffic.setBulkBytesReceived(counted.received.bulk_bytes);
    traffic.setOverheadBytesSent(counted.sent.overhead_bytes);
    traffic.setOverheadBytesReceived(counted.received.overhead_bytes);
  }

  status_options options_;
  status_board board_;
  status_board::moment started_{0};
};

}  // namespace

status_actor spawn_status(caf::actor_system& system, status_options options) {
  return system.spawn<embodied<status_body>>(std::move(options));
}

}  // namespace swarm::peer
