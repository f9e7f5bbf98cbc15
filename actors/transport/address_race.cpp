#include "actors/transport/address_race.hpp"

#include <algorithm>

#include "actors/transport/address.hpp"

namespace swarm::transport {

namespace {

std::vector<address_race::address> in_turns(const std::vector<address_race::address>& all) {
  std::vector<address_race::address> first;
  std::vector<address_race::address> second;
  for (const auto& each : all) {
    auto& kind = each.protocol() == all.front().protocol() ? first : second;
    // A resolver may name one twice.
    if (std::find(kind.begin(), kind.end(), each) == kind.end()) kind.push_back(each);
  }
  std::vector<address_race::address> result;
  for (size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
    if (i < first.size()) result.push_back(first[i]);
    if (i < second.size()) result.push_back(second[i]);
  }
  return result;
}

}  // namespace

address_race::address_race(const std::vector<address>& of_name,
                           std::chrono::milliseconds dial_time) {
  auto all = in_turns(of_name);
  if (all.size() > race_addresses_max) {
    left_out_ = all.size() - race_addresses_max;
    all.resize(race_addresses_max);
  }
  for (const auto& each : all)
    tries_.push_back({each, false, {}});
  // The last one, too, needs time for its handshake.
  const auto share = moment{dial_time} / static_cast<int64_t>(tries_.size() + 1);
  stagger_ = std::min<moment>(race_stagger, share);
}

std::optional<size_t> address_race::begin_next(moment now) {
  if (begun_ == tries_.size()) return std::nullopt;
  // Those before it have failed, or have had their time.
  if (begun_ > failures_ && now < turn_) return std::nullopt;
  turn_ = now + stagger_;
  return begun_++;
}

std::optional<moment> address_race::next_at() const {
  if (begun_ == tries_.size()) return std::nullopt;
  return turn_;
}

void address_race::failed(size_t which, const std::string& why) {
  if (which >= begun_ || tries_[which].failed) return;
  tries_[which].failed = true;
  tries_[which].why = why;
  ++failures_;
}

bool address_race::is_lost() const {
  return failures_ == tries_.size();
}

std::string address_race::reason() const {
  if (tries_.size() == 1) return tries_.front().why;
  return "none of its addresses can be reached";
}

std::string address_race::story() const {
  std::string result;
  for (size_t i = 0; i < tries_.size(); ++i) {
    if (i > 0) result += "; ";
    result += to_text(tries_[i].where) + ": " +
              (tries_[i].failed ? tries_[i].why
               : i < begun_     ? "no answer"
                                : "not tried");
  }
  if (left_out_ > 0) result += "; " + std::to_string(left_out_) + " more were not tried";
  return result;
}

}  // namespace swarm::transport
