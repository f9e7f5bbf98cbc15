#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

/// One way of carrying messages between two processes, to be measured beside others.
namespace swarm::experiments {

/// Messages on their way at once, of every rival.
inline constexpr int rival_in_flight = 2;
/// Exit code of a program whose library was not there when it was built.
inline constexpr int exit_not_installed = 3;

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
  virtual std::vector<double> ask_behind(size_t, size_t, int) { return {}; }
};

/// KEY=VALUE, as given to the program.
using rival_settings = std::map<std::string, std::string>;

struct rival_way {
  /// Listens at the host; returns when standard input ends, or never.
  std::function<int(const std::string& host, const rival_settings&)> serve;
  std::function<std::unique_ptr<rival_client>(const std::string& address, const rival_settings&)>
      make_client;
};

/// The main of a program that has these ways:
///
///     PROGRAM serve WAY HOST [KEY=VALUE ...]       prints the address that a client needs
///     PROGRAM ask WAY ADDRESS [KEY=VALUE ...]      prints "ready", then obeys standard input
///
/// A line each: the commands, and what is printed for them.
///
///     send BYTES COUNT               seconds
///     ask BYTES COUNT                microseconds ...
///     behind BULK_BYTES BYTES COUNT  microseconds ...
int rival_main(int argc, char** argv, const std::map<std::string, rival_way>& ways);

/// Prints the address that a client needs.
void announce(const std::string& address);
/// Until standard input ends.
void wait_for_the_end();

/// Prints the sentence and ends the process.
[[noreturn]] void give_up(const std::string& sentence);

}  // namespace swarm::experiments
