#include "actors/peer/clock_watch.hpp"

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <vector>

#include "actors/peer/peer_ids.hpp"

namespace swarm::peer {

namespace {

constexpr int64_t ms_per_s = 1'000;
constexpr int64_t s_per_min = 60;
constexpr int64_t s_per_h = 3'600;
constexpr int64_t s_per_day = 86'400;

bool differs(int64_t ahead_ms) {
  return std::abs(ahead_ms) > clock_difference_ms_max;
}

}  // namespace

std::string utc_text(int64_t unix_ms) {
  const auto seconds = static_cast<std::time_t>(unix_ms / ms_per_s);
  std::tm parts{};
  char text[40];
  if (gmtime_r(&seconds, &parts) == nullptr ||
      std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &parts) == 0)
    return "at an unknown time";
  return text;
}

std::string duration_text(int64_t ms) {
  // A greeting is under way for a moment.
  const auto s = (std::abs(ms) + ms_per_s / 2) / ms_per_s;
  if (s < 2 * s_per_min) return std::to_string(s) + " s";
  if (s < s_per_h) return std::to_string(s / s_per_min) + " min";
  if (s < 2 * s_per_day)
    return std::to_string(s / s_per_h) + " h " + std::to_string(s % s_per_h / s_per_min) + " min";
  return std::to_string(s / s_per_day) + " days";
}

void clock_watch::heard(peer_id who, int64_t ahead_ms, const std::string& address) {
  others_[who] = {ahead_ms, address};
}

bool clock_watch::is_own() const {
  const auto differing = std::count_if(others_.begin(), others_.end(), [](const auto& each) {
    return differs(each.second.ahead_ms);
  });
  // Of two that differ nobody can say which is wrong.
  return others_.size() > 1 && 2 * static_cast<size_t>(differing) > others_.size();
}

std::optional<std::string> clock_watch::complaint(int64_t unix_ms) const {
  std::vector<std::pair<int64_t, peer_id>> wrong;
  for (const auto& [who, each] : others_)
    if (differs(each.ahead_ms)) wrong.emplace_back(each.ahead_ms, who);
  if (wrong.empty()) return std::nullopt;
  std::sort(wrong.begin(), wrong.end());
  const auto& [ahead_ms, who] = wrong[wrong.size() / 2];
  const auto& address = others_.at(who).address;
  const auto there = "peer " + short_name(who) + (address.empty() ? "" : " at " + address);
  const auto both =
      ": here it is " + utc_text(unix_ms) + ", there " + utc_text(unix_ms + ahead_ms) + "; set ";
  const std::string why =
      " by NTP, since what the run publishes and certificates expire by the clock";
  if (is_own()) {
    return "the clock of this machine is " + duration_text(ahead_ms) +
           (ahead_ms > 0 ? " behind" : " ahead of") + " those of " + std::to_string(wrong.size()) +
           " of " + std::to_string(others_.size()) + " peers" + both + "it" + why;
  }
  if (others_.size() > wrong.size()) {
    return "the clock of " + there + " is " + duration_text(ahead_ms) +
           (ahead_ms > 0 ? " ahead of" : " behind") + " this one" + both + "that one" + why;
  }
  return "the clock of this machine is " + duration_text(ahead_ms) +
         (ahead_ms > 0 ? " behind" : " ahead of") + " that of " + there + both + "the wrong one" +
         why;
}

}  // namespace swarm::peer
