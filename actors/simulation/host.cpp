#include "actors/simulation/host.hpp"

#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <utility>

#include "actors/peer/directory.hpp"

namespace swarm::simulation {

const char* to_string(host_state state) {
  static const char* const names[] = {"down", "up", "frozen", "left"};
  return names[static_cast<size_t>(state)];
}

host::host(world& w, virtual_network& net, bridges& links, peer_factory make_peer,
           std::shared_ptr<device> how, const host_conditions& line)
    : world_(w),
      links_(links),
      make_peer_(std::move(make_peer)),
      device_(std::move(how)),
      id_(w.add_host()) {
  net.add_host(id_, line);
}

void host::start(bool with_state) {
  if (state_ == host_state::left) kill();
  if (state_ != host_state::down) return;
  ++lives_;
  state_ = host_state::up;
  world_.in_host(id_, [&] { directory_ = peer::spawn_directory(world_.system()); });
  links_.start(id_, directory_);
  world_.in_host(id_, [&] { root_ = make_peer_(world_, directory_, with_state); });
}

void host::kill() {
  if (state_ == host_state::down) return;
  state_ = host_state::down;
  directory_ = wire::directory_actor{};
  root_ = caf::actor{};
  world_.kill(id_);
}

void host::restart(bool with_state) {
  kill();
  start(with_state);
}

void host::freeze() {
  if (state_ != host_state::up) return;
  state_ = host_state::frozen;
  world_.freeze(id_);
}

void host::thaw() {
  if (state_ != host_state::frozen) return;
  state_ = host_state::up;
  world_.thaw(id_);
}

void host::slow(double factor) {
  if (device_) device_->slow(factor);
}

void host::leave() {
  if (state_ != host_state::up) return;
  state_ = host_state::left;
  caf::anon_send_exit(root_, caf::exit_reason::user_shutdown);
}

}  // namespace swarm::simulation
