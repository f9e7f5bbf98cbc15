#pragma once

#include <cstdio>
#include <string>

namespace swarm::tests {

/// Says that a test does nothing here, in the form that .ci/run counts. `wanted` is what is
/// missing: a package's name, or a means such as "root". .ci/run fails when it has installed that
/// package itself: then the test should have run.
inline void skip(const std::string& wanted, const std::string& why) {
  std::printf("skipped: needs %s: %s\n", wanted.c_str(), why.c_str());
  std::fflush(stdout);
}

}  // namespace swarm::tests
