#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "actors/simulation/world.hpp"
#include "actors/stage/compute.hpp"

namespace swarm::simulation {

/// What a device spends its time on.
enum class work : uint8_t {
  forward,
  backward,
  loss,
  infer,
  apply,     ///< an optimizer step
  transfer,  ///< taking in, or handing out, sums and states
};
inline constexpr size_t works = 6;
const char* to_string(work kind);

/// Virtual seconds per call, on a device of normal speed.
struct compute_cost {
  moment forward{std::chrono::milliseconds{1}};
  moment backward{std::chrono::milliseconds{2}};  ///< a recomputed one costs a forward, too
  moment loss{std::chrono::milliseconds{3}};
  moment infer{std::chrono::milliseconds{1}};
  moment apply{std::chrono::microseconds{100}};
  moment transfer{0};
  /// Each microbatch costs up to so much more or less, always the same.
  double spread = 0;
};

/// The device of one host: serves the requests to its compute actors one after the other, each for
/// as long as the cost model says. Then the compute actor really does the work, in no time.
///
/// A kill of the process, or a restart of the compute actor, loses what was queued.
class device {
 public:
  device(world& w, const compute_cost& cost, uint64_t seed = 0);
  ~device();
  device(const device&) = delete;
  device& operator=(const device&) = delete;

  /// A handle that leads through this device; for stage_peer_options::wrap_compute. What was queued
  /// for earlier ones no longer keeps the device busy.
  stage::compute_actor in_front_of(const stage::compute_actor& compute);

  /// From now on everything takes so many times as long.
  void slow(double factor);
  double slowness() const;

  /// Calls that were begun, and their virtual time, by kind.
  uint64_t calls(work kind) const;
  moment busy(work kind) const;

  struct core;

 private:
  std::shared_ptr<core> core_;
};

}  // namespace swarm::simulation
