#include "actors/averaging/all_reduce.hpp"

#include <algorithm>
#include <cstring>
#include <tuple>

#include "actors/averaging/vector_sum.hpp"
#include "actors/planted_bug.hpp"

namespace swarm::averaging {

// -- life ---------------------------------------------------------------------------------------

template <class T>
std::optional<all_reduce<T>> all_reduce<T>::make(reduce_plan plan, worker_id self,
                                                 std::shared_ptr<const T> own, size_t count,
                                                 std::shared_ptr<T> result, asking_limits limits,
                                                 averaging_errc* error) {
  const auto fail = [error](averaging_errc code) {
    if (error != nullptr) *error = code;
    return std::nullopt;
  };
  const auto index = plan.index_of(self);
  if (!index) return fail(averaging_errc::not_a_member);
  if (plan.lost(*index)) return fail(averaging_errc::lost_here);
  const bool contributes = plan.members()[*index].contributes;
  if (contributes && (count != plan.elements() || (!own && count != 0)))
    return fail(averaging_errc::wrong_own_size);
  if (!contributes) own = nullptr;
  return all_reduce(std::move(plan), *index, std::move(own), std::move(result), limits);
}

template <class T>
all_reduce<T>::all_reduce(reduce_plan plan, size_t self, std::shared_ptr<const T> own,
                          std::shared_ptr<T> result, const asking_limits& limits)
    : plan_(std::move(plan)),
      self_(self),
      local_(std::move(own)),
      result_(std::move(result)),
      present_(plan_.parts(), false),
      hashes_(plan_.parts()),
      units_(plan_.members().size(), self + 1, limits),
      sums_(plan_.members().size(), self + 1, limits),
      paces_(plan_.members().size(), limits),
      asked_(plan_.members().size() * plan_.parts(), false) {}

template <class T>
reduce_actions<T> all_reduce<T>::open(double now_s) {
  actions out;
  for (uint32_t p = 0; p < plan_.parts(); ++p)
    if (plan_.owner(p) == self_) collect(p);
  finish_whole(out);
  queue_questions();
  pump(now_s, out);
  return out;
}

template <class T>
std::optional<averaging_errc> all_reduce<T>::add_followers(
    const std::vector<reduce_member>& members) {
  const auto wrong = plan_.add_followers(members);
  const size_t n = plan_.members().size();
  units_.resize(n);
  sums_.resize(n);
  paces_.resize(n);
  owed_.resize(n);
  asked_.resize(n * plan_.parts());
  return wrong;
}

template <class T>
reduce_actions<T> all_reduce<T>::revise(uint32_t revision, const std::vector<reduce_loss>& losses,
                                        double now_s) {
  actions out;
  out.late = revision <= revision_;
  if (out.late) return out;
  for (const auto& loss : losses)
    if (loss.member == self_) out.error = averaging_errc::lost_here;
  const size_t known = plan_.losses().size();
  std::vector<uint32_t> dealt;
  if (!out.error) out.error = plan_.revise(losses, &dealt);
  if (out.error) return out;
  revision_ = revision;
  for (size_t k = known; k < losses.size(); ++k)
    forget(losses[k].member);
  for (const uint32_t p : dealt) {
    // Nobody asks a follower, so a sum that only it has is not the truth.
    if (!plan_.members()[self_].contributes) drop_present(p);
    if (plan_.owner(p) == self_ && !present_[p]) collect(p);
  }
  for (auto& [p, c] : collecting_) {
    c.recount(plan_);
    c.add_own_shares(plan_, local_);
  }
  finish_whole(out);
  for (const auto& [from, held] : held_.take_later(revision_))
    if (!check(held, from)) serve(held, from, out);
  // A share that is another's to compute now is not waited for here.
  serve_held_units(out);
  queue_questions();
  pump(now_s, out);
  return out;
}

/// The member is lost: it is neither waited for nor answered.
template <class T>
void all_reduce<T>::forget(size_t lost) {
  units_.forget(lost);
  sums_.forget(lost);
  held_.forget(lost);
}

template <class T>
reduce_actions<T> all_reduce<T>::add_share(share_id which, std::shared_ptr<const T> vector,
                                           size_t count, double now_s) {
  actions out;
  const auto* loss = which.member < plan_.members().size() ? plan_.loss_of(which.member) : nullptr;
  if (loss == nullptr || which.share >= loss->helpers.size()) {
    out.error = averaging_errc::bad_losses;
  } else if (count != plan_.elements()) {
    out.error = averaging_errc::wrong_own_size;
  }
  out.late = done() || local_.has(which);
  if (out.error || out.late) return out;
  local_.add(which, std::move(vector));
  for (auto& [p, c] : collecting_)
    c.add_own_shares(plan_, local_);
  finish_whole(out);
  serve_held_units(out);
  pump(now_s, out);
  return out;
}

template <class T>
reduce_progress all_reduce<T>::progress(size_t members_max) const {
  reduce_progress result{revision_, parts_present_, plan_.parts(), {}, line_.bytes_per_s()};
  // Whoever owes a contribution keeps others waiting; an owner may only wait itself.
  std::vector<std::tuple<bool, double, size_t>> debtors;
  for (size_t m = 0; m < plan_.members().size(); ++m) {
    const bool owes_units = units_.in_flight_parts(m) > 0;
    if (owes_units || sums_.in_flight_parts(m) > 0)
      debtors.emplace_back(!owes_units, paces_.heard_s(m), m);
  }
  std::sort(debtors.begin(), debtors.end());
  for (size_t k = 0; k < std::min(debtors.size(), members_max); ++k)
    result.waiting_for.push_back(plan_.members()[std::get<2>(debtors[k])].id);
  return result;
}

// -- collecting ---------------------------------------------------------------------------------

template <class T>
void all_reduce<T>::collect(uint32_t part) {
  const auto [here, added] = collecting_.try_emplace(part, plan_, part, self_, at(part));
  if (added) here->second.add_own_shares(plan_, local_);
}

template <class T>
void all_reduce<T>::finish_whole(actions& out) {
  for (auto next = collecting_.begin(); next != collecting_.end();) {
    const auto here = next++;
    const uint32_t part = here->first;
    if (!here->second.finish_if_whole(local_)) continue;
    collecting_.erase(here);
    present(part, out);
  }
}

/// The part's sum is in the result: whoever has asked for it gets it.
template <class T>
void all_reduce<T>::present(uint32_t part, actions& out) {
  present_[part] = true;
  ++parts_present_;
  hashes_[part] = hash_of(at(part), bytes_of(part));
  for (const size_t member : held_.take_sums(part))
    send_sum(part, member, out);
  for (const auto& [member, question] : held_.take_units(part))
    if (question.or_sum) send_sum(part, member, out);
  // With all sums here nobody needs our contributions: a later owner takes the sum.
  if (!done()) return;
  local_.clear();
}

template <class T>
void all_reduce<T>::drop_present(uint32_t part) {
  if (!present_[part]) return;
  present_[part] = false;
  --parts_present_;
}

// -- answering ----------------------------------------------------------------------------------

template <class T>
std::optional<averaging_errc> all_reduce<T>::check(const received_want& want, size_t from) const {
  if (want.parts.size() > want_parts_max || (!want.sum && want.units.empty()))
    return averaging_errc::wrong_part;
  for (const uint32_t p : want.parts) {
    if (p >= plan_.parts()) return averaging_errc::wrong_part;
    // An owner stays one until it is lost, so that both revisions agree.
    if (plan_.owner(p) != (want.sum ? self_ : from)) return averaging_errc::wrong_owner;
  }
  if (want.units.own && !plan_.members()[self_].contributes) return averaging_errc::wrong_owner;
  return std::nullopt;
}

template <class T>
reduce_actions<T> all_reduce<T>::on_want(const received_want& want) {
  actions out;
  const auto from = plan_.index_of(want.from);
  if (!from) {
    out.error = averaging_errc::not_a_member;
  } else if (*from == self_) {
    out.error = averaging_errc::wrong_sender;
  } else if (plan_.lost(*from)) {
    out.late = true;
  } else if (want.revision > revision_) {
    if (want.parts.size() <= want_parts_max) held_.hold_later(want, *from);
  } else {
    out.error = check(want, *from);
    if (!out.error) serve(want, *from, out);
  }
  return out;
}

template <class T>
void all_reduce<T>::serve(const received_want& want, size_t from, actions& out) {
  for (const uint32_t part : want.parts) {
    if (want.sum) {
      serve_sum(part, from, out);
    } else {
      serve_units(part, from, want.units, want.or_sum, out);
    }
  }
}

template <class T>
void all_reduce<T>::serve_sum(uint32_t part, size_t to, actions& out) {
  if (present_[part]) return send_sum(part, to, out);
  held_.hold_sum(to, part);
}

template <class T>
void all_reduce<T>::serve_units(uint32_t part, size_t to, const unit_list& units, bool or_sum,
                                actions& out) {
  if (present_[part]) {
    // Else its first owner made the sum that is here: the question is an old one.
    if (or_sum) send_sum(part, to, out);
    return;
  }
  const auto range = plan_.part(part);
  const auto here = local_.available(units);
  if (here.empty()) {
    if (computes_any(units)) held_.hold_units(to, part, {units, or_sum});
  } else {
    held_.drop_units(to, part);
    out.send.push_back({to, part, false, here, local_.contribution(range, here), range.count});
  }
}

template <class T>
void all_reduce<T>::serve_held_units(actions& out) {
  for (const auto& [which, held] : held_.take_units())
    serve_units(which.second, which.first, held.units, held.or_sum, out);
}

/// This member is to compute one of these shares.
template <class T>
bool all_reduce<T>::computes_any(const unit_list& units) const {
  return std::any_of(units.shares.begin(), units.shares.end(), [this](const share_id& which) {
    const auto* loss =
        which.member < plan_.members().size() ? plan_.loss_of(which.member) : nullptr;
    return loss != nullptr && which.share < loss->helpers.size() &&
           loss->helpers[which.share] == self_;
  });
}

template <class T>
void all_reduce<T>::send_sum(uint32_t part, size_t to, actions& out) const {
  const size_t count = plan_.part(part).count;
  std::shared_ptr<const T> data(result_, at(part));
  // A follower's line may be slow, and the whole result would live as long as its last part waits.
  if (!plan_.members()[to].contributes) data = copied(data.get(), count);
  out.send.push_back({to, part, true, {}, std::move(data), count});
}

// -- taking -------------------------------------------------------------------------------------

template <class T>
reduce_actions<T> all_reduce<T>::on_part(const received_part<T>& part, double now_s) {
  actions out;
  const auto from = plan_.index_of(part.from);
  if (!from) {
    out.error = averaging_errc::not_a_member;
  } else if (*from == self_) {
    out.error = averaging_errc::wrong_sender;
  } else if (part.part >= plan_.parts()) {
    out.error = averaging_errc::wrong_part;
  } else if (part.count != plan_.part(part.part).count) {
    out.error = averaging_errc::wrong_size;
  } else if (!asked_[asked_index(*from, part.part)]) {
    out.error = averaging_errc::not_asked;
  }
  if (out.error) return out;
  const question_book::key which{*from, part.part};
  auto& book = sums_.find(which) != nullptr ? sums_ : units_;
  const auto* question = book.find(which);
  // Of a lost member no question is open any more.
  out.late = question == nullptr;
  if (out.late) {
    // Only an owner that errs makes sums differ.
    if (planted(planted_bug::part_added_twice) ||
        (present_[part.part] && planted(planted_bug::reduce_hash_not_compared)))
      add_into(at(part.part), part.data, part.count);
    return out;
  }
  line_.received(bytes_of(part.part), in_flight_bytes(), now_s);
  if (&book == &sums_ && !part.sum) out.error = averaging_errc::not_asked;
  if (!out.error && !present_[part.part]) {
    if (part.sum && (&book == &sums_ || collecting_.at(part.part).or_sum())) {
      take_sum(part.part, part.data, out);
    } else {
      out.error = take_units(*from, part, out);
    }
  }
  if (out.error) return out;
  // Only own vectors are always given at once.
  const auto took = book.answered(which, now_s, paces_, part.units.own);
  // A follower gets nothing but sums. One that was waited for is no shorter than the way.
  if (took && (part.units.own || part.sum)) line_.round_trip(*took);
  const auto c = collecting_.find(part.part);
  // Only its shares can be lacking still, and they are not computed yet: what can come goes first.
  if (c != collecting_.end() && !c->second.units().needed(plan_, *from).empty()) {
    if (c->second.units().own_in(*from)) {
      units_.want(*from, part.part);
    } else {
      units_.want_soon(*from, part.part);
    }
  }
  pump(now_s, out);
  return out;
}

template <class T>
void all_reduce<T>::take_sum(uint32_t part, const T* data, actions& out) {
  std::memcpy(at(part), data, bytes_of(part));
  if (collecting_.erase(part) > 0) count_owed();
  present(part, out);
}

template <class T>
std::optional<averaging_errc> all_reduce<T>::take_units(size_t from, const received_part<T>& part,
                                                        actions& out) {
  const auto& units = part.units;
  if (part.sum || units.empty()) return averaging_errc::not_asked;
  const auto here = collecting_.find(part.part);
  auto& c = here->second;
  // Something of it is in already: what lacks is asked for alone.
  if (!c.units().lacks_all(plan_, from, units)) return std::nullopt;
  const auto& asked = units_.find({from, part.part})->asked;
  if (!asked.contains(units)) return averaging_errc::not_asked;
  c.add(from, units, part.data, local_);
  if (units.own) --owed_[from];
  if (!c.finish_if_whole(local_)) return std::nullopt;
  collecting_.erase(here);
  present(part.part, out);
  return std::nullopt;
}

// -- asking -------------------------------------------------------------------------------------

template <class T>
void all_reduce<T>::count_owed() {
  owed_.assign(plan_.members().size(), 0);
  for (const auto& [part, c] : collecting_)
    for (size_t m = 0; m < owed_.size(); ++m)
      if (m != self_ && c.units().needed(plan_, m).own) ++owed_[m];
}

template <class T>
void all_reduce<T>::queue_questions() {
  count_owed();
  units_.forget_wants();
  sums_.forget_wants();
  // Shares may have to be computed first; one that is added to the own vector costs no line.
  const auto turn_of = [](const unit_list& u) { return u.own ? (u.shares.empty() ? 0 : 1) : 2; };
  for (const int turn : {0, 1, 2})
    for (const auto& [part, c] : collecting_)
      for (size_t m = 0; m < plan_.members().size(); ++m) {
        if (m == self_ || units_.find({m, part}) != nullptr) continue;
        const auto units = c.units().needed(plan_, m);
        if (!units.empty() && turn_of(units) == turn) units_.want(m, part);
      }
  // Last what an owner has from a lost member: it holds the question until it has collected that.
  for (const bool is_dealt : {false, true})
    for (uint32_t p = 0; p < plan_.parts(); ++p) {
      const size_t owner = plan_.owner(p);
      if (owner != self_ && !present_[p] && (owner != plan_.first_owner(p)) == is_dealt &&
          sums_.find({owner, p}) == nullptr)
        sums_.want(owner, p);
    }
}

template <class T>
void all_reduce<T>::pump(double now_s, actions& out) {
  if (plan_.parts() == 0) return;
  const size_t bytes = bytes_of(0);
  while (const auto next = units_.next(line_.window_bytes(), bytes)) {
    const auto c = collecting_.find(next->second);
    if (c == collecting_.end() || units_.find(*next) != nullptr) continue;
    auto units = c->second.units().needed(plan_, next->first);
    if (units.empty()) continue;
    ask(*next, false, units, c->second.or_sum(), out);
    units_.asked(*next, std::move(units), bytes_of(next->second), now_s);
  }
  while (const auto next = sums_.next(line_.window_bytes(), bytes, owed_)) {
    if (present_[next->second] || plan_.owner(next->second) != next->first) continue;
    ask(*next, true, {}, false, out);
    sums_.asked(*next, {}, bytes_of(next->second), now_s);
  }
}

template <class T>
void all_reduce<T>::ask(question_book::key which, bool sum, const unit_list& units, bool or_sum,
                        actions& out) {
  const auto [member, part] = which;
  asked_[asked_index(member, part)] = true;
  for (auto& q : out.ask) {
    if (q.to != member || q.sum != sum || q.or_sum != or_sum || !(q.units == units) ||
        q.parts.size() >= want_parts_max)
      continue;
    q.parts.push_back(part);
    return;
  }
  out.ask.push_back({member, {part}, sum, units, or_sum});
}

template <class T>
reduce_actions<T> all_reduce<T>::tick(double now_s) {
  actions out;
  paces_.set_least_s(least_wait_s());
  for (const auto& which : units_.overdue(now_s, paces_)) {
    const auto c = collecting_.find(which.second);
    const auto units =
        c == collecting_.end() ? unit_list{} : c->second.units().needed(plan_, which.first);
    if (units.empty()) {
      units_.close(which);
      continue;
    }
    ask(which, false, units, c->second.or_sum(), out);
    units_.asked_again(which, units, now_s);
  }
  for (const auto& which : sums_.overdue(now_s, paces_)) {
    if (present_[which.second]) {
      sums_.close(which);
      continue;
    }
    ask(which, true, {}, false, out);
    sums_.asked_again(which, {}, now_s);
  }
  pump(now_s, out);
  return out;
}

template <class T>
std::optional<double> all_reduce<T>::next_tick_s() const {
  const auto a = units_.next_deadline_s(paces_);
  const auto b = sums_.next_deadline_s(paces_);
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

template class all_reduce<float>;
template class all_reduce<std::int64_t>;

}  // namespace swarm::averaging
