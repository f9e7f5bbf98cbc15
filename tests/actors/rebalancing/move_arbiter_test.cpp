#include "actors/rebalancing/move_arbiter.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <map>
#include <optional>
#include <string>

#include "actors/random.hpp"

using namespace swarm;
using namespace swarm::rebalancing;

namespace {

const auto serving = worker_state::serving;
const auto joining = worker_state::joining;
constexpr seconds at_start{0};
constexpr seconds later{100};

worker_id life(uint64_t peer, uint32_t incarnation = 1) {
  return {peer_id{peer}, incarnation_id{incarnation}};
}

/// As many that serve each stage as `counts` says, with ids from 1; no longer new at `later`.
move_arbiter arbiter_with(const std::vector<int>& counts) {
  move_arbiter arbiter{static_cast<int32_t>(counts.size()), at_start};
  uint64_t peer = 0;
  for (size_t s = 0; s < counts.size(); ++s)
    for (int i = 0; i < counts[s]; ++i)
      arbiter.seen(life(++peer), stage_id{static_cast<int32_t>(s)}, serving, at_start);
  return arbiter;
}

move wish(uint64_t peer, int32_t from, int32_t to) {
  return {life(peer), stage_id{from}, stage_id{to}};
}

bool granted(const std::variant<move_grant, refusal_reason>& answer) {
  return std::holds_alternative<move_grant>(answer);
}

bool refused(const std::variant<move_grant, refusal_reason>& answer, refusal_reason reason) {
  const auto* why = std::get_if<refusal_reason>(&answer);
  return why != nullptr && *why == reason;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_move_is_granted_until_a_named_moment) {
  auto arbiter = arbiter_with({2, 1});
  const auto answer = arbiter.ask(wish(1, 0, 1), later);
  BOOST_REQUIRE(granted(answer));
  const move_arbiter_options options;
  BOOST_CHECK(std::get<move_grant>(answer).leave_before ==
              later + options.grant_lifetime - options.leave_margin);
}

BOOST_AUTO_TEST_CASE(nonsense_is_refused) {
  auto arbiter = arbiter_with({2, 2});
  BOOST_CHECK(refused(arbiter.ask(wish(9, 0, 1), later), refusal_reason::unknown_worker));
  BOOST_CHECK(refused(arbiter.ask({life(1, 7), stage_id{0}, stage_id{1}}, later),
                      refusal_reason::unknown_worker));
  BOOST_CHECK(refused(arbiter.ask(wish(1, 1, 0), later), refusal_reason::wrong_source));
  BOOST_CHECK(refused(arbiter.ask(wish(1, 0, 0), later), refusal_reason::same_stage));
  BOOST_CHECK(refused(arbiter.ask(wish(1, 0, 5), later), refusal_reason::unknown_stage));
  BOOST_CHECK(refused(arbiter.ask(wish(1, -1, 1), later), refusal_reason::unknown_stage));
  BOOST_TEST(arbiter.grants_open(later) == 0U);
}

BOOST_AUTO_TEST_CASE(every_refusal_has_a_sentence_of_its_own) {
  std::map<std::string, int> sentences;
  for (int reason = 1; reason <= static_cast<int>(refusal_reason::arbiter_is_new); ++reason)
    ++sentences[to_sentence(static_cast<refusal_reason>(reason))];
  BOOST_TEST(sentences.size() == static_cast<size_t>(refusal_reason::arbiter_is_new));
}

BOOST_AUTO_TEST_CASE(the_last_that_serves_stays) {
  auto arbiter = arbiter_with({1, 3});
  BOOST_CHECK(refused(arbiter.ask(wish(1, 0, 1), later), refusal_reason::last_of_stage));
  arbiter.seen(life(9), stage_id{0}, joining, later);
  BOOST_CHECK(refused(arbiter.ask(wish(1, 0, 1), later), refusal_reason::last_of_stage));
  BOOST_CHECK(granted(arbiter.ask(wish(9, 0, 1), later)));
}

BOOST_AUTO_TEST_CASE(what_the_mover_says_of_itself_counts_more_than_its_last_announcement) {
  move_arbiter arbiter{2, at_start};
  arbiter.seen(life(1), stage_id{0}, joining, at_start);
  arbiter.seen(life(2), stage_id{0}, joining, at_start);
  BOOST_CHECK(refused(arbiter.ask(wish(1, 0, 1), later, serving), refusal_reason::last_of_stage));
  BOOST_CHECK(granted(arbiter.ask(wish(2, 0, 1), later)));
}

BOOST_AUTO_TEST_CASE(one_move_per_stage_at_a_time) {
  auto arbiter = arbiter_with({4, 4, 4, 4, 4});
  BOOST_REQUIRE(granted(arbiter.ask(wish(1, 0, 1), later)));
  BOOST_CHECK(refused(arbiter.ask(wish(2, 0, 2), later), refusal_reason::source_busy));
  BOOST_CHECK(refused(arbiter.ask(wish(5, 1, 2), later), refusal_reason::source_busy));
  BOOST_CHECK(refused(arbiter.ask(wish(9, 2, 1), later), refusal_reason::target_busy));
  BOOST_CHECK(refused(arbiter.ask(wish(9, 2, 0), later), refusal_reason::target_busy));
  BOOST_CHECK(granted(arbiter.ask(wish(13, 3, 4), later)));
}

BOOST_AUTO_TEST_CASE(asking_again_gets_the_same_answer) {
  auto arbiter = arbiter_with({3, 1, 1});
  const auto first = arbiter.ask(wish(1, 0, 1), later);
  const auto second = arbiter.ask(wish(1, 0, 1), later + seconds{5});
  BOOST_REQUIRE(granted(first) && granted(second));
  BOOST_CHECK(std::get<move_grant>(first).leave_before ==
              std::get<move_grant>(second).leave_before);
  BOOST_CHECK(refused(arbiter.ask(wish(1, 0, 2), later), refusal_reason::already_moving));
}

BOOST_AUTO_TEST_CASE(asking_again_after_the_others_died_is_refused) {
  auto arbiter = arbiter_with({2, 1});
  BOOST_REQUIRE(granted(arbiter.ask(wish(1, 0, 1), later)));
  arbiter.gone(life(2));
  BOOST_CHECK(refused(arbiter.ask(wish(1, 0, 1), later), refusal_reason::last_of_stage));
}

BOOST_AUTO_TEST_CASE(the_slots_are_free_when_the_mover_is_seen_in_its_target) {
  auto arbiter = arbiter_with({4, 4});
  BOOST_REQUIRE(granted(arbiter.ask(wish(1, 0, 1), later)));
  arbiter.seen(life(1), stage_id{0}, serving, later);
  BOOST_TEST(arbiter.grants_open(later) == 1U);
  arbiter.seen(life(1, 2), stage_id{1}, joining, later);
  BOOST_TEST(arbiter.grants_open(later) == 0U);
  BOOST_CHECK(granted(arbiter.ask(wish(2, 0, 1), later)));
  // Its earlier life is not heard any more.
  arbiter.seen(life(1), stage_id{0}, serving, later);
  BOOST_CHECK(refused(arbiter.ask(wish(1, 0, 1), later), refusal_reason::unknown_worker));
}

BOOST_AUTO_TEST_CASE(the_slots_are_free_when_the_mover_dies_or_stays) {
  auto arbiter = arbiter_with({4, 4});
  BOOST_REQUIRE(granted(arbiter.ask(wish(1, 0, 1), later)));
  arbiter.gone(life(1));
  BOOST_REQUIRE(granted(arbiter.ask(wish(2, 0, 1), later)));
  arbiter.give_back(life(2));
  BOOST_TEST(arbiter.grants_open(later) == 0U);
  BOOST_CHECK(granted(arbiter.ask(wish(2, 0, 1), later)));
}

BOOST_AUTO_TEST_CASE(after_an_expired_grant_the_mover_counts_once_it_is_seen) {
  auto arbiter = arbiter_with({2, 1});
  BOOST_REQUIRE(granted(arbiter.ask(wish(1, 0, 1), later)));
  const auto expired = later + move_arbiter_options{}.grant_lifetime;
  BOOST_CHECK(refused(arbiter.ask(wish(2, 0, 1), expired), refusal_reason::last_of_stage));
  BOOST_CHECK(refused(arbiter.ask(wish(1, 0, 1), expired), refusal_reason::already_moving));
  arbiter.seen(life(1), stage_id{0}, serving, expired);
  BOOST_CHECK(granted(arbiter.ask(wish(2, 0, 1), expired)));
}

BOOST_AUTO_TEST_CASE(a_new_arbiter_only_fills_empty_stages_from_where_two_are_left) {
  auto arbiter = arbiter_with({3, 1, 0});
  const seconds early{1};
  BOOST_CHECK(refused(arbiter.ask(wish(1, 0, 1), early), refusal_reason::arbiter_is_new));
  BOOST_CHECK(granted(arbiter.ask(wish(1, 0, 2), early)));
  auto poorer = arbiter_with({2, 1, 0});
  BOOST_CHECK(refused(poorer.ask(wish(1, 0, 2), early), refusal_reason::arbiter_is_new));
  BOOST_CHECK(granted(poorer.ask(wish(1, 0, 2), seconds{60})));
}

namespace {

/// The truth that the arbiter only hears about, and movers that use their grants late or not at
/// all.
class little_world {
 public:
  explicit little_world(uint64_t seed)
      : random_(seed),
        stages_(2 + random_.below(4)),
        arbiter_(static_cast<int32_t>(stages_), now_) {
    for (size_t i = 0; i < stages_ * 3; ++i)
      join();
    now_ += move_arbiter_options{}.grant_lifetime;
  }

