// The distributed hash table: how many records are found, also after a third of its nodes has
// died, over how many hops and with how many messages, in virtual time with the production actors;
// and how long a put and a get take over loopback, beside OpenDHT.

#include <cstdio>
#include <nlohmann/json.hpp>

#include "experiments/dht_claims.hpp"
#include "experiments/dht_latency.hpp"
#include "experiments/program.hpp"
#include "experiments/stopwatch.hpp"
#include "tools/options/option_table.hpp"
#include "tools/report/result_file.hpp"
#include "tools/report/table.hpp"

namespace {

using namespace swarm;

constexpr double found_calm_min = 0.999;
constexpr double found_deadly_min = 0.99;

struct dht_options {
  tools::run_options run;  ///< out, json, check and smoke
  int64_t seed = 1;
  int64_t nodes = 1'000;
  int64_t records = 1'000;
  int64_t owners = 4;
  int64_t reads = 1'000;
  double dead = 0.3;
  int64_t live_nodes = 64;
  int64_t operations = 1'000;
  int64_t warm_up = 1'000;
  int64_t value_bytes = 64;
};

std::string percent(double share) {
  return tools::fixed(100 * share, 3);
}

std::string ms(double seconds) {
  return tools::fixed(1'000 * seconds, 0);
}

void print(const experiments::dht_findings& found, const dht_options& options) {
  tools::table rows{{"phase", "records found %", "requests per call", "p50 ms", "p99 ms"}};
  rows.add({"put", "-", tools::fixed(found.requests_per_put, 1), ms(found.put_median_seconds),
            ms(found.put_p99_seconds)});
  const auto add = [&](const std::string& name, const experiments::dht_reads& reads) {
    rows.add({name, percent(reads.share()), tools::fixed(reads.requests_per_read, 1),
              ms(reads.median_seconds), ms(reads.p99_seconds)});
  };
  add("get", found.calm);
  add("get, " + percent(options.dead) + " % just died", found.deadly);
  std::fputs(rows.text().c_str(), stdout);
  std::printf("%lld nodes, %.1f contacts each; mean hops %.2f, log2(n)/2 + 1 = %.2f\n",
              static_cast<long long>(options.nodes), found.mean_contacts, found.mean_hops,
              found.hops_allowed);
  std::printf("%.0f s of virtual time, %llu messages; upkeep: %.2f requests per node and second\n",
              found.virtual_seconds, static_cast<unsigned long long>(found.messages),
              found.upkeep_per_node_and_second);
}

nlohmann::json to_json(const experiments::dht_reads& reads) {
  return {{"expected", reads.expected},          {"found", reads.found},
          {"false", reads.false_records},        {"requests_per_read", reads.requests_per_read},
          {"p50_seconds", reads.median_seconds}, {"p99_seconds", reads.p99_seconds}};
}

nlohmann::json to_json(const experiments::dht_findings& found) {
  return {{"calm", to_json(found.calm)},
          {"deadly", to_json(found.deadly)},
          {"puts_failed", found.puts_failed},
          {"stored_per_put", found.stored_per_put},
          {"requests_per_put", found.requests_per_put},
          {"put_p50_seconds", found.put_median_seconds},
          {"put_p99_seconds", found.put_p99_seconds},
          {"mean_hops", found.mean_hops},
          {"hops_allowed", found.hops_allowed},
          {"mean_contacts", found.mean_contacts},
          {"upkeep_per_node_and_second", found.upkeep_per_node_and_second},
          {"virtual_seconds", found.virtual_seconds},
          {"messages", found.messages},
          {"hash", found.hash}};
}

using teller = std::function<void(const std::string&)>;

experiments::dht_findings simulate(const dht_options& options, const teller& tell) {
  experiments::dht_run what;
  what.seed = static_cast<uint64_t>(options.seed);
  what.nodes = static_cast<size_t>(options.nodes);
  what.records = static_cast<size_t>(options.records);
  what.owners_per_key = static_cast<size_t>(options.owners);
  what.reads = static_cast<size_t>(options.reads);
  what.dead = options.dead;
  return experiments::measure_dht(what, tell);
}

std::vector<experiments::claim> judge(const experiments::dht_findings& found) {
  using of = experiments::claim_of;
  return {{"with nobody dead at least 99.9 % of the unexpired records are found",
           found.calm.share() >= found_calm_min, of::both_sizes},
          {"right after the deaths at least 99 % of them are found",
           found.deadly.share() >= found_deadly_min, of::both_sizes},
          {"no record is found that nobody published",
           found.calm.false_records + found.deadly.false_records == 0, of::any_size},
          {"every put is stored", found.puts_failed == 0, of::any_size},
          {"a lookup takes at most log2(n)/2 + 1 hops in the mean",
           found.mean_hops <= found.hops_allowed, of::both_sizes}};
}

// -- over loopback ----------------------------------------------------------------------------

std::vector<const experiments::latency_pair*> pairs(const experiments::latency_findings& found) {
  return {&found.put, &found.put_signed, &found.get_first, &found.get_all};
}

std::string fine_ms(const experiments::call_seconds& calls, double q) {
  return calls.all.empty() ? "-" : tools::fixed(1'000 * calls.quantile(q), 2);
}

void print(const experiments::latency_findings& found, const dht_options& options) {
  tools::table rows{{"call", "p50 ms", "OpenDHT p50", "p99 ms", "OpenDHT p99"}};
  for (const auto* pair : pairs(found))
    rows.add({pair->what, fine_ms(pair->ours, 0.5), fine_ms(pair->opendht, 0.5),
              fine_ms(pair->ours, 0.99), fine_ms(pair->opendht, 0.99)});
  std::fputs(rows.text().c_str(), stdout);
  std::printf("%lld nodes over loopback, %lld calls of each kind, %lld bytes, 8 copies confirmed\n",
              static_cast<long long>(options.live_nodes),
              static_cast<long long>(options.operations),
              static_cast<long long>(options.value_bytes));
  if (!found.alone.empty()) std::printf("no comparison: %s\n", found.alone.c_str());
}

nlohmann::json to_json(const experiments::call_seconds& calls) {
  return {{"calls", calls.all.size()},
          {"failed", calls.failed},
          {"p50_seconds", calls.quantile(0.5)},
          {"p99_seconds", calls.quantile(0.99)}};
}

nlohmann::json to_json(const experiments::latency_findings& found) {
  nlohmann::json result;
  for (const auto* pair : pairs(found)) {
    result[pair->what]["ours"] = to_json(pair->ours);
    if (found.alone.empty()) result[pair->what]["opendht"] = to_json(pair->opendht);
  }
  return result;
}

std::vector<experiments::claim> judge(const experiments::latency_findings& found,
                                      const dht_options& options) {
  std::vector<experiments::claim> claims;
  size_t failed = 0;
  for (const auto* pair : pairs(found))
    failed += pair->ours.failed;
  claims.push_back({"over loopback every put is stored and every get finds it", failed == 0,
                    experiments::claim_of::any_size});
  // A few calls say nothing of a 99th percentile.
  if (!found.alone.empty() || options.run.smoke) return claims;
  for (const auto* pair : {&found.put_signed, &found.get_first, &found.get_all})
    claims.push_back(
        {std::string{"not slower than OpenDHT: "} + pair->what, pair->ours_is_not_slower()});
  return claims;
}

int run(const dht_options& options, const tools::option_table& table) {
  if (!options.run.out.empty()) {
    if (auto failure = tools::prepare_folder(options.run.out)) {
      std::fprintf(stderr, "--out: %s\n", failure->c_str());
      return tools::exit_usage;
    }
  }
  const experiments::stopwatch watch;
  const auto tell = [&](const std::string& now) {
    std::fprintf(stderr, "%6.1f s: %s\n", watch.seconds(), now.c_str());
  };
  const auto simulated = simulate(options, tell);
  print(simulated, options);
  nlohmann::json results{{"simulated", to_json(simulated)}};
  auto claims = judge(simulated);
  if (options.live_nodes > 0) {
    experiments::latency_run what;
    what.nodes = static_cast<size_t>(options.live_nodes);
    what.operations = static_cast<size_t>(options.operations);
    what.warm_up = static_cast<size_t>(options.warm_up);
    what.value_bytes = static_cast<size_t>(options.value_bytes);
    what.seed = static_cast<uint64_t>(options.seed);
    const auto measured = experiments::measure_latencies(what, tell);
    if (const auto* sentence = std::get_if<std::string>(&measured)) {
      claims.push_back(
          {"nodes start on loopback: " + *sentence, false, experiments::claim_of::any_size});
    } else {
      const auto& live = std::get<experiments::latency_findings>(measured);
      print(live, options);
      results["loopback"] = to_json(live);
      for (auto& claim : judge(live, options))
        claims.push_back(std::move(claim));
    }
  }
  return experiments::conclude("dht", table, options.run, results, claims);
}

void declare(tools::option_table& table, dht_options& options) {
  table.add(options.seed, "seed", "Of everything that is drawn.", "", 0, INT64_MAX)
      .add(options.nodes, "nodes", "Simulated nodes.", "nodes", 2, 100'000)
      .add(options.records, "records", "Records that are published.", "records", 1, 1'000'000)
      .add(options.owners, "owners", "Owners that publish under one key.", "owners", 1, 500)
      .add(options.reads, "reads", "Keys that are read before and after the deaths.", "reads", 1,
           1'000'000)
      .add(options.dead, "dead", "The share of nodes that dies at one moment.", "", 0.0, 0.9)
      .add(options.live_nodes, "live-nodes",
           "Nodes over loopback; a connection for every two of them. 0: none.", "nodes", 0, 128)
      .add(options.operations, "operations", "Calls of each kind over loopback.", "calls", 1,
           1'000'000)
      .add(options.warm_up, "warm-up", "Such calls before, not measured.", "calls", 0, 1'000'000)
      .add(options.value_bytes, "value-bytes", "Of the values over loopback.", "bytes", 1, 8'192)
      .add(options.run.out, "out", "Folder for the results; empty: none are written.", "folder")
      .add(options.run.json, "json", "Print the results as one line of JSON at the end.")
      .add(options.run.check, "check", "Fail when a claim does not hold.")
      .add(options.run.smoke, "smoke", "The small size of the test suite.")
      .add_preset("smoke", {"--nodes=60", "--records=60", "--reads=60", "--live-nodes=8",
                            "--operations=10", "--warm-up=10"})
      .add_check([&]() -> std::optional<std::string> {
        if (options.owners <= options.nodes) return std::nullopt;
        return "--owners must not be more than --nodes: every owner is a node.";
      });
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  dht_options options;
  tools::option_table table{"dht",
                            "What the distributed hash table finds, how fast and at what "
                            "cost."};
  declare(table, options);
  return tools::run_main(argc, argv, table, [&] { return run(options, table); });
}
