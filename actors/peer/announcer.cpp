#include "actors/peer/announcer.hpp"

#include <caf/typed_event_based_actor.hpp>
#include <utility>

#include "actors/actor_body.hpp"
#include "actors/peer/gateway.hpp"

namespace swarm::peer {

namespace {

constexpr std::chrono::seconds ask_timeout{10};

/// A key of the DHT that belongs to the run.
dht::node_id key_for(const key_bytes& run, const char* purpose) {
  return dht::key_of(std::string{reinterpret_cast<const char*>(run.data()), run.size()} + purpose);
}

class announcer final : public actor_body<announcer_actor::base> {
 public:
  static constexpr const char* name = "announcer";

  announcer(pointer self, announcer_options options)
      : actor_body(self), options_(std::move(options)) {}

  behavior_type make_behavior() {
    on_tick();
    return {[this](tell_atom) { on_tick(); }, [this](publish_atom) { on_publish(); },
            [this](describe_atom) { return describe(); }};
  }

 private:
  void on_tick() {
    delayed_send(self(), options_.period, tell_atom::value);
    on_publish();
  }

  void on_publish() {
    put("description", options_.description ? options_.description() : std::string{});
    put("peers", options_.address);
    request(options_.dht, ask_timeout, dht::get_order{key_for(options_.run_key, "peers")})
        .then(
            [this](const dht::found_records& found) {
              for (const auto& r : found.records)
                send(options_.network, meet_atom::value, options_.id_of(r.owner), r.value);
            },
            [](const caf::error&) {
              // Nobody is there yet; the next period asks again.
            });
  }

  void put(const char* purpose, std::string value) {
    if (value.empty()) return;
    dht::put_order order;
    order.key = key_for(options_.run_key, purpose);
    order.value = std::move(value);
    order.lifetime = options_.lifetime;
    request(options_.dht, ask_timeout, std::move(order))
        .then([](uint32_t) {}, [](const caf::error&) {});
  }

  caf::result<std::vector<std::string>> describe() {
    auto promise = make_response_promise<std::vector<std::string>>();
    request(options_.dht, ask_timeout, dht::get_order{key_for(options_.run_key, "description")})
        .then(
            [promise](const dht::found_records& found) mutable {
              std::vector<std::string> values;
              for (const auto& r : found.records)
                if (values.size() < descriptions_max) values.push_back(r.value);
              promise.deliver(std::move(values));
            },
            [promise](caf::error& why) mutable { promise.deliver(std::move(why)); });
    return caf::delegated<std::vector<std::string>>{};
  }

  announcer_options options_;
};

class dht_dialer final : public actor_body<dht::dialer_actor::base> {
 public:
  static constexpr const char* name = "dht_dialer";

  dht_dialer(pointer self, network_actor network)
      : actor_body(self), network_(std::move(network)) {}

  behavior_type make_behavior() {
    return {[this](dht::dial_atom, const std::string& address) {
      return delegate(network_, connect_atom::value, address, dht_slot);
    }};
  }

 private:
  network_actor network_;
};

}  // namespace

announcer_actor spawn_announcer(caf::actor_system& system, announcer_options options) {
  return system.spawn<embodied<announcer>>(std::move(options));
}

dht::dialer_actor spawn_dht_dialer(caf::actor_system& system, const network_actor& network) {
  return system.spawn<embodied<dht_dialer>>(network);
}

}  // namespace swarm::peer
