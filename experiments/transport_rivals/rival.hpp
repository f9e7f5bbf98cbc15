#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

/// One way of carrying messages between two processes, to be measured beside others.
namespace swarm::experiments {

/// Messages on their way at once, of every rival.
inline constexpr int rival_in_flight = 2;

/// The sending process. The far process acknowledges each message with one of no content, and
/// answers a request with its own size.
class rival_client {
 public:
  virtual ~rival_client() = default;

  /// Sends `count` messages of so many bytes, `rival_in_flight` at a time; until the last is
  /// acknowledged. Seconds.
  virtual double send(size_t bytes, int count) = 0;

  /// So many requests of so many bytes, one after the other; microseconds of each.
  virtual std::vector<double> ask(size_t bytes, int count) = 0;

  /// The same, while messages of `bulk_bytes` are being sent without a pause. Empty when it is not
  /// implemented.
  virtual std::vector<double> ask_behind(size_t bulk_bytes, size_t bytes, int count) { return {}; }
};

/// Reads commands from standard input until it ends, a line each, and prints a line of numbers:
///
///     send BYTES COUNT               seconds
///     ask BYTES COUNT                microseconds ...
///     behind BULK_BYTES BYTES COUNT  microseconds ...
void obey(rival_client& client);

/// Prints the address that a client needs, and waits until standard input ends.
void announce_and_wait(const std::string& address);

}  // namespace swarm::experiments