  /// True when a granted move has emptied a stage in which nobody died after the grant.
  bool step() {
    now_ += seconds{random_.unit() * 5};
    const auto draw = random_.unit();
    if (draw < 0.06) return join(), false;
    if (draw < 0.12) return die(), false;
    if (draw < 0.45) return ask(), false;
    if (draw < 0.70) return announce(), false;
    return leave();
  }

  size_t moves = 0;

 private:
  struct peer {
    worker_id id;
    size_t stage = 0;
    worker_state state = serving;
    std::optional<move_grant> grant;
    size_t deaths_at_grant = 0;  ///< in its stage
    worker_state asked_as = serving;
  };

  stage_id named(size_t stage) const { return stage_id{static_cast<int32_t>(stage)}; }

  void join() {
    const auto stage = random_.below(stages_);
    peers_.push_back({life(++ids_), stage, random_.unit() < 0.7 ? serving : joining, {}, 0, {}});
    arbiter_.seen(peers_.back().id, named(stage), peers_.back().state, now_);
  }

  void die() {
    if (peers_.empty()) return;
    const auto victim = random_.below(peers_.size());
    arbiter_.gone(peers_[victim].id);
    ++deaths_[peers_[victim].stage];
    peers_.erase(peers_.begin() + static_cast<std::ptrdiff_t>(victim));
  }

