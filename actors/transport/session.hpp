#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/transport/channel.hpp"
#include "actors/transport/heartbeat.hpp"
#include "actors/transport/inbound.hpp"
#include "actors/transport/send_queue.hpp"
#include "actors/transport/shared_line.hpp"
#include "actors/transport/tally.hpp"
#include "actors/transport/tls.hpp"
#include "actors/transport/window.hpp"

namespace swarm::transport {

class session;

/// Who has sessions. Called by the I/O thread.
class session_host {
 public:
  virtual ~session_host() = default;
  /// What to introduce ourselves with, now.
  virtual std::string own_greeting() = 0;
  /// A sentence refuses it.
  virtual std::optional<std::string> on_greeting(const remote& who) = 0;
  virtual void on_up(session& which) = 0;
  virtual void on_message(session& which, const heading& head,
                          std::variant<wire::frame_ptr, wire::errc> body) = 0;
  /// It is of no use any more, but may have a last word to send.
  virtual void on_down(session& which, down_reason reason, const std::string& sentence) = 0;
  /// A session waits for a turn on a capped line: take_turn() is to be called, later, on whoever
  /// is next.
  virtual void on_line_wanted() = 0;
  /// Its connection is closed; may destroy it later, not now.
  virtual void on_gone(session& which) = 0;
};

/// What all sessions of an endpoint have in common.
struct session_settings {
  const endpoint_options& options;
  std::shared_ptr<tls_context> tls;  ///< null: plain TCP
  shared_line& out;
  shared_line& in;
};

/// One connection, from connecting to its end. Of the I/O thread only.
///
///     connecting -> handshake -> greeting -> up -> closing
///          |            |            |        |       |
///          +------------+------------+--------+-------+--> lingering -> gone
///
/// Lingering: the last word is written, and the far side is given the time to read it.
class session final : public std::enable_shared_from_this<session>, private inbound::sink {
 public:
  using socket_type = boost::asio::ip::tcp::socket;

  session(boost::asio::io_context& context, const session_settings& settings, session_host& host,
          link_id id, bool dialled);

  link_id id() const { return id_; }
  bool dialled() const { return dialled_; }
  /// on_greeting was called for it, or it was dialled: the user is told how it ends.
  bool known() const { return dialled_ || greeted_; }
  bool is_up() const { return state_ == state::up || state_ == state::closing; }
  bool is_greeted() const { return greeted_; }
  bool is_down() const { return state_ == state::lingering || state_ == state::gone; }
  moment started() const { return started_; }
  std::shared_ptr<const tally> counted() const { return tally_; }

  socket_type& socket() { return socket_; }
  /// The socket is connected.
  void connected();

  void send(const heading& head, wire::frame_ptr body);
  /// Sends what was queued; several sends before are written together.
  void flush() { pump(); }
  /// Sends what the cap on the process' line lets it, if it is its turn there.
  void take_turn_out();
  /// Lets the far side send more, in the same way.
  void take_turn_in();
  void close(const std::string& sentence);

  /// Looks at the clock: beats, silence, deadlines.
  void tick(moment now);

  /// Ends it, telling the far side `sentence` if it is greeted.
  void fail(down_reason reason, const std::string& sentence);
  /// At once, with a farewell if the socket takes it.
  void abandon(const std::string& sentence);

 private:
  enum class state : uint8_t { connecting, handshake, greeting, up, closing, lingering, gone };

  void tune_socket();
  void shake_hands();
  void begin_greeting();
  void wait_read();
  void wait_write();
  void read_some();
  bool take(const io_result& result);
  void discard();
  bool pump();  ///< true: something left
  bool write_some(moment at, size_t& turn);
  shared_line::wish wish() const;
  void want_line();
  void grant_credit();
  void count_in(size_t bulk_bytes, size_t other_bytes);
  void tell_last(packet_kind kind, down_reason reason, const std::string& sentence);
  void introduce();
  void down(down_reason reason, const std::string& sentence);
  void linger();
  void end();
  void go_up();
  void count();

  void on_packet(packet_kind kind, const uint8_t* content, size_t bytes) override;
  void on_body(const heading& head, std::variant<wire::frame_ptr, wire::errc> body,
               size_t body_bytes, bool bulk) override;
  void on_hello(std::string greeting);
  void on_welcome();

  const session_settings& settings_;
  session_host& host_;
  const link_id id_;
  const bool dialled_;
  const moment started_;

  socket_type socket_;
  std::unique_ptr<channel> channel_;
  state state_ = state::connecting;
  moment deadline_;

  std::unique_ptr<inbound> inbound_;
  std::unique_ptr<send_queue> queue_;
  std::vector<readable_span> gathered_;
  class window window_;
  heartbeat heartbeat_;

  bool greeted_ = false;   ///< the far side's greeting came
  bool begun_ = false;     ///< our magic is queued
  bool welcomed_ = false;  ///< ours was
  bool reading_ = false;
  bool writing_ = false;
  bool pumping_ = false;
  bool told_ = false;  ///< the last word is queued
  std::string closing_sentence_;
  uint64_t granted_bytes_ = 0;  ///< bulk bytes read for which the far side may send more
  /// Of the cap on what comes in, taken when they were granted; the far side has not sent them yet.
  /// More than them comes while its window grows, and is taken when it comes.
  size_t prepaid_bytes_ = 0;
  uint64_t credited_bytes_ = 0;  ///< of these, those that it was told of
  size_t discarded_bytes_ = 0;

  counters counters_;
  std::shared_ptr<tally> tally_ = std::make_shared<tally>();
};

}  // namespace swarm::transport
