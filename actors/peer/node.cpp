#include "actors/peer/node.hpp"

#include <caf/all.hpp>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <utility>

#include "actors/dht/dht_node.hpp"
#include "actors/identity/keys.hpp"
#include "actors/peer/announcer.hpp"
#include "actors/peer/directory.hpp"
#include "actors/peer/status_actor.hpp"

namespace swarm::peer {

using supervision::child_spec;
using supervision::children_view;

namespace {

constexpr std::chrono::seconds ask_timeout{10};

node_services services_of(const children_view& view) {
  return {view.get<wire::directory_actor>("directory"), view.get("telemetry"),
          view.get<network_actor>("network")};
}

}  // namespace

/// What the factories share across restarts of what they make.
struct node::shared {
  explicit shared(node_options given) : options(std::move(given)) {}

  /// Of the network that runs now.
  std::mutex mutex;
  node_options options;
  network running;

  std::variant<network, std::string> open(caf::actor_system& system, const node_services& use) {
    const std::lock_guard<std::mutex> guard{mutex};
    auto mine = options.network;
    if (!mine.self.sign) {
      mine.self.sign = [seed = options.key_seed](const std::string& text) {
        return std::string{
            identity::view(identity::key_pair::from_seed(seed).sign(life_domain, text))};
      };
    }
    mine.directory = use.directory;
    mine.telemetry = use.telemetry;
    auto opened = open_network(system, std::move(mine));
    if (auto* made = std::get_if<network>(&opened)) {
      running = *made;
      // A restarted one keeps its address.
      if (!options.network.endpoint.bind.empty()) options.network.endpoint.bind = made->address;
    }
    return opened;
  }

  network now() {
    const std::lock_guard<std::mutex> guard{mutex};
    return running;
  }

  std::string signed_description() {
    const std::lock_guard<std::mutex> guard{mutex};
    return options.description;
  }

