#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "actors/averaging/collection.hpp"
#include "actors/averaging/held_questions.hpp"
#include "actors/averaging/local_vectors.hpp"
#include "actors/averaging/question_book.hpp"
#include "actors/averaging/reduce_plan.hpp"
#include "actors/averaging/result_hash.hpp"
#include "actors/averaging/share_id.hpp"

namespace swarm::averaging {

/// To be sent: `sum` asks for finished sums, else `units` are asked for.
struct reduce_question {
  size_t to = 0;  ///< index of a member
  std::vector<uint32_t> parts;
  bool sum = false;
  unit_list units;
  bool or_sum = false;  ///< the finished sum instead, if the asked member has it
};

/// To be sent. `data` points into the local vector, a share, the result, or memory of its own, and
/// stays as it is for as long as it is held.
template <class T>
struct reduce_answer {
  size_t to = 0;  ///< index of a member
  uint32_t part = 0;
  bool sum = false;
  unit_list units;
  std::shared_ptr<const T> data;
  size_t count = 0;
};

template <class T>
struct reduce_actions {
  std::optional<averaging_errc> error;  ///< then nothing has changed
  bool late = false;                    ///< nothing has changed, and nothing is wrong
  std::vector<reduce_question> ask;
  std::vector<reduce_answer<T>> send;
};

/// An answer that has come; `data` is only read during the call.
template <class T>
struct received_part {
  worker_id from;
  uint32_t part = 0;
  bool sum = false;
  unit_list units;
  const T* data = nullptr;
  size_t count = 0;
};

struct reduce_progress {
  uint32_t revision = 0;
  size_t parts_done = 0;
  size_t parts_total = 0;
  std::vector<worker_id> waiting_for;  ///< a few that owe answers, contributions first
  double bytes_per_s = 0;
};

/// One member's side of one attempt of an all-reduce, for T = float or std::int64_t (which wraps):
/// the states and the rules are in README.md. Time comes in as seconds of any clock.
///
/// An owner adds contributions in the order in which they come; nobody else computes its part, so
/// all members get the same bits. The local vector and the shares must not change while somebody
/// holds them; they are given back when the result is here.
template <class T>
class all_reduce {
 public:
  using actions = reduce_actions<T>;

  /// `own` may be null for a follower; `count` is its length. `result` has room for the plan's
  /// elements. Nothing and an error if `self` is no member or `count` is not the group's.
  static std::optional<all_reduce> make(reduce_plan plan, worker_id self,
                                        std::shared_ptr<const T> own, size_t count,
                                        std::shared_ptr<T> result, asking_limits limits = {},
                                        averaging_errc* error = nullptr);

  /// What to ask first. A sole contributor is done afterwards.
  actions open(double now_s);
  /// The members of a later order (reduce_plan::add_followers).
  std::optional<averaging_errc> add_followers(const std::vector<reduce_member>& members);
  /// All losses up to this revision. A revision that is not higher than the last changes nothing.
  /// `lost_here`: the group goes on without this member, which has nothing to do any more.
  actions revise(uint32_t revision, const std::vector<reduce_loss>& losses, double now_s);
  /// A share that this member has computed completely.
  actions add_share(share_id which, std::shared_ptr<const T> vector, size_t count, double now_s);

  actions on_want(const received_want& want);
  actions on_part(const received_part<T>& part, double now_s);
  /// Asks again for what is overdue.
  actions tick(double now_s);
  /// When tick has something to do; nothing while no question is open.
  std::optional<double> next_tick_s() const;

  bool done() const { return parts_present_ == plan_.parts(); }
  const std::shared_ptr<T>& result() const { return result_; }
  /// Over the parts' hashes, which are taken as they come. Only meaningful when done.
  result_hash hash() const { return hash_of(hashes_.data(), hashes_.size() * sizeof(result_hash)); }
  reduce_progress progress(size_t members_max = 8) const;
  size_t in_flight_bytes() const { return units_.in_flight_bytes() + sums_.in_flight_bytes(); }

  const reduce_plan& plan() const { return plan_; }
  uint32_t revision() const { return revision_; }
  /// What it has measured, to begin the next one with.
  const line_meter& line() const { return line_; }
  void know_line(const line_meter& line) { line_ = line, line_.pause(); }

 private:
  using collections = std::map<uint32_t, collection<T>>;  ///< parts of ours, not yet sums

  all_reduce(reduce_plan plan, size_t self, std::shared_ptr<const T> own, std::shared_ptr<T> result,
             const asking_limits& limits);

  void collect(uint32_t part);
  void finish_whole(actions& out);
  void present(uint32_t part, actions& out);
  void drop_present(uint32_t part);

  std::optional<averaging_errc> check(const received_want& want, size_t from) const;
  void serve(const received_want& want, size_t from, actions& out);
  void serve_sum(uint32_t part, size_t to, actions& out);
  void serve_units(uint32_t part, size_t to, const unit_list& units, bool or_sum, actions& out);
  void serve_held_units(actions& out);
  bool computes_any(const unit_list& units) const;
  void send_sum(uint32_t part, size_t to, actions& out) const;

  void take_sum(uint32_t part, const T* data, actions& out);
  std::optional<averaging_errc> take_units(size_t from, const received_part<T>& part, actions& out);

  void forget(size_t lost);
  void queue_questions();
  void count_owed();
  void pump(double now_s, actions& out);
  void ask(question_book::key which, bool sum, const unit_list& units, bool or_sum, actions& out);
  size_t asked_index(size_t member, uint32_t part) const { return member * plan_.parts() + part; }
  /// Answers wait for each other on this member's line: for what is on its way to it, and, as an
  /// owner sends a finished part to everybody at once, for as many parts as there are members. Who
  /// asks again before that gets everything twice.
  double least_wait_s() const {
    return line_.patience_s(in_flight_bytes() + plan_.members().size() * bytes_of(0));
  }
  size_t bytes_of(uint32_t part) const { return plan_.part(part).count * sizeof(T); }
  T* at(uint32_t part) const { return result_.get() + plan_.part(part).begin; }

  reduce_plan plan_;
  size_t self_ = 0;
  uint32_t revision_ = 0;
  local_vectors<T> local_;  // until the result is here
  std::shared_ptr<T> result_;

  std::vector<bool> present_;  // by part
  std::vector<result_hash> hashes_;
  size_t parts_present_ = 0;
  collections collecting_;

  held_questions held_;
  // Apart, or two members could wait for each other's sums with no room left to collect.
  question_book units_;
  question_book sums_;
  member_paces paces_;
  /// By member: parts of ours that its own vector is still to come for. Sums are not asked of it
  /// until then: others' parts wait for each contribution, and nobody for the sum.
  std::vector<uint32_t> owed_;
  std::vector<bool> asked_;  // ever, by member and part
  line_meter line_;
};

extern template class all_reduce<float>;
extern template class all_reduce<std::int64_t>;

}  // namespace swarm::averaging
