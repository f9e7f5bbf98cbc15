#include "tools/swarm/session.hpp"

#include <algorithm>
#include <caf/all.hpp>
#include <utility>

#include "actors/identity/certificate.hpp"
#include "actors/peer/clock_watch.hpp"
#include "actors/peer/embedded_swarm.hpp"
#include "actors/peer/status_actor.hpp"
#include "actors/telemetry/log.hpp"
#include "actors/telemetry/telemetry.hpp"
#include "tools/report/user_path.hpp"
#include "tools/run/run_files.hpp"
#include "tools/swarm/addresses.hpp"

namespace swarm::tools {

namespace {

constexpr std::chrono::seconds ask_timeout{5};
constexpr std::chrono::milliseconds look_again{200};
constexpr std::chrono::milliseconds reason_wait{2'000};

/// Others miss a dead life of this peer within their silence timeout, which is like ours.
constexpr int rival_patience_timeouts = 3;
constexpr std::chrono::milliseconds rival_patience_min{4'000};

std::vector<std::string> seeds_of(const network_options& options, const identity::join_token& token,
                                  const state_folder& folder) {
  auto seeds = split_addresses(options.join);
  seeds.insert(seeds.end(), token.addresses.begin(), token.addresses.end());
  const auto known = folder.addresses();
  seeds.insert(seeds.end(), known.begin(), known.end());
  return seeds;
}

}  // namespace

session::config::config() {
  // Work stealing polls, and every poll takes time from the compute threads.
  set("scheduler.policy", caf::atom("sharing"));
  set("scheduler.max-threads", 2U);
  peer::add_message_types(*this);
}

session::session(identity::join_token token, state_folder folder, uint64_t life)
    : token_(std::move(token)),
      folder_(std::move(folder)),
      life_(life),
      id_(identity::peer_id_of(token_.peer.key())),
      system_(config_),
      self_(system_),
      alarms_(now()) {}

session::~session() {
  node_.reset();
}

std::variant<std::unique_ptr<session>, std::string> session::open(const network_options& options,
                                                                  const role& what) {
  const auto now = unix_now_ms();
  auto token = load_token(options.token, now);
  if (const auto* why = std::get_if<std::string>(&token)) return "--token: " + *why;
  auto folder = state_folder::open(what.observer ? "" : user_path(options.state_dir));
  if (const auto* why = std::get_if<std::string>(&folder)) return "--state-dir: " + *why;
  auto& kept = std::get<state_folder>(folder);
  const auto life = kept.next_life(now);
  std::unique_ptr<session> made{
      new session{std::move(std::get<identity::join_token>(token)), std::move(kept), life}};
  if (auto why = made->start(options, what)) return std::move(*why);
  return made;
}

std::optional<std::string> session::start(const network_options& options, const role& what) {
  peer::node_options node;
  auto& net = node.network;
  if (!what.description_file.empty()) {
    auto loaded = load_description(what.description_file, token_.run_key);
    if (const auto* why = std::get_if<std::string>(&loaded)) return "--run: " + *why;
    description_ = std::get<loaded_description>(loaded).bytes;
  } else if (!what.description.empty()) {
    description_ = what.description;
  }
  if (description_) {
    const auto read = identity::read_description(*description_, token_.run_key);
    if (const auto* why = std::get_if<std::string>(&read)) return *why;
    const auto& run = std::get<identity::run_description>(read);
    net.description_hash = identity::description_hash(run);
    net.same_kernels = run.reproducible;
    node.description = *description_;
  }
  net.endpoint.bind = what.listens ? options.bind : "";
  net.endpoint.insecure = options.insecure;
  net.endpoint.heartbeat_interval = options.heartbeat_interval;
  net.endpoint.silence_timeout = options.silence_timeout;
  net.endpoint.bytes_per_s_max = static_cast<uint64_t>(options.bytes_per_s);
  if (!options.insecure) {
    net.endpoint.tls = transport::tls_options{identity::certificate_pem(token_.authority_der),
                                              identity::certificate_pem(token_.certificate_der),
                                              identity::private_key_pem(token_.peer.seed())};
  }
  net.self.run_key = token_.run_key;
  net.self.key = token_.peer.key();
  net.self.life = life_;
  net.self.started_unix_ms = unix_now_ms();
  net.rival_patience =
      std::max(rival_patience_min, rival_patience_timeouts * options.silence_timeout);
  net.self.announce = what.listens ? options.announce : "";
  net.self.agent = what.agent;
  net.self.observer = what.observer;
  net.self.kernels = what.kernels;
  net.self.protocol_version = identity::protocol_version;
  net.self.id_of = &identity::peer_id_of;
  net.neighbours.seeds = seeds_of(options, token_, folder_);
  net.clock = &unix_now_ms;
  // In the DHT, too, one who looks on with a peer's token is somebody else.
  node.key_seed = what.observer ? identity::key_pair::generate().seed() : token_.peer.seed();
  node.clock = &unix_now_ms;
  // The folder outlives the node.
  net.remember = [this](const std::vector<std::string>& known) { folder_.keep_addresses(known); };
  if (!folder_.path().empty()) node.telemetry.file = folder_.path() + "/telemetry.jsonl";
  node.restart.intensity = 20;
  node.restart.period = std::chrono::minutes(1);
  spdlog::level::level_enum level = spdlog::level::warn;
  telemetry::read_level(options.log_level, level);
  telemetry::log_options log;
  log.level = level;
  node.telemetry.log = telemetry::make_log(what.agent, log);
  auto started = peer::node::start(system_, std::move(node));
  if (auto* why = std::get_if<std::string>(&started)) return "--bind: " + *why;
  node_ = std::move(std::get<std::unique_ptr<peer::node>>(started));
  self_
      ->request(node_->services().telemetry, ask_timeout, telemetry::subscribe_atom::value,
                caf::actor{self_})
      .receive([](bool) {}, [](const caf::error&) {});
  return std::nullopt;
}

std::variant<identity::run_description, std::string> session::describe(
    stop_signals& signals, std::chrono::milliseconds limit) {
  if (description_) return identity::read_description(*description_, token_.run_key);
  const auto until = now() + limit;
  while (now() < until) {
    for (const auto& found : node_->descriptions()) {
      auto read = identity::read_description(found, token_.run_key);
      const auto* run = std::get_if<identity::run_description>(&read);
      // Anybody of the run may publish anything; only the run's key counts.
      if (run == nullptr) continue;
      node_->learn_description(identity::description_hash(*run), found);
      description_ = found;
      return read;
    }
    events(std::chrono::milliseconds{0}, {});
    if (!token_in_use().empty()) return token_in_use();
    if (signals.wait(look_again)) return std::string{"asked to stop before the run was found"};
  }
  return not_found(limit);
}

bool session::reach_somebody(stop_signals& signals, std::chrono::milliseconds limit) {
  const auto until = now() + limit;
  while (node_->neighbours().empty()) {
    events(std::chrono::milliseconds{0}, {});
    const auto late = now() - until;
    // A dial that hears nothing says so when its own time is over, which may be just now.
    if (late >= reason_wait || (late >= alarms::moment::zero() && !last_failure().empty()))
      return false;
    if (signals.wait(look_again / 2)) return false;
  }
  return true;
}

std::string session::not_found(std::chrono::milliseconds limit) {
  const auto what =
      "the run's description was not found within " + std::to_string(limit.count() / 1000) + " s: ";
  // By a wrong clock all that is published has expired, or is not valid yet.
  if (const auto why = clock_complaint()) return what + *why;
  if (!node_->neighbours().empty())
    return what + "those that are connected do not have it yet; try again, or give --run=FILE";
  const auto& why = last_failure();
  return what + "check --join" + (why.empty() ? "" : " (" + why + ")") + ", or give --run=FILE";
}

std::optional<std::string> session::clock_complaint() {
  peer::clock_watch clocks;
  for (const auto& each : node_->neighbours())
    clocks.heard(each.peer, each.clock_ahead_ms, each.announce);
  return clocks.complaint(unix_now_ms());
}

void session::events(std::chrono::milliseconds wait,
                     const std::function<void(const telemetry::event&)>& handle) {
  bool more = true;
  while (more) {
    self_->receive(
        [&](const telemetry::event& e) {
          const auto lines = alarms_.saw(e, now());
          if (say_)
            for (const auto& line : lines)
              say_(line);
          if (handle) handle(e);
        },
        caf::after(wait) >> [&] { more = false; });
    wait = std::chrono::milliseconds{0};
  }
  if (!say_) return;
  for (const auto& line : alarms_.look(node_->neighbours().size(), now()))
    say_(line);
}

std::vector<process_status> session::ask_everybody(uint32_t events) {
  std::vector<process_status> result;
  for (const auto& neighbour : node_->neighbours()) {
    const auto answer = node_->ask_status(neighbour.peer, events);
    if (answer && !answer->fault()) result.push_back(read_status(*answer));
  }
  return result;
}

}  // namespace swarm::tools
