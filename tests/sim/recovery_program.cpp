#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <vector>

#include "experiments/stopwatch.hpp"
#include "tests/sim/recovery.hpp"
#include "tests/sim/tally.hpp"
#include "tools/options/option_table.hpp"
#include "tools/report/table.hpp"

// What one death in the middle of a step costs: tests/sim/README.md.

namespace {

using namespace swarm;
using namespace swarm::campaign;

/// More than a step of these swarms can take.
constexpr double saved_bytes_enough = 1e6;

struct settings {
  int64_t seeds = 1000;
  int64_t first_seed = 1;
  int64_t trainers = 1;
  double saved_bytes = 1e6;
  bool json = false;
};

using record_field = uint64_t recovery_record::*;

struct quantity {
  const char* name;
  record_field field;
};

const std::vector<quantity>& quantities() {
  static const std::vector<quantity> table{
      {"held by the dead worker: gradients", &recovery_record::held},
      {"held by the dead worker: microbatches forwarded", &recovery_record::forwarded},
      {"again at its stage: gradients", &recovery_record::gradients_there},
      {"again at its stage: forwards", &recovery_record::forwards_there},
      {"again at other stages: gradients", &recovery_record::gradients_elsewhere},
      {"again at other stages: forwards", &recovery_record::forwards_elsewhere},
  };
  return table;
}

std::vector<double> values_of(const std::vector<recovery_record>& records, record_field field) {
  std::vector<double> result;
  for (const auto& r : records)
    result.push_back(static_cast<double>(r.*field));
  return result;
}

void print(const std::vector<recovery_record>& records) {
  tools::table table{{"per death", "p50", "p99", "max", "total"}};
  for (const auto& [name, field] : quantities()) {
    const auto values = values_of(records, field);
    double total = 0;
    for (const double value : values)
      total += value;
    table.add({name, tools::fixed(percentile(values, 50), 0),
               tools::fixed(percentile(values, 99), 0), tools::fixed(percentile(values, 100), 0),
               grouped(static_cast<uint64_t>(total))});
  }
  std::vector<double> recover_s;
  for (const auto& r : records)
    recover_s.push_back(r.recover_s);
  table.add({"seconds to the next commit", tools::fixed(percentile(recover_s, 50), 2),
             tools::fixed(percentile(recover_s, 99), 2),
             tools::fixed(percentile(recover_s, 100), 2), "-"});
  std::cout << table.text();
}

int run(const settings& s) {
  const experiments::stopwatch watch;
  const bool saved = s.saved_bytes >= saved_bytes_enough;
  std::vector<recovery_record> records;
  uint64_t beyond = 0;
  uint64_t holding = 0;
  uint64_t violated = 0;
  for (int64_t i = 0; i < s.seeds; ++i) {
    const auto seed = static_cast<uint64_t>(s.first_seed + i);
    auto r = measure_recovery({seed, s.trainers, s.saved_bytes});
    if (!r.run.findings.empty()) {
      ++violated;
      std::cout << "seed " << seed << ": " << r.run.findings.front().rule << ": "
                << r.run.findings.front().what << "\n";
    }
    if (!r.killed) continue;
    holding += r.held > 0 ? 1 : 0;
    if (!r.bounded_there() || !r.bounded_elsewhere(saved)) {
      if (++beyond <= violations_shown_max)
        std::cout << "seed " << seed << " is beyond the bound: held " << r.held << ", forwarded "
                  << r.forwarded << "; again " << r.gradients_there << " and " << r.forwards_there
                  << " at stage " << r.stage << ", " << r.gradients_elsewhere << " and "
                  << r.forwards_elsewhere << " elsewhere\n";
    }
    records.push_back(std::move(r));
  }
  print(records);
  std::cout << records.size() << " deaths, " << holding << " of them with gradients in hand, "
            << beyond << " beyond the bound, " << violated << " violations, wall time "
            << tools::fixed(watch.seconds(), 1) << " s\n";
  if (s.json) {
    nlohmann::json numbers{
        {"deaths", records.size()}, {"beyond_the_bound", beyond}, {"violated", violated}};
    for (const auto& [name, field] : quantities())
      numbers["quantities"][name] = {{"p50", percentile(values_of(records, field), 50)},
                                     {"max", percentile(values_of(records, field), 100)}};
    std::cout << numbers.dump() << "\n";
  }
  return beyond == 0 && violated == 0 ? tools::exit_success : tools::exit_failure;
}

}  // namespace

int main(int argc, char** argv) {
  settings s;
  tools::option_table table{"recovery", "Counts the work that one worker's death causes."};
  table.add(s.seeds, "seeds", "how many runs", "runs", 1, 10'000'000)
      .add(s.first_seed, "first-seed", "seed of the first run", "", 0, INT64_MAX / 4)
      .add(s.trainers, "trainers", "trainers of the swarm", "trainers", 1, 4)
      .add(s.saved_bytes, "saved-bytes", "what a trainer may keep of a step", "bytes", 0, 1e12)
      .add(s.json, "json", "print the numbers as a JSON object on the last line");
  return tools::run_main(argc, argv, table, [&] { return run(s); });
}
