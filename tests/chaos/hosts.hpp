#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/chaos/fleet.hpp"

namespace swarm::chaos {

/// Several machines: network namespaces, each connected to one switch. Nothing is left behind: the
/// namespaces end with the processes that hold them.
class hosts {
 public:
  /// The program `ip` is installed.
  static bool has_tools();

  /// A sentence when this machine does not allow it.
  std::optional<std::string> open(size_t count);
  /// The same for a test that does nothing without them: false, and it has said so
  /// (tests/skip.hpp).
  bool open_or_skip(size_t count);

  /// 10.77.0.1, 10.77.0.2 ...
  static std::string address(size_t host);
  /// Goes before a command line that is to run there.
  std::vector<std::string> prefix(size_t host) const;

  /// Takes the host's cable out of the switch, or puts it in. Both sides live on.
  void cut(size_t host);
  void mend(size_t host);
  /// From here on its cable carries no packets of more bytes towards it, and says so to nobody.
  void narrow(size_t host, size_t packet_bytes_max);

 private:
  std::optional<std::string> make(const std::string& name);
  std::optional<std::string> run(std::vector<std::string> command);
  std::optional<std::string> ip(fleet::id in, std::vector<std::string> arguments);

  fleet all_;
  std::vector<fleet::id> holders_;  ///< the switch's is the first
};

}  // namespace swarm::chaos
