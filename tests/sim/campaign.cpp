#include <fstream>
#include <iostream>
#include <sstream>

#include "actors/simulation/swarm_run.hpp"

using namespace swarm::simulation;

int main(int argc, char** argv) {
  std::ifstream in(argv[1]);
  std::stringstream text;
  text << in.rdbuf();
  std::string complaint;
  auto s = parse_scenario(argv[1], text.str(), complaint);
  if (!s) {
    std::cerr << complaint << "\n";
    return 2;
  }
  model_catalogue models{{"modelled", &make_modelled}};
  const auto first = std::stoul(argv[2]);
  const auto count = std::stoul(argv[3]);
  run_options options;
  if (argc > 4) options.trace = [](const std::string& line) { std::cout << line << "\n"; };
  std::map<std::string, uint64_t> events;
  std::map<std::string, uint64_t> faults;
  for (auto seed = first; seed < first + count; ++seed) {
    const auto r = simulate(*s, seed, models, options);
    for (auto& [k, v] : r.events)
      events[k] += v;
    for (auto& [k, v] : r.faults)
      faults[k] += v;
    if (!r.violations.empty() || count <= 3)
      std::cout << "seed " << seed << " hosts " << r.hosts << " version " << r.version
                << " virtual " << r.virtual_s << " messages " << r.messages << " faults "
                << r.faults_total() << " resume " << r.resume_s << " hash " << r.hash << " work "
                << r.work.added << "/" << r.work.needed << "\n";
    for (auto& v : r.violations)
      std::cout << "  " << to_string(v.rule) << " at " << v.time_s << ": " << v.what << "\n";
  }
  for (auto& [k, v] : events)
    std::cout << k << " " << v << "\n";
  for (auto& [k, v] : faults)
    std::cout << "fault " << k << " " << v << "\n";
}