  void ask() {
    if (peers_.empty()) return;
    auto& p = peers_[random_.below(peers_.size())];
    const auto answer = arbiter_.ask({p.id, named(p.stage), named(random_.below(stages_))}, now_);
    if (!granted(answer) || p.grant) return;
    p.grant = std::get<move_grant>(answer);
    p.deaths_at_grant = deaths_[p.stage];
    p.asked_as = p.state;
  }

  void announce() {
    if (peers_.empty()) return;
    auto& p = peers_[random_.below(peers_.size())];
    p.state = serving;
    arbiter_.seen(p.id, named(p.stage), p.state, now_);
  }

  bool leave() {
    if (peers_.empty()) return false;
    auto& p = peers_[random_.below(peers_.size())];
    if (!p.grant) return false;
    const auto grant = *p.grant;
    p.grant.reset();
    if (p.state != p.asked_as || now_ >= grant.leave_before || random_.unit() < 0.3) return false;
    const auto source = p.stage;
    const auto was_serving = p.state == serving;
    const auto deaths = p.deaths_at_grant;
    p.id.incarnation = p.id.incarnation.next();
    p.stage = static_cast<size_t>(grant.what.to.value());
    p.state = joining;
    ++moves;
    if (random_.unit() < 0.5) arbiter_.seen(p.id, named(p.stage), joining, now_);
    if (!was_serving || deaths_[source] != deaths) return false;
    return std::none_of(peers_.begin(), peers_.end(), [&](const peer& other) {
      return other.stage == source && other.state == serving;
    });
  }

  splitmix64 random_;
  seconds now_{0};
  size_t stages_;
  move_arbiter arbiter_;
  uint64_t ids_ = 0;
  std::vector<peer> peers_;
  std::map<size_t, size_t> deaths_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(no_grant_ever_empties_a_stage) {
  size_t moves = 0;
  for (uint64_t seed = 1; seed <= 10'000; ++seed) {
    little_world world{seed};
    for (int i = 0; i < 600; ++i)
      if (world.step()) BOOST_FAIL("a granted move emptied a stage, seed " << seed);
    moves += world.moves;
  }
  BOOST_TEST(moves > 50'000U);
}
