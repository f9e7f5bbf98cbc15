#include "experiments/dht_claims.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "experiments/dht_simulation.hpp"

namespace swarm::experiments {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr milliseconds join_step{20};
constexpr milliseconds settling{30'000};
constexpr milliseconds between_calls{50};
constexpr milliseconds lifetime{4 * 3'600'000};

double to_seconds(simulation::moment time) {
  return std::chrono::duration<double>(time).count();
}

double quantile(std::vector<double>& values, double q) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto rank = std::ceil(q * static_cast<double>(values.size()));
  return values[static_cast<size_t>(std::max(rank, 1.0)) - 1];
}

struct totals {
  uint64_t requests = 0;  ///< of lookups, and with records
  uint64_t upkeep = 0;
  uint64_t lookups = 0;
  uint64_t hops = 0;
  uint64_t contacts = 0;
};

class campaign {
 public:
  campaign(const dht_run& run, const std::function<void(const std::string&)>& tell)
      : run_(run), tell_(tell), random_(run.seed + 77), simulation_(options(run)) {}

  dht_findings go() {
    grow();
    publish();
    tell_("reading");
    findings_.calm = read();
    finish_hops();
    die();
    tell_("reading again");
    findings_.deadly = read();
    findings_.virtual_seconds = to_seconds(simulation_.world().now());
    findings_.messages = simulation_.world().delivered();
    findings_.hash = simulation_.world().hash();
    return findings_;
  }

 private:
  static dht_simulation_options options(const dht_run& run) {
    dht_simulation_options result;
    result.seed = run.seed;
    result.path.latency = 20ms;
    result.path.jitter = 10ms;
    return result;
  }

  totals count() {
    totals sum;
    for (const auto node : living_) {
      const auto status = simulation_.status(node);
      sum.requests += status.counted.lookup_queries + status.counted.stores;
      sum.upkeep += status.counted.challenges + status.counted.checks;
      sum.lookups += status.counted.lookups;
      sum.hops += status.counted.lookup_hops;
      sum.contacts += status.contacts;
    }
    return sum;
  }

  void grow() {
    tell_("joining");
    simulation_.grow(run_.nodes, join_step);
    for (size_t n = 0; n < run_.nodes; ++n)
      living_.push_back(n);
    simulation_.world().run_for(settling);
    before_calls_ = count();
    const auto nodes = static_cast<double>(run_.nodes);
    findings_.hops_allowed = std::log2(nodes) / 2 + 1;
  }

  double requests_since(const totals& before, size_t calls) {
    return static_cast<double>(count().requests - before.requests) / static_cast<double>(calls);
  }

  void publish() {
    tell_("publishing");
    const auto before = count();
    std::vector<pending_ptr<uint32_t>> calls;
    for (size_t i = 0; i < run_.records; ++i) {
      const auto name = "key " + std::to_string(i / run_.owners_per_key);
      auto owner = random_.below(run_.nodes);
      while (!owners_[name].insert(owner).second)
        owner = random_.below(run_.nodes);
      calls.push_back(
          simulation_.put(owner, {dht::key_of(name), "", value_of(name, owner), lifetime}));
      simulation_.world().run_for(between_calls);
    }
    std::vector<double> seconds;
    double stored = 0;
    for (const auto& call : calls) {
      if (!simulation_.wait(call)) {
        ++findings_.puts_failed;
        continue;
      }
      stored += *call->value;
      seconds.push_back(to_seconds(call->answered - call->asked));
    }
    // The rest is stored in the background.
    simulation_.world().run_for(2s);
    findings_.stored_per_put = stored / static_cast<double>(calls.size());
    findings_.requests_per_put = requests_since(before, calls.size());
    findings_.put_median_seconds = quantile(seconds, 0.5);
    findings_.put_p99_seconds = quantile(seconds, 0.99);
  }

  static std::string value_of(const std::string& name, size_t owner) {
    return name + " of owner " + std::to_string(owner);
  }

  dht_reads read() {
    dht_reads result;
    const auto before = count();
    struct call {
      std::string name;
      pending_ptr<dht::found_records> answer;
    };
    std::vector<call> calls;
    const auto keys = (run_.records + run_.owners_per_key - 1) / run_.owners_per_key;
    for (size_t i = 0; i < run_.reads; ++i) {
      const auto name = "key " + std::to_string(random_.below(keys));
      const auto reader = living_[random_.below(living_.size())];
      calls.push_back({name, simulation_.get(reader, {dht::key_of(name)})});
      simulation_.world().run_for(between_calls);
    }
    std::vector<double> seconds;
    for (const auto& c : calls) {
      simulation_.wait(c.answer);
      check(c.name, *c.answer, result);
      seconds.push_back(to_seconds(c.answer->answered - c.answer->asked));
    }
    result.requests_per_read = requests_since(before, calls.size());
    result.median_seconds = quantile(seconds, 0.5);
    result.p99_seconds = quantile(seconds, 0.99);
    return result;
  }

  void check(const std::string& name, const pending<dht::found_records>& answer,
             dht_reads& result) {
    const auto& owners = owners_.at(name);
    result.expected += owners.size();
    if (!answer.value) return;
    std::set<dht::public_key> found;
    for (const auto& record : answer.value->records) {
      const auto owner = std::find_if(owners.begin(), owners.end(), [&](size_t candidate) {
        return simulation_.key_of(candidate).open_half() == record.owner;
      });
      const bool genuine = owner != owners.end() && record.value == value_of(name, *owner);
      if (genuine && found.insert(record.owner).second) {
        ++result.found;
      } else {
        ++result.false_records;
      }
    }
  }

  void finish_hops() {
    const auto after = count();
    findings_.mean_hops = static_cast<double>(after.hops - before_calls_.hops) /
                          static_cast<double>(after.lookups - before_calls_.lookups);
    const auto nodes = static_cast<double>(run_.nodes);
    findings_.mean_contacts = static_cast<double>(after.contacts) / nodes;
    findings_.upkeep_per_node_and_second =
        static_cast<double>(after.upkeep) / nodes / to_seconds(simulation_.world().now());
  }

  void die() {
    tell_("dying");
    const auto deaths = static_cast<size_t>(run_.dead * static_cast<double>(run_.nodes));
    for (size_t i = 0; i < deaths; ++i) {
      const auto victim = random_.below(living_.size());
      simulation_.kill(living_[victim]);
      living_[victim] = living_.back();
      living_.pop_back();
    }
  }

  dht_run run_;
  std::function<void(const std::string&)> tell_;
  splitmix64 random_;
  dht_simulation simulation_;
  dht_findings findings_;
  std::vector<size_t> living_;
  std::map<std::string, std::set<size_t>> owners_;
  totals before_calls_;
};

}  // namespace

dht_findings measure_dht(const dht_run& run, const std::function<void(const std::string&)>& tell) {
  return campaign{run, tell}.go();
}

}  // namespace swarm::experiments
