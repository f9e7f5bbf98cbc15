#include <boost/test/unit_test.hpp>
#include <caf/all.hpp>
#include <caf/io/all.hpp>

#include "actors/wire/messages.hpp"
#include "actors/wire/tensor.hpp"

namespace {

using namespace swarm;

struct config : caf::actor_system_config {
  config() {
    load<caf::io::middleman>();
    wire::add_message_types(*this);
  }
};

using server_actor = caf::typed_actor<caf::replies_to<wire::forward>::with<wire::activation>>;

/// Answers a forward with its own input: the payload makes the trip twice.
server_actor::behavior_type echo() {
  return {[](const wire::forward& request) -> caf::result<wire::activation> {
    if (auto fault = request.fault()) return make_error(*fault);
    tensors::host_tensor input;
    if (!wire::extract_into(request.read()->getInput(), request.bytes(), input))
      return make_error(wire::errc::bad_tensor);
    wire::builder<schemas::Activation> reply;
    wire::attach(reply, reply->initOutput(), input);
    return reply.finish();
  }};
}

}  // namespace

BOOST_AUTO_TEST_CASE(typed_messages_cross_between_two_actor_systems) {
  config server_config;
  config client_config;
  caf::actor_system server_system{server_config};
  caf::actor_system client_system{client_config};
  auto server = server_system.spawn(echo);
  auto port = server_system.middleman().publish(server, 0, "127.0.0.1");
  BOOST_REQUIRE(port);
  auto remote = client_system.middleman().remote_actor<server_actor>("127.0.0.1", *port);
  BOOST_REQUIRE(remote);
  std::vector<float> values(1 << 18);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(i);
  wire::builder<schemas::Forward> message;
  wire::attach(message, message->initInput(),
               tensors::host_tensor::adopt(std::move(values), {1 << 18}));
  {
    caf::scoped_actor self{client_system};
    self->request(*remote, std::chrono::seconds(30), message.finish())
        .receive(
            [&](const wire::activation& reply) {
              BOOST_REQUIRE(!reply.fault());
              tensors::host_tensor output;
              BOOST_REQUIRE(wire::extract_into(reply.read()->getOutput(), reply.bytes(), output));
              BOOST_TEST(output.as<float>()[(1 << 18) - 1] == static_cast<float>((1 << 18) - 1));
            },
            [&](const caf::error& error) { BOOST_FAIL(client_system.render(error)); });
    self->send_exit(server, caf::exit_reason::user_shutdown);
  }
}
