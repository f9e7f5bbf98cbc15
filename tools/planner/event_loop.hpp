#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

namespace swarm::planner {

/// Virtual time: what is due first is done first, and of what is due at once what was asked first.
class event_loop {
 public:
  using action = std::function<void()>;

  double now() const { return now_; }
  void at(double when, action what);
  void after(double seconds, action what) { at(now_ + seconds, std::move(what)); }
  /// False: nothing is left to do.
  bool step();

 private:
  struct event {
    double when;
    uint64_t number;
    action what;

    bool operator<(const event& other) const {
      return when != other.when ? when > other.when : number > other.number;
    }
  };

  std::priority_queue<event> events_;
  double now_ = 0;
  uint64_t next_ = 0;
};

/// Cores that jobs share evenly, as under a fair scheduler: none gets more than one.
class shared_cores {
 public:
  /// `cores` 0: a core for every job.
  shared_cores(event_loop& loop, double cores) : loop_(loop), cores_(cores) {}

  void run(double seconds, event_loop::action done);

 private:
  struct job {
    double left;
    uint64_t number;
    event_loop::action done;
  };

  double rate() const;
  void advance();
  void plan();
  void finish();

  event_loop& loop_;
  double cores_;
  std::vector<job> jobs_;
  double advanced_to_ = 0;
  uint64_t version_ = 0;  ///< of the plan; older ones are void
  uint64_t next_ = 0;
};

/// Does one job at a time, in order.
class serial_device {
 public:
  explicit serial_device(shared_cores& cores) : cores_(cores) {}

  void submit(double seconds, event_loop::action done);
  double worked_s() const { return worked_s_; }

 private:
  void start();

  shared_cores& cores_;
  bool busy_ = false;
  std::deque<std::pair<double, event_loop::action>> waiting_;
  double worked_s_ = 0;
};

}  // namespace swarm::planner
