// One process of //experiments:detection: tells whom it sees come and go, and when. Not a program
// for people.

#include <caf/all.hpp>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <variant>

#include "actors/identity/certificate.hpp"
#include "actors/peer/node.hpp"
#include "actors/supervision/supervisor.hpp"
#include "actors/telemetry/event.hpp"
#include "actors/wire/messages.hpp"
#include "experiments/detection_relay.hpp"
#include "experiments/stopwatch.hpp"
#include "tools/options/option_table.hpp"
#include "tools/processes/state_folder.hpp"

namespace {

using namespace swarm;
using namespace std::chrono_literals;

constexpr int64_t numbers_max = 64;
constexpr uint8_t run_number = 255;
constexpr int64_t validity_s = 24 * 3600;

struct member_options {
  int64_t number = 1;
  std::string bind;
  std::string announce;
  std::string join;
  std::chrono::milliseconds heartbeat_interval = 75ms;
  std::chrono::milliseconds silence_timeout = 300ms;
  int64_t relay_port = 0;
  int64_t relay_to = 0;
};

/// Everybody knows everybody's key here.
identity::key_pair key_of(uint8_t number) {
  identity::key_seed seed{};
  seed[0] = number;
  return identity::key_pair::from_seed(seed);
}

transport::tls_options certificates(const identity::key_pair& own) {
  const auto run = key_of(run_number);
  const auto now_s = tools::unix_now_ms() / 1000;
  const auto authority = identity::make_authority(run, "detection", now_s, validity_s);
  const auto mine = identity::make_certificate(run, authority, own.key(), now_s, validity_s);
  return {identity::certificate_pem(authority), identity::certificate_pem(mine),
          identity::private_key_pem(own.seed())};
}

peer::node_options node_options_of(const member_options& options) {
  const auto own = key_of(static_cast<uint8_t>(options.number));
  peer::node_options result;
  auto& net = result.network;
  net.endpoint.bind = options.bind;
  net.endpoint.tls = certificates(own);
  net.endpoint.heartbeat_interval = options.heartbeat_interval;
  net.endpoint.silence_timeout = options.silence_timeout;
  net.self.run_key = key_of(run_number).key();
  net.self.key = own.key();
  net.self.announce = options.announce;
  net.self.agent = "member";
  net.self.life = static_cast<uint64_t>(tools::unix_now_ms());
  net.self.id_of = &identity::peer_id_of;
  if (!options.join.empty()) net.neighbours.seeds = {options.join};
  net.neighbours.retry.max = 500ms;
  net.clock = &tools::unix_now_ms;
  result.key_seed = own.seed();
  result.clock = &tools::unix_now_ms;
  return result;
}

struct with_types : caf::actor_system_config {
  with_types() {
    set("scheduler.policy", caf::atom("sharing"));
    set("scheduler.max-threads", 2U);
    wire::add_message_types(*this);
    supervision::add_supervision_message_types(*this);
    telemetry::add_telemetry_message_types(*this);
  }
};

/// Puts one worker into the directory, so that there is somebody to be withdrawn.
void add_worker(peer::node& home, const member_options& options) {
  wire::member mine;
  mine.id = {identity::peer_id_of(key_of(static_cast<uint8_t>(options.number)).key()),
             incarnation_id{static_cast<uint32_t>(tools::unix_now_ms())}};
  mine.state = wire::member_state::serving;
  home.add("worker", [mine](caf::actor_system& system, const peer::node_services& use) {
    auto told = mine;
    told.handle = system.spawn([] { return caf::behavior{[](caf::unit_t) {}}; });
    caf::anon_send(use.directory, wire::announce_atom::value, told);
    return told.handle;
  });
}

int tell(const member_options& options) {
  with_types config;
  caf::actor_system system{config};
  auto started = peer::node::start(system, node_options_of(options));
  if (const auto* why = std::get_if<std::string>(&started)) {
    std::printf("failed: %s\n", why->c_str());
    return tools::exit_failure;
  }
  auto& node = *std::get<std::unique_ptr<peer::node>>(started);
  std::map<peer_id, int64_t> numbers;
  for (int64_t i = 0; i < numbers_max; ++i)
    numbers[identity::peer_id_of(key_of(static_cast<uint8_t>(i)).key())] = i;
  add_worker(node, options);
  caf::scoped_actor self{system};
  self->send(node.services().directory, wire::subscribe_atom::value, caf::actor{self});
  std::printf("at %s\n", node.address().c_str());
  // It is killed: that is what it is for.
  while (true) {
    self->receive([&](const wire::roster_update& update) {
      const double now = experiments::machine_seconds();
      for (const auto& id : update.gone)
        std::printf("gone %lld %.6f\n", static_cast<long long>(numbers[id.peer]), now);
      for (const auto& m : update.changed)
        std::printf("there %lld %.6f\n", static_cast<long long>(numbers[m.id.peer]), now);
    });
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  member_options options;
  tools::option_table table{"detection_member", "One process of //experiments:detection."};
  table.add(options.number, "number", "Which one it is.", "", 1, numbers_max - 1)
      .add(options.bind, "bind", "Where it listens; empty: it only dials.", "address")
      .add(options.announce, "announce", "Where others find it, if elsewhere.", "address")
      .add(options.join, "join", "Whom it dials first.", "address")
      .add(options.heartbeat_interval, "heartbeat-interval", "Time between signs of life.", 1ms, 1h)
      .add(options.silence_timeout, "silence-timeout", "Silence that ends a connection.", 1ms, 1h)
      .add(options.relay_port, "relay-port", "Is a relay at this port instead.", "", 0, 65'535)
      .add(options.relay_to, "relay-to", "Of a relay: the port behind it.", "", 0, 65'535);
  return tools::run_main(argc, argv, table, [&] {
    if (options.relay_port == 0) return tell(options);
    const auto why = experiments::relay(static_cast<int>(options.relay_port),
                                        static_cast<int>(options.relay_to));
    std::printf("failed: %s\n", why.c_str());
    return tools::exit_failure;
  });
}
