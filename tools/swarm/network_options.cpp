#include "tools/swarm/network_options.hpp"

#include <utility>

#include "tools/report/one_line.hpp"
#include "tools/swarm/addresses.hpp"

namespace swarm::tools {

using namespace std::chrono_literals;

void add_network_options(option_table& table, network_options& options, bool serves) {
  table
      .add(options.token, "token",
           "What lets this process into the run: a file that keygen wrote, or its line.", "path")
      .add(options.join, "join",
           "Where the run may be found: host:port, several separated by commas; besides those in "
           "the token.",
           "address")
      .add(options.insecure, "insecure",
           "Plain TCP instead of TLS: anybody on the way can read and change everything. All "
           "processes of the run must agree.")
      .add(options.heartbeat_interval, "heartbeat-interval",
           "How often a connection without traffic shows that it is alive.", 10ms, 60s)
      .add(options.silence_timeout, "silence-timeout",
           "A connection that brings nothing for so long is given up; at least twice "
           "--heartbeat-interval.",
           50ms, 600s)
      .add_choice(options.log_level, "log-level", "Least severe lines that are logged.",
                  {"trace", "debug", "info", "warn", "error", "off"});
  table.add_check([&options]() -> std::optional<std::string> {
    if (options.silence_timeout >= 2 * options.heartbeat_interval) return std::nullopt;
    return "--silence-timeout=" + std::to_string(options.silence_timeout.count()) +
           "ms is less than twice --heartbeat-interval=" +
           std::to_string(options.heartbeat_interval.count()) + "ms.";
  });
  table.add_check([&options] { return check_addresses("--join", options.join); });
  if (!serves) return;
  table.add_check([&options]() -> std::optional<std::string> {
    for (const auto& [flag, text] :
         {std::pair{"--bind", options.bind}, std::pair{"--announce", options.announce}}) {
      if (text.find_first_of(", ") != std::string::npos)
        return std::string{flag} + "=" + one_line(text) + " takes one address.";
    }
    if (auto why = check_addresses("--bind", options.bind, address_use::listen)) return why;
    if (auto why = check_addresses("--announce", options.announce)) return why;
    if (!options.announce.empty() && options.bind.empty())
      return "--announce=" + options.announce + " needs --bind, where this process listens.";
    if (!options.announce.empty() || !is_everywhere(options.bind)) return std::nullopt;
    return "--bind=" + options.bind +
           " listens everywhere, which is no address to dial: give the one that others use as "
           "--announce.";
  });
  table
      .add(options.bind, "bind",
           "Where to listen: host:port, port 0 for any; empty: only dials, and others reach it "
           "through those it dialled.",
           "address")
      .add(options.announce, "announce",
           "Where others reach it, if that is not --bind: behind a port forwarding, or with "
           "--bind=0.0.0.0:PORT.",
           "address")
      .add(options.bytes_per_s, "bytes-per-s",
           "Most that this process sends over all its connections together, and as much that it "
           "receives; 0: no limit.",
           "bytes/s", 0, INT64_MAX)
      .add(options.state_dir, "state-dir",
           "Folder of this process alone, for what its next life needs; empty: nothing is kept.",
           "path");
}

}  // namespace swarm::tools
