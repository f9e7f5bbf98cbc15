#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "actors/averaging/share_id.hpp"

namespace swarm::averaging {

struct asking_limits {
  /// Of answers on their way to one member, for sums and for contributions each.
  size_t in_flight_bytes_max = size_t{64} << 20;
  /// The same from one member.
  size_t in_flight_parts_max = 64;
  /// So many parts are asked of each member whatever the line's measured rate, and so many bytes of
  /// all of them.
  size_t in_flight_parts_min = 1;
  size_t window_bytes_min = size_t{1} << 20;
  /// A question to a member that has not answered yet is asked again after this.
  double first_deadline_s = 2;
  /// The deadline of a question is a multiple of the member's pace, and no less than this.
  double deadline_min_s = 1;
  /// And no more than this: to ask once more gives nothing up.
  double deadline_max_s = 60;
};

/// A question for one part to one member that has not been answered.
struct open_question {
  unit_list asked;  ///< in any of its repeats; empty: the sum
  size_t bytes = 0;
  double first_asked_s = 0;
  double asked_s = 0;
  /// For shares alone: they may have to be computed first, so it stands in nobody's way.
  bool is_held = false;
  int repeats = 0;
};

/// How fast the members answer: deadlines are multiples of it.
class member_paces {
 public:
  member_paces(size_t members, asking_limits limits);

  void resize(size_t members) { members_.resize(members); }
  /// An answer of `member` is here. `learn`: it was given as soon as it was asked for, so that it
  /// tells how fast answers come; what was held for a reason does not.
  void answered(size_t member, const open_question& question, bool learn, double now_s);
  /// No answer is overdue sooner than this after its question, or after the member's last answer.
  void set_least_s(double seconds) { least_s_ = seconds; }
  double deadline_s(size_t member, const open_question& question) const;
  double heard_s(size_t member) const { return members_[member].heard_s; }

 private:
  struct pace {
    double heard_s = -1e300;
    double between_s = 0;  ///< answers, lately; 0: none yet
  };

  asking_limits limits_;
  std::vector<pace> members_;
  double group_s_ = 0;
  double least_s_ = 0;
};

/// What one member has to ask of the others, in order, and what it has asked: the window, and when
/// to ask again. It knows parts and members by number; what is asked of them is its caller's.
///
/// A question's deadline runs from the last answer of its member, since answers come one after the
/// other over one line; each repeat doubles it. So a slow line is not asked for everything twice.
class question_book {
 public:
  using key = std::pair<size_t, uint32_t>;  ///< member, part

  /// `first` is asked first, so that not all members begin with the same one.
  question_book(size_t members, size_t first, asking_limits limits);

  /// More members than before.
  void resize(size_t members) { todo_.resize(members), open_of_.resize(members); }

  /// `part` is to be asked of `member`, after what is to be asked already.
  void want(size_t member, uint32_t part) { todo_[member].push_back(part); }
  /// The same, before everything else.
  void want_soon(size_t member, uint32_t part) { todo_[member].push_front(part); }
  void forget_wants();

  /// What may be asked now, with `part_bytes` more on their way: taken out of the queue. Members
  /// take turns, but for those that owe something else first (`owed`, by member; empty: nobody).
  std::optional<key> next(size_t window_bytes, size_t part_bytes,
                          const std::vector<uint32_t>& owed = {});

  void asked(key which, unit_list units, size_t bytes, double now_s);
  /// Once more, perhaps for other units.
  void asked_again(key which, const unit_list& units, double now_s);
  /// Null: not open.
  const open_question* find(key which) const;
  /// An answer is here; returns the seconds since the question if it was asked once only.
  std::optional<double> answered(key which, double now_s, member_paces& paces, bool learn);
  /// Not needed any more.
  void close(key which);
  /// The member is lost: its answers are not awaited.
  void forget(size_t member);

  std::vector<key> overdue(double now_s, const member_paces& paces) const;
  /// When the first question is overdue; nothing if none is open.
  std::optional<double> next_deadline_s(const member_paces& paces) const;

  size_t in_flight_bytes() const { return bytes_; }
  size_t in_flight_parts(size_t member) const { return open_of_[member]; }

 private:
  using open_map = std::map<key, open_question>;

  void remove(open_map::iterator at);

  asking_limits limits_;
  std::vector<std::deque<uint32_t>> todo_;
  std::vector<size_t> open_of_;  // by member
  open_map open_;
  size_t bytes_ = 0;
  size_t turn_ = 0;
};

/// The bytes per second that come in, and the shortest way of a question and its answer: what is on
/// its way is bounded by twice their product, so that a line is full and its queues are short.
///
/// Answers that share a line end at about the same time, and all that was on its way may come at
/// once. So a rate is taken over more bytes than that.
class line_meter {
 public:
  /// `in_flight_bytes`: of all that was on its way with them.
  void received(size_t bytes, size_t in_flight_bytes, double now_s);
  void round_trip(double seconds);
  /// Nothing is asked for: the time until the next bytes does not count.
  void pause();

  double bytes_per_s() const { return rate_; }
  size_t window_bytes() const;
  /// How long so many bytes may take; 0 while no rate is known.
  double patience_s(size_t bytes) const;

 private:
  double rate_ = 0;
  double round_trip_s_ = 0;
  double since_s_ = -1;
  size_t bytes_ = 0;
  size_t period_bytes_ = 0;
};

}  // namespace swarm::averaging
