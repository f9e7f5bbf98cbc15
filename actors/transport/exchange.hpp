#pragma once

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/transport/connector.hpp"
#include "actors/transport/endpoint.hpp"
#include "actors/transport/io_thread.hpp"
#include "actors/transport/session.hpp"

namespace swarm::transport {

/// Accepted connections that have not greeted yet; further ones wait in the kernel.
inline constexpr size_t strangers_max = 10;
/// When it is full, a stranger that has been given this much time makes place for the next one.
inline constexpr std::chrono::milliseconds stranger_patience{250};
/// Connections that wait in the kernel to be accepted.
inline constexpr int accept_backlog = 256;

/// The endpoint: listens, dials, and has the sessions. Commands of other threads come through one
/// inbox, in their order.
class exchange final : public endpoint, private session_host {
 public:
  exchange(endpoint_options options, std::shared_ptr<tls_context> tls, events& user);
  ~exchange() override;

  /// Before `start`. A sentence on failure.
  std::optional<std::string> listen();
  void start();

  std::string address() const override { return address_; }
  void greet_with(std::function<std::string()> make) override;
  link_id dial(const std::string& address) override;
  void send(link_id to, const heading& head, wire::frame_ptr body) override;
  void close(link_id which, const std::string& sentence) override;
  counters counted() const override;
  counters counted(link_id which) const override;

 private:
  using tcp = boost::asio::ip::tcp;
  using session_ptr = std::shared_ptr<session>;

  struct command {
    enum class kind : uint8_t { send, dial, close } what = kind::send;
    link_id link;
    heading head;
    wire::frame_ptr body;
    std::string text;
  };

  void submit(command what);
  void run_commands();
  void run(command& what);
  session_ptr find(link_id which) const;

  session_ptr make_session(link_id id, bool dialled);
  void start_dial(link_id id, const std::string& address);
  void resolve(const session_ptr& to, const std::string& address);
  void connect(const session_ptr& to, const std::vector<tcp::endpoint>& where);
  std::string whole_sentence(const session& which, const std::string& sentence) const;

  void accept_next();
  void accepted(tcp::socket socket);
  bool make_place_for_stranger();

  void tick();
  void serve_lines();
  void serve(shared_line& line, void (session::*take_turn)());
  void shut_down();

  std::string own_greeting() override;
  std::optional<std::string> on_greeting(const remote& who) override;
  void on_up(session& which) override;
  void on_message(session& which, const heading& head,
                  std::variant<wire::frame_ptr, wire::errc> body) override;
  void on_down(session& which, down_reason reason, const std::string& sentence) override;
  void on_line_wanted() override;
  void on_gone(session& which) override;

  const endpoint_options options_;
  shared_line out_;  ///< of the I/O thread, like in_
  shared_line in_;
  const session_settings settings_;
  events& user_;
  std::string address_;
  std::atomic<uint64_t> next_link_{1};

  std::mutex inbox_mutex_;
  std::vector<command> inbox_;

  mutable std::mutex shared_mutex_;
  std::function<std::string()> greeting_;
  std::map<link_id, std::shared_ptr<const tally>> tallies_;  ///< of links that are up
  counters past_;                                            ///< of links that were

  // Of the I/O thread.
  std::vector<command> running_;
  std::unordered_map<link_id, session_ptr> sessions_;
  std::map<link_id, std::string> dialled_;  ///< addresses, for sentences
  std::map<link_id, std::shared_ptr<connector>> connecting_;
  std::set<link_id> resolving_;
  std::set<link_id> strangers_;
  std::vector<link_id> to_flush_;
  bool serving_lines_ = false;
  bool accepting_ = false;
  bool stopping_ = false;

  io_thread thread_;
  tcp::acceptor acceptor_;
  tcp::resolver resolver_;
  boost::asio::steady_timer ticker_;
  boost::asio::steady_timer line_timer_;
};

}  // namespace swarm::transport
