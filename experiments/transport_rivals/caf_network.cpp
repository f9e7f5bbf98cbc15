#include "experiments/transport_rivals/caf_network.hpp"

#include <caf/all.hpp>
#include <caf/io/all.hpp>
#include <caf/openssl/all.hpp>

#include "actors/wire/error_sentence.hpp"
#include "actors/wire/messages.hpp"
#include "actors/wire/tensor.hpp"
#include "experiments/stopwatch.hpp"

namespace swarm::experiments {

namespace {

using ack_atom = caf::atom_constant<caf::atom("ack")>;
using bulk_atom = caf::atom_constant<caf::atom("bulk")>;
using ask_atom = caf::atom_constant<caf::atom("ask")>;

constexpr std::chrono::seconds patience{120};

struct config : caf::actor_system_config {
  explicit config(const rival_settings& given) {
    load<caf::io::middleman>();
    wire::add_message_types(*this);
    wire::add_error_sentences(*this);
    // The faster of its schedulers when there is little to do (shared/toolchain).
    set("scheduler.policy", caf::atom("sharing"));
    const auto tls = given.find("tls");
    if (tls == given.end()) return;
    encrypted = true;
    load<caf::openssl::manager>();
    openssl_certificate = tls->second + "/certificate.pem";
    openssl_key = tls->second + "/key.pem";
    openssl_cafile = tls->second + "/authority.pem";
  }

  bool encrypted = false;
};

wire::forward make_message(size_t bytes) {
  wire::builder<schemas::Forward> message;
  const auto count = bytes / sizeof(float);
  wire::attach(
      message, message->initInput(),
      tensors::host_tensor::adopt(std::vector<float>(count, 1.F), {static_cast<int64_t>(count)}));
  return message.finish();
}

caf::behavior answering(caf::event_based_actor*) {
  return {[](const wire::forward& message) { return ack_atom::value; },
          [](bulk_atom, const wire::forward&) { return bulk_atom::value; },
          [](ask_atom, const wire::forward& message) { return message; }};
}

class client final : public rival_client {
 public:
  client(const std::string& address, const rival_settings& given)
      : config_(given), system_(config_), self_(system_) {
    const auto colon = address.rfind(':');
    const auto host = address.substr(0, colon);
    const auto port = static_cast<uint16_t>(std::stoi(address.substr(colon + 1)));
    auto found = config_.encrypted ? caf::openssl::remote_actor(system_, host, port)
                                   : system_.middleman().remote_actor(host, port);
    if (!found) give_up("CAF: " + system_.render(found.error()));
    far_ = *found;
  }

  double send(size_t bytes, int count) override {
    const auto message = make_message(bytes);
    const stopwatch watch;
    for (int i = 0; i < count + rival_in_flight; ++i) {
      if (i >= rival_in_flight) self_->receive([](ack_atom) {});
      if (i < count) self_->send(far_, message);
    }
    return watch.seconds();
  }

  std::vector<double> ask(size_t bytes, int count) override {
    const auto message = make_message(bytes);
    std::vector<double> result;
    for (int i = 0; i < count; ++i) {
      const stopwatch watch;
      self_->request(far_, patience, ask_atom::value, message)
          .receive([](const wire::forward&) {},
                   [&](const caf::error& why) { give_up("CAF: " + system_.render(why)); });
      result.push_back(watch.seconds() * 1e6);
    }
    return result;
  }

  std::vector<double> ask_behind(size_t bulk_bytes, size_t bytes, int count) override {
    const auto bulk = make_message(bulk_bytes);
    for (int i = 0; i < 2 * rival_in_flight; ++i)
      self_->send(far_, bulk_atom::value, bulk);
    const auto message = make_message(bytes);
    std::vector<double> result;
    for (int i = 0; i < count; ++i) {
      const stopwatch watch;
      self_->send(far_, ask_atom::value, message);
      bool answered = false;
      self_
          ->do_receive([&](bulk_atom) { self_->send(far_, bulk_atom::value, bulk); },
                       [&](const wire::forward&) { answered = true; })
          .until([&] { return answered; });
      result.push_back(watch.seconds() * 1e6);
    }
    return result;
  }

 private:
  config config_;
  caf::actor_system system_;
  caf::scoped_actor self_;
  caf::actor far_;
};

int serve(const std::string& host, const rival_settings& given) {
  config settings{given};
  caf::actor_system system{settings};
  const auto actor = system.spawn(answering);
  const auto port = settings.encrypted ? caf::openssl::publish(actor, 0, host.c_str())
                                       : system.middleman().publish(actor, 0, host.c_str());
  if (!port) give_up("CAF: " + system.render(port.error()));
  announce(host + ":" + std::to_string(*port));
  wait_for_the_end();
  // The client's connection would keep the system waiting.
  std::_Exit(0);
}

}  // namespace

rival_way caf_network_way() {
  return {serve, [](const std::string& address, const rival_settings& given) {
            return std::make_unique<client>(address, given);
          }};
}

}  // namespace swarm::experiments
