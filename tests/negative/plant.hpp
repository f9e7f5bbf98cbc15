#pragma once

#include <string>
#include <vector>

#include "actors/planted_bug.hpp"

namespace swarm::negative {

/// All bugs that can be planted.
std::vector<planted_bug> all_bugs();

/// As the enumerator is called; null for a number that is none.
const char* to_string(planted_bug bug);

/// The bug is there while this lives, in this process.
class plant {
 public:
  explicit plant(planted_bug bug);
  ~plant();
  plant(const plant&) = delete;
  plant& operator=(const plant&) = delete;
};

}  // namespace swarm::negative
