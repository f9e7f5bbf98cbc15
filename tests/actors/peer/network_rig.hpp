#pragma once

#include <caf/all.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "actors/identity/certificate.hpp"
#include "actors/identity/keys.hpp"
#include "actors/peer/directory.hpp"
#include "actors/peer/network.hpp"
#include "actors/telemetry/event.hpp"

/// Networks of several processes in one: an actor system each, real sockets on loopback.
namespace swarm::peer::testing {

/// Nothing here takes a tenth of it on an idle machine.
inline constexpr std::chrono::seconds patience{20};

inline identity::key_pair key_of(uint8_t number) {
  identity::key_seed seed{};
  seed[0] = number;
  return identity::key_pair::from_seed(seed);
}

inline identity::key_pair run_key() {
  return key_of(250);
}

/// What peer `number` says in its greeting, and where it listens.
inline network_options options_of(uint8_t number, std::vector<std::string> seeds = {}) {
  network_options result;
  result.endpoint.bind = "127.0.0.1:0";
  result.endpoint.heartbeat_interval = std::chrono::milliseconds{50};
  // A busy machine must not look like a dead peer.
  result.endpoint.silence_timeout = std::chrono::seconds{10};
  result.self.run_key = run_key().key();
  result.self.key = key_of(number).key();
  result.self.id_of = &identity::peer_id_of;
  result.self.agent = "test";
  result.self.sign = [number](const std::string& text) {
    return std::string{identity::view(key_of(number).sign(life_domain, text))};
  };
  result.rival_patience = std::chrono::milliseconds{300};
  result.neighbours.seeds = std::move(seeds);
  result.neighbours.retry = {std::chrono::milliseconds{20}, std::chrono::milliseconds{200}};
  result.neighbours.courtesy = std::chrono::milliseconds{20};
  result.check_interval = std::chrono::milliseconds{5};
  return result;
}

inline peer_id id_of(uint8_t number) {
  return identity::peer_id_of(key_of(number).key());
}

inline transport::tls_options tls_of(uint8_t number) {
  constexpr int64_t now_s = 1'800'000'000;
  constexpr int64_t valid_s = int64_t{20} * 365 * 24 * 3600;
  // Valid whenever the test runs.
  const auto since = now_s - valid_s;
  const auto authority = identity::make_authority(run_key(), "test", since, 2 * valid_s);
  const auto own = key_of(number);
  const auto certificate =
      identity::make_certificate(run_key(), authority, own.key(), since, 2 * valid_s);
  return {identity::certificate_pem(authority), identity::certificate_pem(certificate),
          identity::private_key_pem(own.seed())};
}

/// One process' directory and network, and what they say.
class place {
 public:
  explicit place(network_options options)
      : system_(config_), self_(system_), directory_(spawn_directory(system_)) {
    self_->send(directory_, wire::subscribe_atom::value, caf::actor{self_});
    options.directory = directory_;
    options.telemetry = caf::actor{self_};
    id_ = options.self.id_of(options.self.key);
    auto opened = open_network(system_, std::move(options));
    if (const auto* why = std::get_if<std::string>(&opened)) throw std::runtime_error{*why};
    net_ = std::move(std::get<network>(opened));
  }

  ~place() {
    leave();
    end_worker();
    self_->send_exit(directory_, caf::exit_reason::user_shutdown);
  }

  /// Ends its network, with all connections.
  void leave() {
    if (!net_.actor) return;
    self_->send_exit(net_.actor, caf::exit_reason::user_shutdown);
    self_->wait_for(net_.actor);
    net_ = network{};
  }

  /// A worker that answers a Gather of step s with a Holding of step s + 1.
  void add_worker(uint32_t incarnation = 1) {
    worker_ = system_.spawn([](caf::event_based_actor*) -> caf::behavior {
      return {[](const wire::gather& m) {
        wire::builder<schemas::Holding> answer;
        answer->setStep(m.read()->getStep() + 1);
        return answer.finish();
      }};
    });
    wire::member m;
    m.id = {id_, incarnation_id{incarnation}};
    m.state = wire::member_state::serving;
    m.handle = worker_;
    self_->send(directory_, wire::announce_atom::value, m);
  }

