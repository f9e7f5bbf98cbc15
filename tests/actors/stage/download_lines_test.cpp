#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <functional>
#include <map>
#include <queue>
#include <random>
#include <vector>

#include "actors/stage/download.hpp"
#include "tests/actors/stage/download_rig.hpp"

/// A download over lines of given rates and delays, from donors that fail: a small world with time.

namespace {

using namespace swarm;
using namespace swarm::stage;
using namespace swarm::testing;
using verdict = download::verdict;

constexpr double second = 1;

/// A donor: how it is connected, and what becomes of it.
struct donor_model {
  double bytes_per_s = 25e6;
  double delay_s = 0.05;  ///< one way
  double dies_at_s = 1e9;
  double stalls_from_s = 1e9;  ///< answers nothing until
  double stalls_until_s = 1e9;
  bool lies = false;
  bool leaves_roster = true;  ///< when it dies others are told
};

class world {
 public:
  world(download_options options, std::vector<donor_model> donors, double line_bytes_per_s = 1e9)
      : elements_(options.elements),
        d_(options),
        donors_(std::move(donors)),
        free_s_(donors_.size(), 0.0),
        line_bytes_per_s_(line_bytes_per_s),
        content_(d_.shards(), at(-1)) {
    for (size_t i = 0; i < donors_.size(); ++i) {
      d_.add(donor(i));
      if (donors_[i].dies_at_s < 1e9 && donors_[i].leaves_roster)
        after(donors_[i].dies_at_s + 0.01, [this, i] { d_.remove(donor(i)); });
    }
  }

  /// Every so often the stage makes a step; the receiver hears of it with this probability.
  void step_every(double period_s, double heard, uint64_t seed) {
    random_.seed(seed);
    next_step(period_s, heard);
  }

  /// Until it is complete at what the stage stands at, or the time is over.
  bool run(double until_s) {
    pump();
    while (!events_.empty() && events_.top().at_s <= until_s) {
      const auto event = events_.top();
      events_.pop();
      now_s_ = event.at_s;
      event.what();
      pump();
      BOOST_REQUIRE(open_bytes_ <= window_bytes_max);
      if (d_.complete() == stage_) return true;
    }
    return false;
  }

  download& machine() { return d_; }
  double now_s() const { return now_s_; }
  size_t asked(size_t shard) const {
    const auto found = asked_.find(shard);
    return found == asked_.end() ? 0 : found->second;
  }
  uint64_t state_bytes() const { return elements_ * element_state_bytes; }
  uint64_t questions() const { return questions_; }
  /// Whether every element has had every step, exactly once.
  bool content_is(weights_id weights) const {
    return std::all_of(content_.begin(), content_.end(),
                       [&](const auto& w) { return w == weights; });
  }

 private:
  struct event {
    double at_s;
    uint64_t order;
    std::function<void()> what;
    bool operator<(const event& other) const {
      return at_s != other.at_s ? at_s > other.at_s : order > other.order;
    }
  };

  void after(double at_s, std::function<void()> what) {
    events_.push({at_s, ++order_, std::move(what)});
  }

  void pump() {
    d_.expire(now_s_);
    for (const auto& q : d_.ask(now_s_))
      send(q);
    const auto wakes_s = d_.wakes_at_s();
    if (wakes_s && *wakes_s > now_s_ && *wakes_s < wakes_s_) {
      wakes_s_ = *wakes_s;
      after(*wakes_s, [this] { wakes_s_ = 1e18; });
    }
  }

  void send(const download::question& q) {
    ++asked_[q.shard];
    ++questions_;
    open_bytes_ += q.range.count * element_state_bytes;
    const auto i = static_cast<size_t>(q.donor.peer.value());
    const auto& model = donors_[i];
    const double bytes = static_cast<double>(q.range.count * element_state_bytes);
    double begins_s = std::max(free_s_[i], now_s_ + model.delay_s);
    if (begins_s >= model.stalls_from_s && begins_s < model.stalls_until_s)
      begins_s = model.stalls_until_s;
    const double sent_s = begins_s + bytes / model.bytes_per_s;
    free_s_[i] = sent_s;
    if (sent_s > 1e8 || sent_s >= model.dies_at_s) return;
    // The donor reads its weights when it begins to send.
    after(begins_s, [this, q, sent_s, bytes, delay_s = model.delay_s, lies = model.lies] {
      auto a = right(q, elements_, stage_);
      if (lies) a.bytes /= 2;
      line_s_ = std::max(line_s_, sent_s + delay_s) + bytes / line_bytes_per_s_;
      after(line_s_, [this, q, a] { arrive(q, a); });
    });
  }

