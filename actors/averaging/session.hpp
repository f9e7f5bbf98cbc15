#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actors/averaging/messages.hpp"
#include "actors/wire/roster.hpp"
#include "tensors/codec/host_tensor.hpp"

namespace swarm::averaging {

/// What all_reduce answers, whatever its element type.
struct session_actions {
  std::optional<averaging_errc> error;
  std::vector<reduce_question> ask;
  std::vector<part_answer> send;
};

/// One attempt, under way or just ended: all_reduce for tensors and messages. No actor, no clock.
class session {
 public:
  virtual ~session() = default;

  /// What the order has asked for so far; call it once.
  virtual session_actions begin(double now_s) = 0;
  virtual session_actions revise(const reduce_order& order, double now_s) = 0;
  virtual session_actions add_share(share_id which, const tensors::host_tensor& vector,
                                    double now_s) = 0;
  virtual session_actions on_want(const schemas::Want::Reader& body) = 0;
  virtual session_actions on_part(const schemas::Part::Reader& body, const wire::frame_ptr& owner,
                                  double now_s) = 0;
  virtual session_actions tick(double now_s) = 0;
  virtual std::optional<double> next_tick_s() const = 0;

  virtual bool done() const = 0;
  /// The sum and its hash. Precondition: done.
  virtual std::pair<tensors::host_tensor, std::string> result() const = 0;
  virtual wire::sum_progress progress() const = 0;
  virtual uint32_t revision() const = 0;
  virtual const reduce_plan& plan() const = 0;
  virtual const line_meter& line() const = 0;

  worker_id id_of(size_t member) const { return plan().members()[member].id; }
  /// Its sender is none of the members that this revision names, but perhaps one of a later one.
  bool comes_early(worker_id from, uint32_t revision) const {
    return this->revision() < revision && !plan().index_of(from);
  }
};

/// Memory for results, used again once nobody holds it: new memory costs a page fault for every
/// 4 KiB. And what is known of the line.
class session_memory {
 public:
  /// Null and an error if the order makes no sense.
  std::unique_ptr<session> open(worker_id self, reduce_order order, const tensors::host_tensor& own,
                                const asking_limits& limits, averaging_errc* error);

  /// What the last session has measured.
  void remember(const line_meter& line) { line_ = line; }

 private:
  template <class T>
  std::unique_ptr<session> open_as(worker_id self, reduce_order order,
                                   const tensors::host_tensor& own, const asking_limits& limits,
                                   averaging_errc* error);
  std::shared_ptr<void> take(size_t bytes);

  struct buffer {
    std::shared_ptr<void> memory;
    size_t bytes = 0;
  };

  std::vector<buffer> buffers_;
  line_meter line_;
};

}  // namespace swarm::averaging
