#include "actors/dht/schedule.hpp"

#include <algorithm>
#include <cmath>

namespace swarm::dht {

schedule::schedule(schedule_options options, uint64_t seed, moment now)
    : options_(options), random_(seed), rejoin_pause_(options.rejoin_min) {
  refresh_at_ = now + jittered(options_.refresh_every);
  republish_at_ = now + jittered(options_.republish_every);
}

moment schedule::jittered(moment pause) {
  const double factor = 1 + options_.jitter * (2 * random_.unit() - 1);
  return moment{std::llround(static_cast<double>(pause.count()) * factor)};
}

bool schedule::due(moment& at, moment period, moment now) {
  if (now < at) return false;
  at = now + jittered(period);
  return true;
}

bool schedule::rejoin_due(moment now) {
  if (now < rejoin_at_) return false;
  rejoin_at_ = now + jittered(rejoin_pause_);
  rejoin_pause_ = std::min(2 * rejoin_pause_, options_.rejoin_max);
  return true;
}

void schedule::joined() {
  rejoin_pause_ = options_.rejoin_min;
  rejoin_at_ = moment{0};
}

void known_addresses::add(const std::string& address) {
  if (address.empty()) return;
  const auto found = std::find(addresses_.begin(), addresses_.end(), address);
  if (found != addresses_.end()) addresses_.erase(found);
  addresses_.insert(addresses_.begin(), address);
  if (addresses_.size() > addresses_max) addresses_.pop_back();
}

}  // namespace swarm::dht