  void arrive(const download::question& q, const download::answer& a) {
    open_bytes_ -= std::min(open_bytes_, q.range.count * element_state_bytes);
    if (d_.answered(q.number, a, now_s_) != verdict::taken) return;
    content_[q.shard] = a.weights;
    d_.placed(q.shard);
  }

  void next_step(double period_s, double heard) {
    after(now_s_ + period_s, [=] {
      const auto before = stage_;
      stage_ = stage_.next();
      if (std::uniform_real_distribution<>{}(random_) < heard) {
        for (const auto& run : d_.advance(before, stage_))
          for (size_t s = 0; s < content_.size(); ++s)
            if (run.first <= d_.range(s).first && d_.range(s).first < run.first + run.count) {
              BOOST_REQUIRE(content_[s] == before);
              content_[s] = stage_;
            }
      }
      d_.require(stage_);
      next_step(period_s, heard);
    });
  }

  static constexpr uint64_t window_bytes_max = uint64_t{1} << 30;
  uint64_t elements_;
  download d_;
  std::vector<donor_model> donors_;
  std::vector<double> free_s_;
  double line_bytes_per_s_;
  double line_s_ = 0;
  double now_s_ = 0;
  double wakes_s_ = 1e18;
  uint64_t order_ = 0;
  uint64_t questions_ = 0;
  uint64_t open_bytes_ = 0;
  weights_id stage_ = at(3);
  std::vector<weights_id> content_;
  std::map<size_t, size_t> asked_;
  std::priority_queue<event> events_;
  std::mt19937_64 random_;
};

constexpr uint64_t large = uint64_t{100} << 20;  ///< elements: 1.26 GB of state
constexpr uint64_t shard = uint64_t{256} << 10;  ///< elements: 3 MiB of state

}  // namespace

BOOST_AUTO_TEST_CASE(nothing_is_asked_twice_while_nothing_fails) {
  for (size_t donors = 1; donors <= 5; ++donors) {
    std::vector<donor_model> models(donors);
    for (size_t i = 0; i < donors; ++i) {
      models[i].bytes_per_s = 1e6 * static_cast<double>(1 + 13 * i);
      models[i].delay_s = 0.01 * static_cast<double>(1 + i);
    }
    world w{options_of(large / 8, shard / 4), models};
    BOOST_TEST(w.run(3600 * second));
    BOOST_TEST(w.questions() == w.machine().shards());
    BOOST_TEST(w.machine().received_bytes() == w.state_bytes());
    BOOST_TEST(w.content_is(at(3)));
  }
}

BOOST_AUTO_TEST_CASE(a_long_line_is_full) {
  for (const double delay_s : {0.001, 0.05, 0.25}) {
    donor_model far;
    far.delay_s = delay_s;
    world w{options_of(large, shard), {far}};
    BOOST_TEST(w.run(3600 * second));
    const double line_s = static_cast<double>(w.state_bytes()) / far.bytes_per_s;
    BOOST_TEST(w.now_s() < 1.1 * line_s);
  }
}

BOOST_AUTO_TEST_CASE(several_donors_fill_the_receivers_line) {
  std::vector<donor_model> models(4);
  for (auto& m : models)
    m.bytes_per_s = 10e6;
  world w{options_of(large, shard), models, 25e6};
  BOOST_TEST(w.run(3600 * second));
  BOOST_TEST(w.now_s() < 1.1 * static_cast<double>(w.state_bytes()) / 25e6);
}

