#include "actors/transport/connector.hpp"

#include <boost/asio/post.hpp>
#include <utility>

#include "actors/transport/clock.hpp"

namespace swarm::transport {

connector::connector(boost::asio::io_context& context,
                     const std::vector<address_race::address>& where,
                     std::chrono::milliseconds dial_time, std::function<void(socket_type)> done)
    : context_(context),
      race_(where, dial_time),
      done_(std::move(done)),
      sockets_(race_.size()),
      timer_(context) {}

void connector::cancel() {
  done_ = nullptr;
  timer_.cancel();
  sockets_.clear();
}

void connector::go_on() {
  while (done_) {
    const auto next = race_.begin_next(now());
    if (!next) break;
    begin(*next);
  }
  if (done_ && race_.is_lost()) return finish(socket_type{context_});
  wait_for_turn();
}

void connector::begin(size_t which) {
  auto& socket = sockets_[which] = std::make_unique<socket_type>(context_);
  boost::system::error_code failure;
  const auto& where = race_.at(which);
  socket->open(where.protocol(), failure);
  if (failure) return race_.failed(which, failure.message());
  socket->async_connect(where, [self = shared_from_this(), which](const auto& failed) {
    self->ended(which, failed);
  });
}

void connector::ended(size_t which, const boost::system::error_code& failure) {
  if (!done_) return;
  if (!failure) return finish(std::move(*sockets_[which]));
  race_.failed(which, failure.message());
  sockets_[which].reset();
  go_on();
}

void connector::finish(socket_type with) {
  const auto done = std::exchange(done_, nullptr);
  timer_.cancel();
  // The slower ones.
  sockets_.clear();
  auto socket = std::make_shared<socket_type>(std::move(with));
  boost::asio::post(context_, [done, socket] { done(std::move(*socket)); });
}

void connector::wait_for_turn() {
  const auto next = race_.next_at();
  if (!done_ || !next) return;
  timer_.expires_after(std::max(*next - now(), moment::zero()));
  timer_.async_wait([self = shared_from_this()](const boost::system::error_code& failure) {
    if (!failure) self->go_on();
  });
}

}  // namespace swarm::transport
