#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "actors/ids.hpp"

namespace swarm::stage {

/// Bytes of one element's state: the parameter and both moments, f32.
inline constexpr uint64_t element_state_bytes = 12;
/// A donor that has sent so many wrong answers is not asked again.
inline constexpr uint32_t wrong_answers_max = 3;
/// A donor that has failed so often in a row has no share in the hope for a fixed version.
inline constexpr uint32_t failures_in_a_row_max = 4;
/// Pauses after a failure double this often.
inline constexpr uint32_t pause_doublings_max = 5;

/// A download that spares the line rests so many times as long as it takes.
inline constexpr double sparing_rests = 9;

/// Stands for any history where a version is asked for.
inline constexpr history_id any_history{~uint64_t{0}};

/// Whether these are the weights that were asked for.
inline bool fits(weights_id wanted, weights_id there) {
  return wanted.version == there.version &&
         (wanted.history == any_history || wanted.history == there.history);
}

/// A run of flat elements of a state.
struct shard_range {
  uint64_t first = 0;
  uint64_t count = 0;

  friend bool operator==(const shard_range& a, const shard_range& b) {
    return a.first == b.first && a.count == b.count;
  }
};

struct download_options {
  uint64_t elements = 0;             ///< of the state; 0: as the first sound answer says
  uint64_t elements_max = 0;         ///< then not more than this
  uint64_t shard_elements = 0;       ///< of each shard but the last
  double first_patience_s = 30;      ///< with a donor that has not answered anything yet
  double pause_s = 0.2;              ///< after a donor's failure; doubles
  uint64_t window_bytes_max = 0;     ///< asked and not yet done with, all donors together
  uint64_t seed = 0;                 ///< receivers with other seeds begin with other shards
  std::optional<weights_id> only{};  ///< take these weights and no others; of `any_history`: the
                                     ///< first that come of this version
  bool one_version = false;          ///< take the first weights that come and no others
};

/// The receiving side of a state that comes in shards, without actors and without bytes: which
/// donor to ask for which shard, and what has come. Time is in seconds from any beginning.
///
///   absent --ask--> asked --answer--> here at the donor's weights --missed a step--> absent
///              ^        '--refusal, stall, donor gone--> absent
///              '--answer of another shard, size or weights: absent, and the donor waits
///
/// Each shard has its own weights: a donor answers with those that it stands at. So the receiver
/// carries the steps that it hears of out on what it has (`advance`) and asks again for what has
/// missed one. It is done when all shards are here at the same weights.
///
/// The window of each donor is twice what its line carries in a round trip, both measured, and all
/// of them together at most `window_bytes_max`. A donor is silent when nothing has come from it for
/// four times its slowest recent answer; what was asked there is asked elsewhere, and its answer is
/// taken should it still come. Nothing is asked twice as long as nothing fails.
class download {
 public:
  struct question {
    uint64_t number = 0;
    worker_id donor;
    size_t shard = 0;
    shard_range range;
    uint64_t shard_elements = 0;  ///< of all shards but the last
    std::optional<weights_id> only;
  };

  struct answer {
    weights_id weights;
    uint64_t total_elements = 0;
    shard_range range;
    uint64_t bytes = 0;
    bool sound = true;  ///< its checksum is right
    /// Shards that the donor has, one bit each, bit i of byte i/8; empty: all.
    std::vector<uint8_t> present{};
  };

  enum class verdict : uint8_t {
    taken,   ///< the caller puts it in its place, then says `placed` or `spoiled`
    known,   ///< it has come before
    older,   ///< of weights below the floor, or not of those that are wanted
    wrong,   ///< another shard, size or checksum than was asked for
    unasked  ///< nobody asked, or its donor is gone
  };

  enum class refusal : uint8_t {
    shard,   ///< it does not have this shard (yet)
    nothing  ///< it has none of what is wanted
  };

  explicit download(download_options options);

  // -- donors ---------------------------------------------------------------------------------

  /// It may be asked from now on. Adding it again changes nothing.
  void add(worker_id donor);
  /// It is gone. What it was asked for is asked elsewhere.
  void remove(worker_id donor);
  bool has_donors() const { return !donors_.empty(); }
  size_t donors() const { return donors_.size(); }

  // -- questions ------------------------------------------------------------------------------

  /// While others need the line more: one shard at a time, and rests of `sparing_rests` times what
  /// it took. Few of an all-reduce's flows are active at a time, so one more takes a sixth of the
  /// line, and the whole stage waits for its slowest line.
  void spare(bool on) { sparing_ = on; }
  /// So many shards may be asked for until this is called again; nothing: as many as may be.
  void allow(std::optional<size_t> shards) { allowance_ = shards, asked_since_ = 0; }
  /// Shards asked for since then.
  size_t asked_since() const { return asked_since_; }
  /// All that is to be asked now; each of them counts as asked.
  std::vector<question> ask(double now_s);
  verdict answered(uint64_t number, const answer& a, double now_s);
  void refused(uint64_t number, refusal why, double now_s);
  /// Its answer was damaged on the way, or an error that says nothing.
  void failed(uint64_t number, double now_s);
  /// Gives up waiting for donors that are silent.
  void expire(double now_s);
  /// When `expire` or `ask` may do something new without another event. In the past: only another
  /// event helps.
  std::optional<double> wakes_at_s() const;

  // -- what has come --------------------------------------------------------------------------

