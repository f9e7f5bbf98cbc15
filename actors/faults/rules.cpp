#include "actors/faults/rules.hpp"

#include <algorithm>
#include <utility>

#include "actors/faults/errc.hpp"

namespace swarm::faults {

namespace {

selection checked(selection which) {
  if (!which.matches) reject(errc::bad_selection);
  if (!(which.probability >= 0 && which.probability <= 1)) reject(errc::bad_probability);
  return which;
}

std::chrono::nanoseconds checked(std::chrono::nanoseconds time) {
  if (time.count() < 0) reject(errc::bad_time);
  return time;
}

rule on_message(selection which, fault_class kind, effect what) {
  return {checked(std::move(which)), kind, false, std::move(what), nullptr, {}};
}

rule on_answer(selection which, fault_class kind, effect what) {
  return {checked(std::move(which)), kind, true, nullptr, std::move(what), {}};
}

effect losing() {
  return [](const passage&, fate& f) {
    f.copies = 0;
    return true;
  };
}

effect delaying(std::chrono::nanoseconds by) {
  return [by = checked(by)](const passage&, fate& f) {
    for (auto& delay : f.delays)
      delay += by;
    return true;
  };
}

effect harming(damage how) {
  return [how](const passage&, fate& f) {
    f.harm = how;
    return true;
  };
}

rule failing(selection which, fault_class kind, caf::error why, bool executed) {
  if (!why) why = make_error(errc::injected);
  auto result = on_message(std::move(which), kind, [why, executed](const passage&, fate& f) {
    f.bounce = why;
    if (!executed) f.copies = 0;
    return true;
  });
  result.requests_only = true;
  return result;
}

}  // namespace

selection next(matcher which) {
  return checked(selection{std::move(which), 0, 1, 1.0});
}

selection nth(uint64_t n, matcher which) {
  return checked(selection{std::move(which), std::max<uint64_t>(n, 1) - 1, 1, 1.0});
}

selection each(matcher which) {
  return checked(selection{std::move(which), 0, 0, 1.0});
}

selection sometimes(double probability, matcher which) {
  return checked(selection{std::move(which), 0, 0, probability});
}

rule fail_before(selection which, caf::error why) {
  return failing(std::move(which), fault_class::failed_before, std::move(why), false);
}

rule fail_during(selection which, caf::error why) {
  auto result = failing(std::move(which), fault_class::failed_during, std::move(why), true);
  // It would come after the error; part of the same fault.
  result.on_answer = [](const passage&, fate& f) {
    f.copies = 0;
    return false;
  };
  return result;
}

rule fail_after(selection which) {
  return lose_reply(std::move(which));
}

rule lose_reply(selection which) {
  return on_answer(std::move(which), fault_class::lost_reply, losing());
}

rule lose(selection which) {
  return on_message(std::move(which), fault_class::loss, losing());
}

rule duplicate(selection which, std::chrono::nanoseconds second_after) {
  return on_message(std::move(which), fault_class::duplication,
                    [after = checked(second_after)](const passage&, fate& f) {
                      f.copies = 2;
                      f.delays[1] = f.delays[0] + after;
                      return true;
                    });
}

rule delay(selection which, std::chrono::nanoseconds by) {
  return on_message(std::move(which), fault_class::delay, delaying(by));
}

rule delay_reply(selection which, std::chrono::nanoseconds by) {
  return on_answer(std::move(which), fault_class::delay, delaying(by));
}

rule corrupt(selection which) {
  return on_message(std::move(which), fault_class::corruption, harming(damage::corrupt));
}

rule truncate(selection which) {
  return on_message(std::move(which), fault_class::truncation, harming(damage::truncate));
}

rule corrupt_reply(selection which) {
  return on_answer(std::move(which), fault_class::corruption, harming(damage::corrupt));
}

rule change_reply(selection which, caf::message lie) {
  return on_answer(std::move(which), fault_class::changed_reply,
                   [lie = std::move(lie)](const passage& message, fate& f) {
                     if (message.content.match_elements<caf::error>()) return false;
                     f.instead = lie;
                     return true;
                   });
}

}  // namespace swarm::faults