  /// Whoever holds a handle keeps an actor's memory.
  void forget() {
    network over;
    const std::lock_guard<std::mutex> guard{mutex};
    std::swap(over, running);
  }
};

namespace {

child_spec spec(std::string id, supervision::child_factory make) {
  child_spec result;
  result.id = std::move(id);
  result.factory = std::move(make);
  return result;
}

/// Nobody is sent to one who only looks on.
std::string reached_at(const network& net, const node_options& options) {
  const auto& self = options.network.self;
  if (self.observer) return "";
  return self.announce.empty() ? net.address : self.announce;
}

caf::actor make_dht_node(caf::actor_system& system, const dht::dialer_actor& dial,
                         const network& net, const node_options& options) {
  dht::node_options node;
  node.key = std::make_shared<const dht::signing_key>(options.key_seed);
  node.address = reached_at(net, options);
  node.dial = dial;
  node.wall_clock = options.clock;
  node.seed =
      options.network.self.life ^ options.network.self.id_of(options.network.self.key).value();
  node.bootstrap = options.network.neighbours.seeds;
  auto made = caf::actor_cast<caf::actor>(dht::spawn_dht_node(system, std::move(node)));
  net.handles->serve(dht_slot, made);
  return made;
}

caf::actor make_status(caf::actor_system& system, const node_services& use,
                       const dht::dht_actor& dht, const network& net, const node_options& options) {
  const auto& self = options.network.self;
  status_options status;
  status.id = self.id_of(self.key);
  status.life = self.life;
  status.announce = self.announce.empty() ? net.address : self.announce;
  status.agent = self.agent;
  status.kernels = self.kernels;
  status.directory = use.directory;
  status.telemetry = use.telemetry;
  status.neighbours = use.network;
  status.dht = dht;
  status.counted = net.counted;
  status.description_hash = [door = net.door] { return door->description_hash(); };
  status.unix_ms = options.clock;
  auto made = caf::actor_cast<caf::actor>(spawn_status(system, std::move(status)));
  net.handles->serve(status_slot, made);
  return made;
}

}  // namespace

std::variant<std::unique_ptr<node>, std::string> node::start(caf::actor_system& system,
                                                             node_options options) {
  auto state = std::make_shared<shared>(std::move(options));
  // The first failure is the caller's to hear; later ones are the supervisor's to mend.
  auto first_failure = std::make_shared<std::string>();
  std::vector<child_spec> children;
  children.push_back(spec("directory", [](caf::event_based_actor* self, const children_view&) {
    return caf::actor_cast<caf::actor>(spawn_directory(self->system()));
  }));
  children.push_back(spec("telemetry", [state](caf::event_based_actor* self, const children_view&) {
    return telemetry::spawn_telemetry(self->system(), state->options.telemetry);
  }));
  children.push_back(
      spec("network", [state, first_failure](caf::event_based_actor* self, const children_view& v) {
        auto opened = state->open(self->system(), services_of(v));
        if (auto* why = std::get_if<std::string>(&opened)) {
          *first_failure = *why;
          throw std::runtime_error(*why);
        }
        return caf::actor_cast<caf::actor>(std::get<network>(opened).actor);
      }));
  children.push_back(spec("dht_dialer", [](caf::event_based_actor* self, const children_view& v) {
    return caf::actor_cast<caf::actor>(spawn_dht_dialer(self->system(), services_of(v).network));
  }));
  children.push_back(
      spec("dht_node", [state](caf::event_based_actor* self, const children_view& v) {
        return make_dht_node(self->system(), v.get<dht::dialer_actor>("dht_dialer"), state->now(),
                             state->options);
      }));
  children.push_back(
      spec("announcer", [state](caf::event_based_actor* self, const children_view& v) {
        announcer_options announcer;
        announcer.dht = v.get<dht::dht_actor>("dht_node");
        announcer.network = services_of(v).network;
        announcer.run_key = state->options.network.self.run_key;
        announcer.address = reached_at(state->now(), state->options);
        announcer.description = [state] { return state->signed_description(); };
        announcer.id_of = state->options.network.self.id_of;
        return caf::actor_cast<caf::actor>(spawn_announcer(self->system(), std::move(announcer)));
      }));
  children.push_back(spec("status", [state](caf::event_based_actor* self, const children_view& v) {
    return make_status(self->system(), services_of(v), v.get<dht::dht_actor>("dht_node"),
                       state->now(), state->options);
  }));
  supervision::supervisor_options root;
  root.name = "node";
  root.policy = state->options.restart;
  root.policy.strategy = supervision::restart_strategy::rest_for_one;
  auto handle = supervision::spawn_supervisor(system, std::move(root), std::move(children));
  std::unique_ptr<node> made{new node{system, state, std::move(handle)}};
  if (!made->services().network) {
    made->stop(ask_timeout);
    return first_failure->empty() ? std::string{"the network did not start"} : *first_failure;
  }
  made->address_ = state->now().address;
  return made;
}

node::node(caf::actor_system& system, std::shared_ptr<shared> state, caf::actor root)
    : system_(system), self_(system), shared_(std::move(state)), root_(std::move(root)) {}

node::~node() {
  stop(ask_timeout);
}

node_services node::services() {
  node_services result;
  self_->request(root_, ask_timeout, supervision::children_atom::value)
      .receive(
          [&](const supervision::children_status& children) {
            for (const auto& child : children) {
              if (!child.handle) continue;
              if (child.id == "directory")
                result.directory = caf::actor_cast<wire::directory_actor>(child.handle);
              if (child.id == "telemetry") result.telemetry = child.handle;
              if (child.id == "network")
                result.network = caf::actor_cast<network_actor>(child.handle);
            }
          },
          [](const caf::error&) {});
  return result;
}

caf::expected<caf::actor> node::add(const std::string& id, peer_factory make) {
  auto added =
      spec(id, [make = std::move(make)](caf::event_based_actor* self, const children_view& view) {
        return make(self->system(), services_of(view));
      });
  // A peer is a supervisor itself.
  added.shutdown_timeout = supervision::no_shutdown_limit;
  caf::expected<caf::actor> result{caf::sec::request_receiver_down};
  self_->request(root_, ask_timeout, supervision::add_atom::value, std::move(added))
      .receive([&](const caf::actor& made) { result = made; },
               [&](caf::error& why) { result = std::move(why); });
  return result;
}

std::vector<wire::member> node::members() {
  std::vector<wire::member> result;
  const auto use = services();
  if (!use.directory) return result;
  // A fresh mailbox, so that later updates do not pile up in ours.
  caf::scoped_actor visitor{system_};
  visitor->send(use.directory, wire::subscribe_atom::value, caf::actor{visitor});
  visitor->receive([&](wire::roster_update& update) { result = std::move(update.changed); },
                   caf::after(ask_timeout) >> [] {});
  return result;
}

std::vector<neighbour_status> node::neighbours() {
  std::vector<neighbour_status> result;
  const auto use = services();
  if (!use.network) return result;
  self_->request(use.network, ask_timeout, neighbours_atom::value)
      .receive([&](std::vector<neighbour_status>& known) { result = std::move(known); },
               [](const caf::error&) {});
  return result;
}

caf::actor node::child(const std::string& id) {
  caf::actor found;
  self_->request(root_, ask_timeout, supervision::children_atom::value)
      .receive(
          [&](const supervision::children_status& children) {
            for (const auto& c : children)
              if (c.id == id) found = c.handle;
          },
          [](const caf::error&) {});
  return found;
}

caf::expected<wire::status> node::ask_status(peer_id whose, uint32_t events) {
  caf::expected<wire::status> result{caf::sec::request_receiver_down};
  const auto use = services();
  if (!use.network) return result;
  caf::actor far;
  self_->request(use.network, ask_timeout, connect_atom::value, whose, status_slot)
      .receive([&](const caf::actor& handle) { far = handle; },
               [&](caf::error& why) { result = std::move(why); });
  if (!far) return result;
  wire::builder<schemas::StatusRequest> question;
  question->setEvents(events);
  self_->request(far, ask_timeout, question.finish())
      .receive([&](const wire::status& answer) { result = answer; },
               [&](caf::error& why) { result = std::move(why); });
  return result;
}

caf::expected<peer_id> node::probe_from(peer_id whose, const std::string& address) {
  caf::expected<peer_id> result{caf::sec::request_receiver_down};
  const auto use = services();
  if (!use.network) return result;
  caf::actor far;
  self_->request(use.network, ask_timeout, connect_atom::value, whose, status_slot)
      .receive([&](const caf::actor& handle) { far = handle; },
               [&](caf::error& why) { result = std::move(why); });
  if (!far) return result;
  wire::builder<schemas::ProbeRequest> question;
  question->setAddress(address);
  self_->request(far, ask_timeout, question.finish())
      .receive([&](const wire::probe_done& answer) { result = peer_id{answer.read()->getPeer()}; },
               [&](caf::error& why) { result = std::move(why); });
  return result;
}

std::vector<std::string> node::descriptions() {
  std::vector<std::string> result;
  const auto announcer = caf::actor_cast<announcer_actor>(child("announcer"));
  if (!announcer) return result;
  self_->request(announcer, ask_timeout, describe_atom::value)
      .receive([&](std::vector<std::string>& found) { result = std::move(found); },
               [](const caf::error&) {});
  return result;
}

void node::learn_description(const std::string& hash, const std::string& signed_bytes) {
  {
    const std::lock_guard<std::mutex> guard{shared_->mutex};
    shared_->options.network.description_hash = hash;
    shared_->options.description = signed_bytes;
  }
  const auto net = shared_->now();
  if (net.door) net.door->learn_description(hash);
  const auto announcer = caf::actor_cast<announcer_actor>(child("announcer"));
  if (announcer) self_->send(announcer, publish_atom::value);
}

bool node::stop(std::chrono::milliseconds patience) {
  if (!root_) return true;
  self_->monitor(root_);
  self_->send_exit(root_, caf::exit_reason::user_shutdown);
  bool polite = true;
  self_->receive([](const caf::down_msg&) {}, caf::after(patience) >>
                                                  [&] {
                                                    polite = false;
                                                    self_->send_exit(root_, caf::exit_reason::kill);
                                                    self_->receive([](const caf::down_msg&) {});
                                                  });
  root_ = caf::actor{};
  shared_->forget();
  return polite;
}

}  // namespace swarm::peer