  /// The shard's bytes are where they belong.
  void placed(size_t shard);
  /// They do not fit there: as if its donor had sent a wrong answer.
  void spoiled(size_t shard, worker_id donor, double now_s);

  /// Shards of lower weights are not taken any more, and those that are here are absent again.
  void require(weights_id floor);
  std::optional<weights_id> floor() const { return floor_; }
  /// Takes what comes, however old.
  void require_nothing() { floor_.reset(); }
  /// Shards that are here at `from` are at `to` from now on. Returns them as runs, in order.
  std::vector<shard_range> advance(weights_id from, weights_id to);

  uint64_t elements() const { return elements_; }
  size_t shards() const { return shards_.size(); }
  shard_range range(size_t shard) const;
  std::optional<weights_id> here(size_t shard) const;
  /// As in an answer; for those that ask this receiver.
  std::vector<uint8_t> present(weights_id weights) const;
  /// A shard has come at some time, whatever has become of it.
  bool begun() const { return begun_; }
  /// Every shard is here and in its place, at these weights.
  std::optional<weights_id> complete() const;
  /// Every shard is here, perhaps at different weights.
  bool all_here() const { return !shards_.empty() && here_ == shards_.size(); }
  /// The same, and they are different.
  bool mixed() const;
  /// The highest weights of a shard that is here.
  std::optional<weights_id> newest() const;
  /// Only for fixed weights: no donor can be expected to have any more of them.
  bool hopeless() const;
  /// Answers in a row that were too old.
  uint32_t older_in_a_row() const { return older_in_a_row_; }

  struct progress {
    uint64_t done_bytes = 0;
    uint64_t total_bytes = 0;      ///< 0: not known yet
    double bytes_per_s = 0;        ///< of late; 0: nothing has come yet
    std::optional<double> rest_s;  ///< at this rate
  };
  progress status() const;
  /// All that came, wrong, late and old answers included.
  uint64_t received_bytes() const { return received_bytes_; }

 private:
  struct donor_state {
    double usable_from_s = 0;
    uint32_t failures = 0;  ///< in a row
    uint32_t wrong = 0;
    bool has_nothing = false;
    std::set<uint64_t> open;  ///< questions
    uint64_t open_bytes = 0;
    uint64_t asked_bytes = 0;  ///< so far
    uint64_t place = 0;        ///< among those that were asked for as much
    double progress_s = 0;     ///< of its last answer, or of the first question since it had none
    uint64_t delivered_bytes = 0;  ///< so far
    double base_s = 0;             ///< its quickest answer; 0: none yet
    std::deque<double> answers_s;  ///< how long its last ones took
    std::deque<double> rates;      ///< bytes/s, of the last ones
    std::vector<uint8_t> present;  ///< empty: all

    double rate() const;
    double slowest_s() const;
    bool has(size_t shard) const;
  };
  struct asked {
    worker_id donor;
    size_t shard = 0;
    uint64_t bytes = 0;
    double at_s = 0;
    uint64_t delivered_before = 0;
    bool given_up = false;  ///< asked elsewhere by now
  };
  struct shard_state {
    std::optional<weights_id> weights;
    bool placed = false;
    uint64_t question = 0;  ///< open; 0: none
  };

  bool fixed() const { return options_.only || options_.one_version; }
  uint64_t bytes_of(size_t shard) const { return range(shard).count * element_state_bytes; }
  void set_elements(uint64_t elements);
  double patience_s(const donor_state& d) const;
  uint64_t window_bytes(const donor_state& d) const;
  /// For one more shard, whoever is asked.
  bool has_room() const;
  bool rests(double now_s) const { return sparing_ && now_s < rests_until_s_; }
  bool may_ask(const donor_state& d, double now_s) const;
  std::optional<size_t> next_for(const donor_state& d) const;
  question open(worker_id id, donor_state& d, size_t shard, double now_s);
  /// The question is over; its shard, if it is still waited for, is absent again.
  void close(uint64_t number);
  void give_up(worker_id id, donor_state& d, double now_s);
  void set_aside(donor_state& d, double now_s);
  void measure(donor_state& d, const asked& q, uint64_t bytes, double now_s);
  verdict judge(const asked& q, const answer& a);
  void take(size_t shard, weights_id weights, uint64_t bytes);
  void drop(size_t shard);
  /// Call after each change of a shard's weights or question.
  void free_or_not(size_t shard);

  download_options options_;
  uint64_t elements_ = 0;
  std::map<worker_id, donor_state> donors_;
  std::vector<shard_state> shards_;
  std::map<uint64_t, asked> questions_;
  uint64_t numbers_ = 0;
  size_t first_shard_ = 0;  ///< with which the turn of the shards begins
  std::set<size_t> free_;   ///< by their turn: shards that are neither here nor asked for
  size_t here_ = 0;
  size_t placed_ = 0;
  uint64_t open_bytes_ = 0;      ///< asked, not given up
  uint64_t unplaced_bytes_ = 0;  ///< here, not in their place yet
  uint64_t received_bytes_ = 0;
  uint32_t older_in_a_row_ = 0;
  bool begun_ = false;
  bool sparing_ = false;
  double rests_until_s_ = 0;  ///< while sparing
  std::optional<size_t> allowance_;
  size_t asked_since_ = 0;
  std::optional<weights_id> floor_;
  uint64_t floor_since_ = 0;  ///< questions up to this one were asked before
  // Of late: when each of the last answers came, and how much.
  std::deque<std::pair<double, uint64_t>> arrivals_;
};

}  // namespace swarm::stage