BOOST_AUTO_TEST_CASE(a_donors_death_costs_what_was_on_its_way) {
  for (const bool told : {true, false}) {
    for (const double share : {0.01, 0.1, 0.5, 0.9, 0.99}) {
      std::vector<donor_model> models(2);
      const double line_s = static_cast<double>(large * element_state_bytes) / 50e6;
      models[0].dies_at_s = share * line_s;
      models[0].leaves_roster = told;
      world w{options_of(large, shard), models};
      BOOST_TEST(w.run(3600 * second));
      BOOST_TEST(w.machine().received_bytes() <= w.state_bytes() + w.state_bytes() / 10);
      BOOST_TEST(w.questions() < w.machine().shards() * 11 / 10);
      // All that the dead one had left to send comes from the other.
      BOOST_TEST(w.now_s() < 1.1 * line_s * (2 - share) + 5);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_stalled_donor_costs_a_multiple_of_its_own_pace) {
  std::vector<donor_model> models(2);
  const double line_s = static_cast<double>(large * element_state_bytes) / 50e6;
  models[0].stalls_from_s = line_s / 2;
  world w{options_of(large, shard), models};
  BOOST_TEST(w.run(3600 * second));
  BOOST_TEST(w.now_s() < 1.1 * 1.5 * line_s + 5);
}

BOOST_AUTO_TEST_CASE(a_pause_of_the_only_donor_is_survived) {
  donor_model only;
  only.stalls_from_s = 5;
  only.stalls_until_s = 65;
  auto options = options_of(large, shard);
  options.only = at(3);
  world w{options, {only}};
  BOOST_TEST(w.run(3600 * second));
  BOOST_TEST(w.now_s() < 1.1 * static_cast<double>(w.state_bytes()) / only.bytes_per_s + 60 + 30);
}

BOOST_AUTO_TEST_CASE(a_liar_among_donors_costs_a_few_answers) {
  std::vector<donor_model> models(3);
  models[1].lies = true;
  world w{options_of(large / 8, shard / 4), models};
  BOOST_TEST(w.run(3600 * second));
  BOOST_TEST(w.questions() <= w.machine().shards() + 3 * wrong_answers_max);
  BOOST_TEST(w.content_is(at(3)));
}

BOOST_AUTO_TEST_CASE(no_more_is_on_its_way_than_the_limit) {
  auto options = options_of(large, shard);
  options.window_bytes_max = 4 * shard * element_state_bytes;
  std::vector<donor_model> models(8);
  for (auto& m : models)
    m.delay_s = 1;
  world w{options, models};
  BOOST_TEST(w.machine().ask(0).size() == 4U);
}

BOOST_AUTO_TEST_CASE(it_says_how_far_it_is) {
  donor_model line;
  world w{options_of(large, shard), {line}};
  const double line_s = static_cast<double>(w.state_bytes()) / line.bytes_per_s;
  BOOST_TEST(!w.run(line_s / 2));
  const auto status = w.machine().status();
  BOOST_TEST(status.total_bytes == w.state_bytes());
  BOOST_TEST(static_cast<double>(status.done_bytes) == static_cast<double>(w.state_bytes()) / 2,
             boost::test_tools::tolerance(0.1));
  BOOST_TEST(status.bytes_per_s == line.bytes_per_s, boost::test_tools::tolerance(0.1));
  BOOST_REQUIRE(status.rest_s.has_value());
  BOOST_TEST(*status.rest_s == line_s / 2, boost::test_tools::tolerance(0.1));
}

BOOST_AUTO_TEST_CASE(a_download_of_many_steps_is_done_in_the_time_of_the_download) {
  donor_model line;
  world w{options_of(large, shard), {line}};
  w.step_every(7, 1, 1);
  BOOST_TEST(w.run(3600 * second));
  const double line_s = static_cast<double>(w.state_bytes()) / line.bytes_per_s;
  BOOST_TEST(w.now_s() < 1.1 * line_s);
  BOOST_TEST(w.machine().received_bytes() <= w.state_bytes() + w.state_bytes() / 10);
}

// -- anything may happen --------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(whatever_happens_to_donors_the_state_comes_whole) {
  std::mt19937_64 random{20240611};
  const auto chance = [&](double p) { return std::uniform_real_distribution<>{}(random) < p; };
  const auto between = [&](double a, double b) {
    return std::uniform_real_distribution<>{a, b}(random);
  };
  for (int run = 0; run < 400; ++run) {
    const auto shards = 1 + random() % 60;
    const auto elements = shards * 100 - random() % 100;
    std::vector<donor_model> models(1 + random() % 5);
    for (size_t i = 0; i < models.size(); ++i) {
      auto& m = models[i];
      m.bytes_per_s = between(100, 20'000);
      m.delay_s = between(0, 0.3);
      if (i == 0) continue;  // somebody lives
      if (chance(0.4)) m.dies_at_s = between(0, 20);
      m.leaves_roster = chance(0.5);
      if (chance(0.3)) {
        m.stalls_from_s = between(0, 10);
        m.stalls_until_s = chance(0.5) ? 1e9 : m.stalls_from_s + between(0, 60);
      }
      m.lies = chance(0.2);
    }
    auto options = options_of(elements, 100);
    options.seed = random();
    options.window_bytes_max = 1200 * (1 + random() % 20);
    world w{options, models, between(2'000, 100'000)};
    const bool steps = chance(0.5);
    // Long enough for the slowest donor to send the state between two steps that are not heard of.
    if (steps) w.step_every(between(300, 600) * (chance(0.5) ? 1 : 3), chance(0.5) ? 1 : 0.7, run);
    BOOST_REQUIRE_MESSAGE(w.run(200'000), "run " << run << " does not end");
    BOOST_REQUIRE_MESSAGE(w.content_is(*w.machine().complete()), "run " << run);
    BOOST_REQUIRE(w.machine().status().done_bytes == w.state_bytes());
  }
}
