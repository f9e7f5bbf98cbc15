#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "actors/dht/dht_node.hpp"

namespace swarm::experiments {

struct live_nodes_options {
  size_t nodes = 64;
  /// Nodes that a record is stored at, all of which must have it before a put is answered.
  size_t copies = 8;
  uint64_t seed = 1;
};

/// Production DHT nodes in real time, each with an endpoint and a network actor of its own,
/// connected over TCP on 127.0.0.1; all in one actor system of this process.
class live_nodes {
 public:
  /// Returns when everybody is connected to everybody and all have joined. A sentence on failure.
  static std::variant<std::unique_ptr<live_nodes>, std::string> start(
      const live_nodes_options& options);
  ~live_nodes();

  /// Seconds until the answer is there; nothing when it failed.
  std::optional<double> put(size_t node, const std::string& name, const std::string& value);
  std::optional<double> get(size_t node, const std::string& name, dht::read_mode mode);

 private:
  struct parts;
  explicit live_nodes(std::unique_ptr<parts> made);

  std::unique_ptr<parts> parts_;
};

}  // namespace swarm::experiments
