#include "experiments/dht_simulation.hpp"

#include <caf/sec.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <deque>

#include "actors/actor_body.hpp"

namespace swarm::experiments {

namespace {

constexpr int64_t unix_ms_at_start = 1'700'000'000'000;

using give_up_atom = caf::atom_constant<caf::atom("give_up")>;
using full_dialer = dht::dialer_actor::extend<caf::reacts_to<give_up_atom>>;

/// Finds a handle, or fails after a while.
class dialer final : public actor_body<full_dialer::base> {
 public:
  using finder = std::function<caf::actor(const std::string&)>;

  static constexpr const char* name = "dialer";

  dialer(pointer self, finder find, std::chrono::milliseconds patience)
      : actor_body(self), find_(std::move(find)), patience_(patience) {}

  behavior_type make_behavior() {
    return {[this](dht::dial_atom, const std::string& address) {
              auto reply = make_response_promise<promise>();
              if (auto found = find_(address)) return reply.deliver(found);
              failing_.push_back(reply);
              delayed_send(self(), patience_, give_up_atom::value);
              return reply;
            },
            [this](give_up_atom) {
              failing_.front().deliver(caf::make_error(caf::sec::cannot_connect_to_node));
              failing_.pop_front();
            }};
  }

 private:
  using promise = caf::typed_response_promise<caf::actor>;

  finder find_;
  std::chrono::milliseconds patience_;
  std::deque<promise> failing_;
};

}  // namespace

dht_simulation::dht_simulation(dht_simulation_options options)
    : options_(std::move(options)),
      world_(options_.seed, wire::add_message_types),
      network_(world_, options_.seed + 1),
      random_(options_.seed + 2) {
  network_.model().set_default(options_.path);
}

dht_simulation::~dht_simulation() {
  hosts_.clear();
}

int64_t dht_simulation::unix_ms() {
  return unix_ms_at_start +
         std::chrono::duration_cast<std::chrono::milliseconds>(world_.now()).count();
}

dht::signing_key dht_simulation::key_of(size_t node) {
  std::array<uint8_t, dht::seed_bytes> seed{};
  splitmix64 random{node + 1};
  for (auto& byte : seed)
    byte = static_cast<uint8_t>(random.next());
  return dht::signing_key{seed};
}

size_t dht_simulation::add_node(const std::vector<size_t>& bootstrap, bool dials_only) {
  const auto node = hosts_.size();
  machine added;
  added.where = world_.add_host();
  added.dials_only = dials_only;
  network_.add_host(added.where);
  hosts_.push_back(added);
  if (!dials_only) by_address_[address_of(node)] = node;
  start(node, bootstrap);
  return node;
}

size_t dht_simulation::add_impostor(const std::function<caf::actor(caf::actor_system&)>& spawn) {
  const auto node = hosts_.size();
  machine added;
  added.where = world_.add_host();
  network_.add_host(added.where);
  added.target = world_.in_host(added.where, [&] { return spawn(world_.system()); });
  hosts_.push_back(added);
  by_address_[address_of(node)] = node;
  return node;
}

void dht_simulation::start(size_t node, const std::vector<size_t>& bootstrap) {
  dht::node_options made;
  made.key = std::make_shared<const dht::signing_key>(key_of(node));
  if (!hosts_[node].dials_only) made.address = address_of(node);
  made.wall_clock = [this] { return unix_ms(); };
  made.seed = options_.seed * 1'000'003 + node;
  for (const auto other : bootstrap)
    made.bootstrap.push_back(address_of(other));
  if (options_.tune) options_.tune(node, made);
  auto& host = hosts_[node];
  world_.in_host(host.where, [&] {
    made.dial = spawn_dialer(node);
    host.node = dht::spawn_dht_node(world_.system(), std::move(made));
    return 0;
  });
  host.target = caf::actor_cast<caf::actor>(host.node);
}

dht::dialer_actor dht_simulation::spawn_dialer(size_t node) {
  const auto find = [this, from = hosts_[node].where](const std::string& address) -> caf::actor {
    const auto found = by_address_.find(address);
    if (found == by_address_.end()) return {};
    const auto& far = hosts_[found->second];
    if (!far.target) return {};
    return network_.connect(from, far.where, far.target);
  };
  return world_.system().spawn<embodied<dialer>>(find, options_.dial_failure);
}

void dht_simulation::grow(size_t count, std::chrono::milliseconds step) {
  for (size_t i = 0; i < count; ++i) {
    std::vector<size_t> bootstrap;
    if (!hosts_.empty()) bootstrap.push_back(random_.below(hosts_.size()));
    add_node(bootstrap);
    world_.run_for(step);
  }
}

void dht_simulation::kill(size_t node) {
  hosts_[node].node = nullptr;
  hosts_[node].target = nullptr;
  world_.kill(hosts_[node].where);
}

void dht_simulation::restart(size_t node, const std::vector<size_t>& bootstrap) {
  start(node, bootstrap);
}

pending_ptr<uint32_t> dht_simulation::put(size_t node, dht::put_order order) {
  return request<uint32_t>(node, order);
}

pending_ptr<dht::found_records> dht_simulation::get(size_t node, dht::get_order order) {
  return request<dht::found_records>(node, order);
}

pending_ptr<uint32_t> dht_simulation::join(size_t node, const std::vector<std::string>& addresses) {
  return request<uint32_t>(node, dht::join_atom::value, addresses);
}

dht::node_status dht_simulation::status(size_t node) {
  const auto answer = request<dht::node_status>(node, dht::status_atom::value);
  return wait(answer) ? *answer->value : dht::node_status{};
}

}  // namespace swarm::experiments