  void end_worker() {
    if (worker_) self_->send_exit(worker_, caf::exit_reason::user_shutdown);
    worker_ = caf::actor{};
  }

  /// Takes in what the directory and the network said, waiting so long for the first.
  void pump(std::chrono::milliseconds wait) {
    bool more = true;
    while (more) {
      self_->receive(
          [&](const wire::roster_update& update) {
            for (const auto& gone : update.gone)
              members_.erase(gone);
            for (const auto& m : update.changed)
              members_[m.id] = m;
          },
          [&](const telemetry::event& e) { events_.push_back(e); },
          [&](const caf::down_msg& down) { ended_.push_back(down.source); },
          caf::after(wait) >> [&] { more = false; });
      wait = std::chrono::milliseconds{0};
    }
  }

  std::optional<wire::member> member_of(peer_id who) const {
    for (const auto& [id, m] : members_)
      if (id.peer == who) return m;
    return std::nullopt;
  }

  /// The worker of that peer is known and answers.
  bool reaches(peer_id who) {
    const auto known = member_of(who);
    if (!known) return false;
    wire::builder<schemas::Gather> question;
    question->setStep(41);
    bool answered = false;
    self_->request(known->handle, patience, question.finish())
        .receive([&](const wire::holding& m) { answered = m.read()->getStep() == 42; },
                 [](const caf::error&) {});
    return answered;
  }

  void watch(const caf::actor& handle) { self_->monitor(handle); }
  bool has_ended(const caf::actor& handle) const {
    for (const auto& a : ended_)
      if (a == handle.address()) return true;
    return false;
  }

  std::vector<neighbour_status> neighbours() {
    std::vector<neighbour_status> result;
    self_->request(net_.actor, patience, neighbours_atom::value)
        .receive([&](std::vector<neighbour_status>& known) { result = std::move(known); },
                 [](const caf::error&) {});
    return result;
  }
  bool is_neighbour(peer_id who) {
    for (const auto& n : neighbours())
      if (n.peer == who) return true;
    return false;
  }

  caf::expected<peer_id> probe(const std::string& address) {
    caf::expected<peer_id> result{caf::sec::request_timeout};
    self_->request(net_.actor, patience, probe_atom::value, address)
        .receive([&](peer_id who) { result = who; }, [&](caf::error& why) { result = why; });
    return result;
  }

  /// As somebody who heard of that peer.
  void meet(const place& other) {
    self_->send(net_.actor, meet_atom::value, other.id_, other.net_.address);
  }

  /// The texts of all events of this name so far.
  std::vector<std::string> told(const std::string& name) const {
    std::vector<std::string> result;
    for (const auto& e : events_) {
      if (e.name != name) continue;
      const auto* text = telemetry::find(e, "text");
      result.push_back(text == nullptr ? "" : std::get<std::string>(*text));
    }
    return result;
  }

  transport::counters counted() const { return net_.counted(); }
  const std::string& address() const { return net_.address; }
  peer_id id() const { return id_; }
  auto now() { return self_->clock().now(); }

 private:
  struct with_types : caf::actor_system_config {
    with_types() {
      set("scheduler.policy", caf::atom("sharing"));
      set("scheduler.max-threads", 1U);
      wire::add_message_types(*this);
      telemetry::add_telemetry_message_types(*this);
    }
  } config_;
  caf::actor_system system_;
  caf::scoped_actor self_;
  wire::directory_actor directory_;
  caf::actor worker_;
  network net_;
  peer_id id_;
  std::map<worker_id, wire::member> members_;
  std::vector<telemetry::event> events_;
  std::vector<caf::actor_addr> ended_;
};

/// Takes in what all of them say until the condition holds; false when it does not in time.
inline bool eventually(std::vector<place*> places, const std::function<bool()>& condition) {
  constexpr std::chrono::milliseconds listen{5};
  const auto deadline = places.front()->now() + patience;
  while (true) {
    for (auto* p : places)
      p->pump(std::chrono::milliseconds{0});
    if (condition()) return true;
    if (places.front()->now() > deadline) return false;
    places.front()->pump(listen);
  }
}

}  // namespace swarm::peer::testing
