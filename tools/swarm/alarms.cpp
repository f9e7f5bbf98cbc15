#include "tools/swarm/alarms.hpp"

#include <utility>

#include "tools/report/one_line.hpp"

namespace swarm::tools {

namespace {

/// Refusals that are told apart; further ones are not told.
constexpr size_t refusals_max = 32;

std::string text_of(const telemetry::event& e, const char* key) {
  const auto* value = telemetry::find(e, key);
  const auto* text = value == nullptr ? nullptr : std::get_if<std::string>(value);
  return text == nullptr ? std::string{} : one_line(*text);
}

bool is_final(const telemetry::event& e) {
  const auto* value = telemetry::find(e, "final");
  const auto* number = value == nullptr ? nullptr : std::get_if<int64_t>(value);
  return number != nullptr && *number != 0;
}

std::string in_seconds(alarms::moment time) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(time).count()) + " s";
}

}  // namespace

void alarms::wait(const std::string& why, bool for_donor, moment now) {
  if (!waits_since_) waits_since_ = now;
  waits_for_ = why;
  waits_for_donor_ = for_donor;
}

alarms::lines alarms::saw(const telemetry::event& e, moment now) {
  lines result;
  if (e.name == "dial_failed") {
    last_failure_ = text_of(e, "text");
    const bool heard = told_refusals_.count(last_failure_) != 0;
    if (is_final(e) && !heard && told_refusals_.size() < refusals_max)
      refusals_.push_back(last_failure_);
  }
  if (e.name == "clock_differs") {
    clock_ = text_of(e, "text");
    result.push_back(clock_);
  }
  if (e.name == "token_in_use") token_in_use_ = text_of(e, "text");
  if (e.name == "fetch_failed") {
    const auto why = text_of(e, "why");
    const bool for_donor = why == "no donor";
    wait(for_donor ? "waits for somebody who serves its stage, to fetch its state from"
                   : "its state cannot be fetched: " + why,
         for_donor, now);
  }
  if (e.name == "refetch")
    wait("its stage went on without it (" + text_of(e, "why") + "): fetches its state", false, now);
  if (e.name == "serving" || (e.name == "fetching" && waits_for_donor_)) {
    waits_since_.reset();
    wait_told_ = false;
  }
  return result;
}

alarms::lines alarms::look(size_t neighbours, moment now) {
  lines result;
  if (neighbours > 0) {
    if (std::exchange(alone_told_, false)) result.push_back("the run is reached");
    alone_since_.reset();
    // One of several addresses may be wrong while the others are right.
    refusals_.clear();
  } else if (!alone_since_) {
    alone_since_ = now;
  }
  for (auto& why : std::exchange(refusals_, {}))
    if (told_refusals_.insert(why).second) result.push_back("is not let into the run: " + why);
  if (alone_since_ && !alone_told_ && now - *alone_since_ >= alone_grace) {
    alone_told_ = true;
    const auto since = in_seconds(now - *alone_since_);
    result.push_back(
        last_failure_.empty()
            ? "nobody of the run has come for " + since +
                  ": it waits to be dialled; give --join if it should dial itself"
            : "nobody of the run is reached for " + since + " (" + last_failure_ +
                  "): check that its peers run, --join, and the firewalls between; goes on trying");
  }
  if (waits_since_ && !wait_told_ && now - *waits_since_ >= serving_grace) {
    wait_told_ = true;
    result.push_back(waits_for_ + ", for " + in_seconds(now - *waits_since_) + " now");
  }
  return result;
}

}  // namespace swarm::tools
