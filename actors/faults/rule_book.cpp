#include "actors/faults/rule_book.hpp"

#include <utility>

namespace swarm::faults {

void rule_book::add(rule what) {
  rules_.push_back({std::make_shared<const rule>(std::move(what)), 0, 0});
}

bool rule_book::chooses(active& candidate, const passage& message, splitmix64& random) {
  const auto& which = candidate.what->which;
  const bool asks = message.is_request && !message.is_answer;
  if (candidate.what->requests_only && !asks) return false;
  if (!which.matches(message)) return false;
  if (candidate.matched++ < which.skip) return false;
  if (which.probability < 1.0 && random.unit() >= which.probability) return false;
  ++candidate.used;
  return true;
}

void rule_book::owe(const passage& request, std::shared_ptr<const rule> what) {
  if (owed_.size() >= owed_max) {
    owed_.erase(oldest_first_.front());
    oldest_first_.pop_front();
  }
  const call key{request.way, request.sender, request.request};
  // A second rule may choose a repeat of the same message.
  if (owed_.insert_or_assign(key, std::move(what)).second) oldest_first_.push_back(key);
}

void rule_book::settle(const passage& answer, fate& chosen, fault_counts& counts) const {
  const auto asked = answer.way == direction::back ? direction::forward : direction::back;
  // Not forgotten afterwards: a duplicated request is answered twice.
  const auto found = owed_.find({asked, answer.sender, answer.request});
  if (found == owed_.end()) return;
  if (found->second->on_answer(answer, chosen)) counts.add(found->second->kind);
}

std::chrono::nanoseconds rule_book::apply(const passage& message, fate& chosen, splitmix64& random,
                                          fault_counts& counts) {
  if (message.is_answer && !owed_.empty()) settle(message, chosen, counts);
  for (auto it = rules_.begin(); it != rules_.end(); ++it) {
    if (!chooses(*it, message, random)) continue;
    const auto what = it->what;
    if (what->which.times != 0 && it->used >= what->which.times) rules_.erase(it);
    if (what->on_answer) owe(message, what);
    const bool changed = what->on_message && what->on_message(message, chosen);
    if (changed || what->stall.count() > 0) counts.add(what->kind);
    return what->stall;
  }
  return {};
}

}  // namespace swarm::faults
