#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "actors/averaging/share_id.hpp"
#include "actors/ids.hpp"

namespace swarm::averaging {

/// Parts in one question.
constexpr size_t want_parts_max = 256;
/// Parts asked for by one member that wait for a revision; further ones are dropped, and asked for
/// again.
constexpr size_t held_wants_max = 256;

/// A question that has come.
struct received_want {
  worker_id from;
  uint32_t revision = 0;
  std::vector<uint32_t> parts;
  bool sum = false;
  unit_list units;
  bool or_sum = false;
};

/// Questions that cannot be answered yet. One is kept per asking member and part; a repeat takes
/// the place of the first.
class held_questions {
 public:
  using key = std::pair<size_t, uint32_t>;  ///< asking member, part
  struct units_question {
    unit_list units;
    bool or_sum = false;
  };

  /// Until the sum is there.
  void hold_sum(size_t from, uint32_t part);
  std::vector<size_t> take_sums(uint32_t part);

  /// Until one of the shares is complete, or the sum is there.
  void hold_units(size_t from, uint32_t part, units_question question);
  void drop_units(size_t from, uint32_t part) { units_.erase({part, from}); }
  std::vector<std::pair<size_t, units_question>> take_units(uint32_t part);
  std::vector<std::pair<key, units_question>> take_units();

  /// Until this member has the order that the question goes by.
  void hold_later(const received_want& want, size_t from);
  std::vector<std::pair<size_t, received_want>> take_later(uint32_t revision);

  /// The member is lost, and nobody answers it.
  void forget(size_t member);

 private:
  std::map<uint32_t, std::vector<size_t>> sums_;                 // by part
  std::map<std::pair<uint32_t, size_t>, units_question> units_;  // by part and member
  std::map<key, received_want> later_;
};

}  // namespace swarm::averaging
