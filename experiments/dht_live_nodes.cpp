#include "experiments/dht_live_nodes.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <caf/actor_system_config.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <chrono>
#include <utility>
#include <vector>

#include "actors/peer/announcer.hpp"
#include "actors/peer/directory.hpp"
#include "actors/peer/network.hpp"
#include "experiments/stopwatch.hpp"

namespace swarm::experiments {

namespace {

using namespace std::chrono_literals;

constexpr int64_t unix_ms_at_start = 1'700'000'000'000;
constexpr auto call_timeout = 30s;
constexpr auto join_timeout = 60s;
constexpr auto meet_timeout = 60s;
constexpr auto meet_check_every = 200ms;
constexpr auto record_lifetime = 1h;
/// Thousands of connections in one process: their upkeep is not what is measured.
constexpr std::chrono::milliseconds heartbeat{10'000};
constexpr std::chrono::milliseconds check_interval{500};

/// Both ends of every connection are in this process; the usual limit is 1,024.
void allow_many_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// For expiry only; all nodes are in this process.
int64_t unix_ms() {
  static const stopwatch watch;
  return unix_ms_at_start + static_cast<int64_t>(watch.seconds() * 1'000);
}

struct live_config : caf::actor_system_config {
  live_config() {
    wire::add_message_types(*this);
    // Idle threads of CAF's default policy look for work every now and then; these are woken.
    set("scheduler.policy", caf::atom("sharing"));
  }
};

peer_id id_of(const peer::key_bytes& key) {
  uint64_t id = 0;
  for (size_t i = 0; i < 8; ++i)
    id = id << 8 | key[i];
  return peer_id{(id >> 1) | 1};
}

}  // namespace

struct live_nodes::parts {
  live_config config;
  caf::actor_system system{config};
  std::vector<std::string> addresses;
  std::vector<dht::dht_actor> nodes;
  std::vector<peer::network> networks;
  std::vector<caf::actor> others;

  ~parts() {
    for (const auto& node : nodes)
      caf::anon_send_exit(node, caf::exit_reason::kill);
    for (const auto& actor : others)
      caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
  }

  std::string add(const live_nodes_options& options) {
    const auto n = nodes.size();
    dht::node_options made;
    made.key = std::make_shared<const dht::signing_key>(dht::signing_key::generate());
    made.wall_clock = unix_ms;
    made.seed = options.seed * 1'000 + n;
    made.replicas = made.store_quorum = options.copies;
    peer::network_options net;
    net.endpoint.bind = "127.0.0.1:0";
    net.endpoint.heartbeat_interval = heartbeat;
    net.endpoint.silence_timeout = 4 * heartbeat;
    net.self.key = made.key->open_half();
    net.self.life = n + 1;
    net.self.id_of = id_of;
    net.directory = peer::spawn_directory(system);
    net.clock = unix_ms;
    net.check_interval = check_interval;
    if (n > 0) net.neighbours.seeds.push_back(addresses[n / 2]);
    others.push_back(caf::actor_cast<caf::actor>(net.directory));
    auto opened = peer::open_network(system, std::move(net));
    if (auto* sentence = std::get_if<std::string>(&opened)) return std::move(*sentence);
    const auto& line = networks.emplace_back(std::move(std::get<peer::network>(opened)));
    others.push_back(caf::actor_cast<caf::actor>(line.actor));
    made.address = line.address;
    made.dial = peer::spawn_dht_dialer(system, line.actor);
    others.push_back(caf::actor_cast<caf::actor>(made.dial));
    addresses.push_back(line.address);
    nodes.push_back(dht::spawn_dht_node(system, std::move(made)));
    line.handles->serve(peer::dht_slot, caf::actor_cast<caf::actor>(nodes.back()));
    return {};
  }

  /// Until the network actors have connected everybody to everybody.
  bool meet() {
    caf::scoped_actor self{system};
    const stopwatch watch;
    while (watch.seconds() < std::chrono::duration<double>(meet_timeout).count()) {
      const bool whole = std::all_of(networks.begin(), networks.end(), [&](const auto& line) {
        size_t known = 0;
        self->request(line.actor, join_timeout, peer::neighbours_atom::value)
            .receive([&](const std::vector<peer::neighbour_status>& all) { known = all.size(); },
                     [](const caf::error&) {});
        return known + 1 == networks.size();
      });
      if (whole) return true;
      bool over = false;
      self->delayed_send(self, meet_check_every, peer::check_atom::value);
      self->receive_while([&] { return !over; })([&](peer::check_atom) { over = true; });
    }
    return false;
  }

  bool join() {
    caf::scoped_actor self{system};
    bool fine = true;
    for (size_t n = 1; n < nodes.size(); ++n)
      self->request(nodes[n], join_timeout, dht::join_atom::value,
                    std::vector<std::string>{addresses[n / 2]})
          .receive([](uint32_t) {}, [&](const caf::error&) { fine = false; });
    return fine;
  }
};

live_nodes::live_nodes(std::unique_ptr<parts> made) : parts_(std::move(made)) {}

live_nodes::~live_nodes() = default;

std::variant<std::unique_ptr<live_nodes>, std::string> live_nodes::start(
    const live_nodes_options& options) {
  allow_many_files();
  auto made = std::make_unique<parts>();
  for (size_t n = 0; n < options.nodes; ++n)
    if (auto sentence = made->add(options); !sentence.empty()) return sentence;
  if (!made->meet()) return "the nodes did not all connect to each other within a minute";
  if (!made->join()) return "the nodes did not all join each other within a minute";
  return std::unique_ptr<live_nodes>{new live_nodes{std::move(made)}};
}

std::optional<double> live_nodes::put(size_t node, const std::string& name,
                                      const std::string& value) {
  caf::scoped_actor self{parts_->system};
  const dht::put_order order{dht::key_of(name), "", value, record_lifetime};
  bool stored = false;
  const stopwatch watch;
  self->request(parts_->nodes[node], call_timeout, order)
      .receive([&](uint32_t) { stored = true; }, [](const caf::error&) {});
  const auto seconds = watch.seconds();
  return stored ? std::optional{seconds} : std::nullopt;
}

std::optional<double> live_nodes::get(size_t node, const std::string& name, dht::read_mode mode) {
  caf::scoped_actor self{parts_->system};
  const dht::get_order order{dht::key_of(name), mode};
  bool found = false;
  const stopwatch watch;
  self->request(parts_->nodes[node], call_timeout, order)
      .receive([&](const dht::found_records& all) { found = all.records.size() == 1; },
               [](const caf::error&) {});
  const auto seconds = watch.seconds();
  return found ? std::optional{seconds} : std::nullopt;
}

}  // namespace swarm::experiments
