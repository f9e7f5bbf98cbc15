#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "actors/dht/contact.hpp"
#include "actors/random.hpp"

namespace swarm::dht {

struct schedule_options {
  /// A bucket in which nothing was looked up for so long is refreshed (Kademlia, 2.3).
  moment refresh_every{600'000};
  /// A key that nobody stored again for so long is stored at its k closest nodes (2.5).
  moment replicate_every{600'000};
  /// An owner stores its own unexpired records again.
  moment republish_every{900'000};
  /// A contact that was silent for so long is asked whether it is alive.
  moment ask_after{120'000};
  /// Back-off between attempts to join while nobody is known.
  moment rejoin_min{500};
  moment rejoin_max{30'000};
  /// Each pause is moved by up to +- this share, so that nodes that lost each other at one moment
  /// do not all come back at one moment.
  double jitter = 0.2;
};

/// When what is due again and again is due. Deterministic for a seed.
class schedule {
 public:
  schedule(schedule_options options, uint64_t seed, moment now);

  const schedule_options& options() const { return options_; }

  /// Each true once per period.
  bool refresh_due(moment now) { return due(refresh_at_, options_.refresh_every, now); }
  bool republish_due(moment now) { return due(republish_at_, options_.republish_every, now); }

  /// Nobody is known: whether to try again now. Pauses double from rejoin_min to rejoin_max.
  bool rejoin_due(moment now);
  /// Somebody is known again: the next loss is answered at once.
  void joined();

 private:
  moment jittered(moment pause);
  bool due(moment& at, moment period, moment now);

  schedule_options options_;
  splitmix64 random_;
  moment refresh_at_;
  moment republish_at_;
  moment rejoin_at_{0};
  moment rejoin_pause_;
};

/// Addresses to come back to, the latest first; no address twice.
class known_addresses {
 public:
  static constexpr size_t addresses_max = 64;

  void add(const std::string& address);
  const std::vector<std::string>& all() const { return addresses_; }

 private:
  std::vector<std::string> addresses_;
};

}  // namespace swarm::dht
