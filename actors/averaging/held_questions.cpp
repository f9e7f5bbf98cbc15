#include "actors/averaging/held_questions.hpp"

#include <algorithm>
#include <iterator>

namespace swarm::averaging {

void held_questions::hold_sum(size_t from, uint32_t part) {
  auto& members = sums_[part];
  if (std::find(members.begin(), members.end(), from) == members.end()) members.push_back(from);
}

std::vector<size_t> held_questions::take_sums(uint32_t part) {
  const auto found = sums_.find(part);
  if (found == sums_.end()) return {};
  auto members = std::move(found->second);
  sums_.erase(found);
  return members;
}

void held_questions::hold_units(size_t from, uint32_t part, units_question question) {
  units_[{part, from}] = std::move(question);
}

std::vector<std::pair<size_t, held_questions::units_question>> held_questions::take_units(
    uint32_t part) {
  std::vector<std::pair<size_t, units_question>> result;
  auto at = units_.lower_bound({part, 0});
  while (at != units_.end() && at->first.first == part) {
    result.emplace_back(at->first.second, std::move(at->second));
    at = units_.erase(at);
  }
  return result;
}

std::vector<std::pair<held_questions::key, held_questions::units_question>>
held_questions::take_units() {
  std::vector<std::pair<key, units_question>> result;
  for (auto& [which, question] : std::exchange(units_, {}))
    result.emplace_back(key{which.second, which.first}, std::move(question));
  return result;
}

void held_questions::hold_later(const received_want& want, size_t from) {
  auto one = want;
  for (const uint32_t part : want.parts) {
    const auto held =
        std::distance(later_.lower_bound({from, 0}), later_.lower_bound({from + 1, 0}));
    if (static_cast<size_t>(held) >= held_wants_max && later_.count({from, part}) == 0) continue;
    one.parts = {part};
    later_[{from, part}] = one;
  }
}

std::vector<std::pair<size_t, received_want>> held_questions::take_later(uint32_t revision) {
  std::vector<std::pair<size_t, received_want>> result;
  for (auto at = later_.begin(); at != later_.end();) {
    if (at->second.revision > revision) {
      ++at;
      continue;
    }
    result.emplace_back(at->first.first, std::move(at->second));
    at = later_.erase(at);
  }
  return result;
}

void held_questions::forget(size_t member) {
  for (auto& [part, members] : sums_)
    members.erase(std::remove(members.begin(), members.end(), member), members.end());
  for (auto at = units_.begin(); at != units_.end();)
    at = at->first.second == member ? units_.erase(at) : std::next(at);
  later_.erase(later_.lower_bound({member, 0}), later_.lower_bound({member + 1, 0}));
}

}  // namespace swarm::averaging
