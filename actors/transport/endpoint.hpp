#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "actors/ids.hpp"
#include "actors/transport/counters.hpp"
#include "actors/wire/frame.hpp"

namespace swarm::transport {

/// One connection to another process, for as long as the connection lives; never used again.
using link_id = strong_id<struct link_id_tag, uint64_t>;

/// Bytes of one packet's content; control packets slip in between the packets of a large body.
inline constexpr size_t packet_bytes_max = size_t{256} << 10;
/// A body of more bytes travels in the bulk lane, under the window; smaller ones overtake it.
inline constexpr size_t control_body_bytes_max = size_t{16} << 10;
/// Of a greeting; nothing larger is accepted before the other side is known.
inline constexpr size_t greeting_bytes_max = size_t{16} << 10;
/// Links of one endpoint, those not yet greeted included.
inline constexpr size_t links_max = 1024;
/// Bodies that one link receives at once.
inline constexpr size_t streams_max = 64;

/// PEM texts; Ed25519 keys. The authority is the run's own and the only one that is trusted.
struct tls_options {
  std::string authority;
  std::string certificate;
  std::string key;
};

struct endpoint_options {
  /// Where to listen: "host:port", port 0 for any; empty: does not listen, only dials.
  std::string bind;
  /// Absent: plain TCP.
  std::optional<tls_options> tls;
  /// Plain TCP beyond loopback is refused without it.
  bool insecure = false;
  std::string greeting;  ///< what the other side's events::on_greeting gets
  std::chrono::milliseconds heartbeat_interval{250};
  /// A link that brings nothing for so long is down.
  std::chrono::milliseconds silence_timeout{1'000};
  std::chrono::milliseconds dial_timeout{5'000};  ///< connect, handshake and greeting together
  size_t window_bytes_max = size_t{16} << 20;     ///< of the bulk lane, not yet received
  /// Bulk bytes on their way are kept to what the link carries within this, so that a control
  /// message behind them is not late.
  std::chrono::milliseconds queueing_target{20};
  size_t queue_bytes_max = size_t{1} << 30;  ///< waiting at one link; beyond it the link is down
  /// Of all links together, sending, and as much receiving; 0: no cap. What is received is ahead of
  /// it by a window per link at most, as far sides are told later that they may send more.
  uint64_t bytes_per_s_max = 0;
};

/// The words in front of a body; their meaning is the user's.
struct heading {
  uint64_t target = 0;
  uint64_t source = 0;
  uint64_t request = 0;
  uint64_t type = 0;  ///< the body's schema id; 0: no body
  uint32_t kind = 0;
};

/// The far side, as it introduced itself.
struct remote {
  link_id link;
  bool dialled = false;  ///< by us
  std::string address;   ///< "host:port" of the connection, as seen from here
  /// The Ed25519 key of its certificate, proven by the handshake; absent without TLS.
  std::optional<std::array<uint8_t, 32>> key;
  std::string greeting;
};

enum class down_reason : uint8_t {
  closed,       ///< by close() here or there
  lost,         ///< the connection broke: the process is gone, most likely
  silent,       ///< nothing arrived within silence_timeout
  refused,      ///< certificate or greeting, here or there: the sentence says why, and dialling
                ///< again changes nothing
  unreachable,  ///< a dial failed: no route, nobody listens, no handshake
  protocol      ///< the far side broke the protocol
};
const char* to_string(down_reason reason);

/// What the user of an endpoint is told, by the endpoint's own thread: must not block.
class events {
 public:
  virtual ~events() = default;

  /// Somebody introduced itself. A sentence refuses it; the far side is told.
  virtual std::optional<std::string> on_greeting(const remote& who) = 0;
  /// Both sides have accepted each other.
  virtual void on_up(link_id which) = 0;
  /// `body` is null if the heading has no type, else a frame, or why it was not one: damaged on the
  /// way. A frame is not checked against its schema yet.
  virtual void on_message(link_id which, const heading& head,
                          std::variant<wire::frame_ptr, wire::errc> body) = 0;
  /// Once per link that was dialled or greeted, its last event.
  virtual void on_down(link_id which, down_reason reason, const std::string& sentence) = 0;
};

/// One process' end of its connections to others: TCP or TLS 1.3, and one thread that serves all of
/// them. README.md says what travels.
///
/// Thread-safe but for destruction. The destructor closes all links and joins the thread; no event
/// comes after it.
class endpoint {
 public:
  /// On failure a sentence: the address and the cause.
  static std::variant<std::unique_ptr<endpoint>, std::string> open(endpoint_options options,
                                                                   events& user);
  virtual ~endpoint() = default;

  /// Where it listens, "host:port" with the real port; empty when it does not.
  virtual std::string address() const = 0;

  /// Replaces the greeting, for links from now on: the address is known only after opening, and
  /// the time when it is sent. Called by the endpoint's thread for each link.
  virtual void greet_with(std::function<std::string()> make) = 0;

  /// Events follow: on_greeting and on_up, or on_down. Address: "host:port", IPv6 in brackets.
  virtual link_id dial(const std::string& address) = 0;

  /// Queues a message; after the link went down it vanishes. Large bodies are not copied.
  virtual void send(link_id to, const heading& head, wire::frame_ptr body = nullptr) = 0;

  /// What was queued before is sent first, for at most silence_timeout.
  virtual void close(link_id which, const std::string& sentence) = 0;

  /// Since the endpoint was opened, over all links.
  virtual counters counted() const = 0;
  /// Of one link that is up; zeros otherwise.
  virtual counters counted(link_id which) const = 0;
};

}  // namespace swarm::transport
