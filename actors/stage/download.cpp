#include "actors/stage/download.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "actors/invariant.hpp"
#include "actors/random.hpp"

namespace swarm::stage {

namespace {

/// Of the window over what a line carries in a round trip: so that it grows until it is full.
constexpr double window_gain = 2;
/// A donor is silent after so many times its slowest recent answer.
constexpr double patience_factor = 4;
/// The patience with a donor whose answers are quick, as a share of the first one.
constexpr double least_patience = 1.0 / 30;
/// Answers that count as recent.
constexpr size_t recent_answers = 8;
/// Arrivals from which the rate of late is told.
constexpr size_t recent_arrivals = 64;
/// Questions that were given up and may still be answered.
constexpr size_t given_up_max = 4096;
/// Nothing is quicker.
constexpr double shortest_s = 1e-6;

template <class T>
void push(std::deque<T>& recent, T value, size_t most) {
  recent.push_back(value);
  if (recent.size() > most) recent.pop_front();
}

double doubled(double pause_s, uint32_t times) {
  return pause_s * static_cast<double>(1U << std::min(times, pause_doublings_max));
}

bool bit(const std::vector<uint8_t>& bits, size_t i) {
  return i / 8 < bits.size() && (bits[i / 8] >> (i % 8) & 1) != 0;
}

}  // namespace

double download::donor_state::rate() const {
  return rates.empty() ? 0 : *std::max_element(rates.begin(), rates.end());
}

double download::donor_state::slowest_s() const {
  return answers_s.empty() ? 0 : *std::max_element(answers_s.begin(), answers_s.end());
}

bool download::donor_state::has(size_t shard) const {
  return present.empty() || bit(present, shard);
}

download::download(download_options options) : options_(options) {
  SWARM_INVARIANT(options.shard_elements > 0, "a shard has elements");
  // Until the first answer there is one shard, whatever its size.
  shards_.resize(1);
  free_.insert(0);
  if (options.elements > 0) set_elements(options.elements);
}

void download::set_elements(uint64_t elements) {
  elements_ = elements;
  const auto count = (elements + options_.shard_elements - 1) / options_.shard_elements;
  shards_.resize(static_cast<size_t>(count));
  first_shard_ = static_cast<size_t>((options_.seed * 0x9e3779b97f4a7c15ULL >> 32) % count);
  free_.clear();
  for (size_t shard = 0; shard < count; ++shard)
    free_or_not(shard);
}

void download::free_or_not(size_t shard) {
  const auto turn = (shard + shards_.size() - first_shard_) % shards_.size();
  if (!shards_[shard].weights && shards_[shard].question == 0) {
    free_.insert(turn);
  } else {
    free_.erase(turn);
  }
}

shard_range download::range(size_t shard) const {
  const auto first = shard * options_.shard_elements;
  if (elements_ == 0) return {0, options_.shard_elements};
  return {first, std::min(options_.shard_elements, elements_ - first)};
}

std::optional<weights_id> download::here(size_t shard) const {
  return shards_[shard].weights;
}

// -- donors -------------------------------------------------------------------------------------

void download::add(worker_id donor) {
  const auto [at, added] = donors_.try_emplace(donor);
  if (added) at->second.place = mixed_bits(donor.peer.value() ^ mixed_bits(options_.seed));
}

void download::remove(worker_id donor) {
  donors_.erase(donor);
  std::vector<uint64_t> numbers;
  for (const auto& [number, q] : questions_)
    if (q.donor == donor) numbers.push_back(number);
  for (const auto number : numbers)
    close(number);
}

double download::patience_s(const donor_state& d) const {
  const double measured =
      std::max(patience_factor * d.slowest_s(), options_.first_patience_s * least_patience);
  return d.answers_s.empty() ? options_.first_patience_s : doubled(measured, d.failures);
}

uint64_t download::window_bytes(const donor_state& d) const {
  if (d.rates.empty()) return 0;
  // One on its way while the next one waits at the donor.
  const auto two = 2 * options_.shard_elements * element_state_bytes;
  return std::max(two, static_cast<uint64_t>(window_gain * d.rate() * d.base_s));
}

void download::set_aside(donor_state& d, double now_s) {
  d.usable_from_s = now_s + doubled(options_.pause_s, d.failures);
  ++d.failures;
}

void download::give_up(worker_id id, donor_state& d, double now_s) {
  for (auto& [number, q] : questions_) {
    if (q.donor != id || q.given_up) continue;
    q.given_up = true;
    open_bytes_ -= q.bytes;
    if (shards_[q.shard].question != number) continue;
    shards_[q.shard].question = 0;
    free_or_not(q.shard);
  }
  d.open.clear();
  d.open_bytes = 0;
  set_aside(d, now_s);
  for (auto it = questions_.begin(); it != questions_.end() && questions_.size() > given_up_max;)
    it = it->second.given_up ? questions_.erase(it) : std::next(it);
}

void download::expire(double now_s) {
  for (auto& [id, d] : donors_)
    if (!d.open.empty() && now_s >= d.progress_s + patience_s(d)) give_up(id, d, now_s);
}

std::optional<double> download::wakes_at_s() const {
  std::optional<double> result;
  const auto sooner = [&](double at_s) { result = std::min(result.value_or(at_s), at_s); };
  const bool room = has_room();
  for (const auto& [id, d] : donors_) {
    if (!d.open.empty()) {
      sooner(d.progress_s + patience_s(d));
    } else if (!room) {
      // It could be asked, but the others' answers have to come or to be given up before.
      continue;
    } else if ((!result || d.usable_from_s < *result) && !d.has_nothing &&
               d.wrong < wrong_answers_max && next_for(d)) {
      // Looked for last: a hundred idle donors of a thousand shards are most of a join's work.
      sooner(sparing_ ? std::max(d.usable_from_s, rests_until_s_) : d.usable_from_s);
    }
  }
  return result;
}

// -- questions ----------------------------------------------------------------------------------

bool download::has_room() const {
  const auto all = open_bytes_ + unplaced_bytes_;
  if (allowance_ && asked_since_ >= *allowance_) return false;
  const auto bytes = options_.shard_elements * element_state_bytes;
  return all == 0 || (!sparing_ && all + bytes <= options_.window_bytes_max);
}

bool download::may_ask(const donor_state& d, double now_s) const {
  if (now_s < d.usable_from_s || d.has_nothing || d.wrong >= wrong_answers_max) return false;
  if (!has_room() || rests(now_s)) return false;
  const auto bytes = options_.shard_elements * element_state_bytes;
  return d.open.empty() || d.open_bytes + bytes <= window_bytes(d);
}

std::optional<size_t> download::next_for(const donor_state& d) const {
  for (const auto turn : free_) {
    const auto shard = (first_shard_ + turn) % shards_.size();
    if (d.has(shard)) return shard;
  }
  if (!d.open.empty()) return std::nullopt;
  // The last ones must not wait for a donor that is only being tried again.
  std::optional<size_t> result;
  for (const auto& [number, q] : questions_) {
    const auto& s = shards_[q.shard];
    if (s.question != number || s.weights || !d.has(q.shard)) continue;
    const auto& whom = donors_.at(q.donor);
    if (whom.failures > 0 && &whom != &d) result = std::min(result.value_or(q.shard), q.shard);
  }
  return result;
}

std::vector<download::question> download::ask(double now_s) {
  std::vector<question> result;
  while (true) {
    // Whoever will be done with what it is asked already soonest; else in turns as long as donors
    // are quick, in an order of this receiver's own: a swarm's receivers would all be at the same
    // donors' lines, and an all-reduce is as fast as its slowest member.
    std::optional<std::tuple<double, double, uint64_t>> soonest;
    std::pair<const worker_id, donor_state>* best = nullptr;
    std::optional<size_t> shard;
    for (auto& entry : donors_) {
      auto& d = entry.second;
      if (!may_ask(d, now_s)) continue;
      const double rate = std::max(d.rate(), shortest_s);
      const std::tuple turn{static_cast<double>(d.open_bytes) / rate,
                            static_cast<double>(d.asked_bytes) / rate, d.place};
      if (soonest && *soonest <= turn) continue;
      const auto next = next_for(d);
      if (!next) continue;
      soonest = turn;
      best = &entry;
      shard = next;
    }
    if (best == nullptr) return result;
    result.push_back(open(best->first, best->second, *shard, now_s));
  }
}

download::question download::open(worker_id id, donor_state& d, size_t shard, double now_s) {
  const auto number = ++numbers_;
  ++asked_since_;
  const auto bytes = bytes_of(shard);
  if (d.open.empty()) d.progress_s = now_s;
  questions_[number] = {id, shard, bytes, now_s, d.delivered_bytes};
  shards_[shard].question = number;
  free_or_not(shard);
  d.open.insert(number);
  d.open_bytes += bytes;
  d.asked_bytes += bytes;
  open_bytes_ += bytes;
  return {number, id, shard, range(shard), options_.shard_elements, options_.only};
}

void download::close(uint64_t number) {
  const auto found = questions_.find(number);
  if (found == questions_.end()) return;
  const auto& q = found->second;
  if (!q.given_up) open_bytes_ -= q.bytes;
  const auto donor = donors_.find(q.donor);
  if (donor != donors_.end() && donor->second.open.erase(number) != 0)
    donor->second.open_bytes -= q.bytes;
  if (shards_[q.shard].question == number) {
    shards_[q.shard].question = 0;
    free_or_not(q.shard);
  }
  questions_.erase(found);
}

void download::measure(donor_state& d, const asked& q, uint64_t bytes, double now_s) {
  const double took_s = std::max(now_s - q.at_s, shortest_s);
  d.delivered_bytes += bytes;
  d.progress_s = now_s;
  d.base_s = d.base_s > 0 ? std::min(took_s, d.base_s) : took_s;
  push(d.answers_s, took_s, recent_answers);
  push(d.rates, static_cast<double>(d.delivered_bytes - q.delivered_before) / took_s,
       recent_answers);
}

download::verdict download::judge(const asked& q, const answer& a) {
  const auto total = elements_ > 0 ? elements_ : a.total_elements;
  const auto expected = shard_range{range(q.shard).first,
                                    std::min(range(q.shard).count, std::max(total, uint64_t{1}))};
  const bool right_size = a.total_elements == total && total > 0 &&
                          (elements_ > 0 || total <= options_.elements_max) &&
                          a.range == expected && a.bytes == expected.count * element_state_bytes;
  if (!right_size || !a.sound) return verdict::wrong;
  if (options_.only ? !fits(*options_.only, a.weights) : floor_ && a.weights < *floor_)
    return verdict::older;
  return shards_[q.shard].weights ? verdict::known : verdict::taken;
}

download::verdict download::answered(uint64_t number, const answer& a, double now_s) {
  received_bytes_ += a.bytes;
  const auto found = questions_.find(number);
  if (found == questions_.end()) return verdict::unasked;
  const auto q = found->second;
  const auto result = judge(q, a);
  close(number);
  auto& d = donors_.at(q.donor);
  if (result == verdict::wrong) {
    ++d.wrong;
    set_aside(d, now_s);
    return result;
  }
  measure(d, q, a.bytes, now_s);
  rests_until_s_ = now_s + sparing_rests * (now_s - q.at_s);
  push(arrivals_, {now_s, a.bytes}, recent_arrivals);
  if (result == verdict::older) {
    d.has_nothing = fixed();
    // Else it may well have made the step since.
    if (fixed() || number > floor_since_) {
      ++older_in_a_row_;
      set_aside(d, now_s);
    }
    return result;
  }
  d.failures = 0;
  d.usable_from_s = std::min(d.usable_from_s, now_s);
  d.present = a.present;
  if (elements_ == 0) set_elements(a.total_elements);
  if (result == verdict::taken) take(q.shard, a.weights, a.bytes);
  return result;
}

void download::take(size_t shard, weights_id weights, uint64_t bytes) {
  older_in_a_row_ = 0;
  begun_ = true;
  if (fixed()) options_.only = weights;
  shards_[shard].weights = weights;
  free_or_not(shard);
  ++here_;
  unplaced_bytes_ += bytes;
}

void download::refused(uint64_t number, refusal why, double now_s) {
  const auto found = questions_.find(number);
  if (found == questions_.end()) return;
  auto& d = donors_.at(found->second.donor);
  close(number);
  d.progress_s = now_s;
  if (why == refusal::nothing) {
    d.has_nothing = fixed();
    if (!fixed()) ++older_in_a_row_;
  }
  set_aside(d, now_s);
}

void download::failed(uint64_t number, double now_s) {
  refused(number, refusal::shard, now_s);
}

// -- what has come ------------------------------------------------------------------------------

void download::placed(size_t shard) {
  auto& s = shards_[shard];
  if (!s.weights || s.placed) return;
  s.placed = true;
  ++placed_;
  unplaced_bytes_ -= bytes_of(shard);
}

void download::spoiled(size_t shard, worker_id donor, double now_s) {
  drop(shard);
  const auto found = donors_.find(donor);
  if (found == donors_.end()) return;
  ++found->second.wrong;
  set_aside(found->second, now_s);
}

void download::drop(size_t shard) {
  auto& s = shards_[shard];
  if (!s.weights) return;
  s.weights.reset();
  free_or_not(shard);
  --here_;
  if (s.placed) {
    --placed_;
  } else {
    unplaced_bytes_ -= bytes_of(shard);
  }
  s.placed = false;
}

void download::require(weights_id floor) {
  if (floor_ && floor <= *floor_) return;
  floor_ = floor;
  floor_since_ = numbers_;
  for (size_t shard = 0; shard < shards_.size(); ++shard)
    if (shards_[shard].weights && *shards_[shard].weights < floor) drop(shard);
}

std::vector<shard_range> download::advance(weights_id from, weights_id to) {
  std::vector<shard_range> result;
  for (size_t i = 0; i < shards_.size(); ++i) {
    if (shards_[i].weights != from) continue;
    shards_[i].weights = to;
    const auto r = range(i);
    if (!result.empty() && result.back().first + result.back().count == r.first) {
      result.back().count += r.count;
    } else {
      result.push_back(r);
    }
  }
  return result;
}

std::vector<uint8_t> download::present(weights_id weights) const {
  std::vector<uint8_t> bits((shards_.size() + 7) / 8);
  for (size_t i = 0; i < shards_.size(); ++i)
    if (shards_[i].placed && shards_[i].weights == weights)
      bits[i / 8] = static_cast<uint8_t>(bits[i / 8] | 1U << (i % 8));
  return bits;
}

std::optional<weights_id> download::complete() const {
  if (elements_ == 0 || placed_ != shards_.size() || mixed()) return std::nullopt;
  return shards_.front().weights;
}

bool download::mixed() const {
  return all_here() && std::any_of(shards_.begin(), shards_.end(), [&](const auto& s) {
           return s.weights != shards_.front().weights;
         });
}

std::optional<weights_id> download::newest() const {
  std::optional<weights_id> result;
  for (const auto& s : shards_)
    if (s.weights && (!result || *result < *s.weights)) result = s.weights;
  return result;
}

bool download::hopeless() const {
  if (!fixed() || all_here()) return false;
  return std::all_of(donors_.begin(), donors_.end(), [](const auto& entry) {
    const auto& d = entry.second;
    return d.open.empty() &&
           (d.has_nothing || d.wrong >= wrong_answers_max || d.failures >= failures_in_a_row_max);
  });
}

download::progress download::status() const {
  progress result;
  result.total_bytes = elements_ * element_state_bytes;
  for (size_t i = 0; i < shards_.size(); ++i)
    if (shards_[i].weights) result.done_bytes += bytes_of(i);
  if (arrivals_.size() > 1) {
    uint64_t bytes = 0;
    for (size_t i = 1; i < arrivals_.size(); ++i)
      bytes += arrivals_[i].second;
    const double span_s = arrivals_.back().first - arrivals_.front().first;
    result.bytes_per_s = static_cast<double>(bytes) / std::max(span_s, shortest_s);
    if (elements_ > 0)
      result.rest_s =
          static_cast<double>(result.total_bytes - result.done_bytes) / result.bytes_per_s;
  }
  return result;
}

}  // namespace swarm::stage
