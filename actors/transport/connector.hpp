#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/transport/address_race.hpp"

namespace swarm::transport {

/// Connects to whichever address of a name answers first. Of the I/O thread only.
class connector final : public std::enable_shared_from_this<connector> {
 public:
  using socket_type = boost::asio::ip::tcp::socket;

  /// `done` is called once, never by start() itself: with a connected socket, or with a closed one
  /// when every address has failed. At least one address.
  connector(boost::asio::io_context& context, const std::vector<address_race::address>& where,
            std::chrono::milliseconds dial_time, std::function<void(socket_type)> done);

  void start() { go_on(); }
  /// Forgets it all; `done` is not called any more.
  void cancel();

  /// Why, in a few words, when every address has failed.
  std::string reason() const { return race_.reason(); }
  std::string story() const { return race_.story(); }
  size_t addresses() const { return race_.size(); }

 private:
  void go_on();
  void begin(size_t which);
  void ended(size_t which, const boost::system::error_code& failure);
  void finish(socket_type with);
  void wait_for_turn();

  boost::asio::io_context& context_;
  address_race race_;
  std::function<void(socket_type)> done_;  ///< null: it is over
  std::vector<std::unique_ptr<socket_type>> sockets_;
  boost::asio::steady_timer timer_;
};

}  // namespace swarm::transport
