#include "experiments/swarm_session.hpp"

#include <caf/all.hpp>
#include <utility>

#include "actors/telemetry/telemetry.hpp"
#include "actors/training/errc.hpp"

namespace swarm::experiments {

namespace {

using reached_atom = caf::atom_constant<caf::atom("reached")>;
using failed_atom = caf::atom_constant<caf::atom("failed")>;

}  // namespace

swarm_session::config::config() {
  // Work stealing polls, and every poll takes time from the compute threads.
  set("scheduler.policy", caf::atom("sharing"));
  set("scheduler.max-threads", 2U);
  peer::add_message_types(*this);
}

swarm_session::swarm_session(peer::embedded_options options, const std::string& telemetry_file)
    : system_(config_), self_(system_) {
  telemetry::telemetry_options sink;
  sink.file = telemetry_file;
  telemetry_ = telemetry::spawn_telemetry(system_, std::move(sink));
  self_->request(telemetry_, caf::infinite, telemetry::subscribe_atom::value, caf::actor{self_})
      .receive([](bool) {}, [](caf::error&) {});
  options.telemetry = telemetry_;
  swarm_ = std::make_unique<peer::embedded_swarm>(system_, std::move(options));
}

swarm_session::~swarm_session() {
  swarm_.reset();
  self_->send_exit(telemetry_, caf::exit_reason::user_shutdown);
  self_->wait_for(telemetry_);
  drain({});
}

std::optional<std::string> swarm_session::run_until(int64_t version, const event_handler& handler) {
  const caf::actor me{self_};
  const auto ask = [&] {
    system_.spawn([me, version, target = swarm_->coordinator()](caf::event_based_actor* asker) {
      asker->request(target, caf::infinite, training::advance_atom::value, version)
          .then([=](int64_t) { asker->send(me, reached_atom::value); },
                [=](caf::error& error) { asker->send(me, failed_atom::value, error); });
    });
  };
  ask();
  bool running = true;
  std::optional<std::string> failure;
  while (running) {
    self_->receive(
        [&](const telemetry::event& event) {
          if (handler) handler(event);
        },
        [&](reached_atom) { running = false; },
        [&](failed_atom, const caf::error& error) {
          // The coordinator has died; it has a successor.
          if (error == caf::sec::request_receiver_down && swarm_->coordinator()) return ask();
          running = false;
          failure = render(error);
        });
  }
  return failure;
}

void swarm_session::drain(const event_handler& handler) {
  bool more = true;
  while (more) {
    self_->receive(
        [&](const telemetry::event& event) {
          if (handler) handler(event);
        },
        caf::others >> [](caf::message_view& x) -> caf::result<caf::message> {
          return x.move_content_to_message();
        },
        caf::after(std::chrono::seconds(0)) >> [&] { more = false; });
  }
}

std::string swarm_session::render(const caf::error& error) const {
  return training::sentence_of(error).value_or(system_.render(error));
}

std::optional<double> number(const telemetry::event& event, const std::string& key) {
  const auto* value = telemetry::find(event, key);
  if (value == nullptr) return std::nullopt;
  if (const auto* integer = std::get_if<int64_t>(value)) return static_cast<double>(*integer);
  if (const auto* real = std::get_if<double>(value)) return *real;
  return std::nullopt;
}

std::string text(const telemetry::event& event, const std::string& key) {
  const auto* value = telemetry::find(event, key);
  if (value == nullptr) return {};
  if (const auto* integer = std::get_if<int64_t>(value)) return std::to_string(*integer);
  if (const auto* real = std::get_if<double>(value)) return std::to_string(*real);
  return std::get<std::string>(*value);
}

}  // namespace swarm::experiments
