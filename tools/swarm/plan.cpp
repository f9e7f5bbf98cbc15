#include <chrono>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <variant>

#include "tools/options/option_table.hpp"
#include "tools/planner/fleet.hpp"
#include "tools/planner/plan.hpp"
#include "tools/planner/plan_report.hpp"
#include "tools/report/one_line.hpp"
#include "tools/report/result_file.hpp"
#include "tools/report/user_path.hpp"
#include "tools/swarm/commands.hpp"

namespace swarm::tools {

using namespace std::chrono_literals;

namespace {

constexpr double gibibyte = 1024.0 * 1024 * 1024;
constexpr double bytes_per_mbit = 1e6 / 8;
constexpr int64_t sizes_max = 65'536;
constexpr double numbers_max = 1e9;

struct plan_options {
  planner::question asked;
  std::string fleet;
  int64_t peers = 8;
  double gflops = 100;
  double memory_gib = 4;
  double up_mbit = 0;
  double down_mbit = 0;
  std::chrono::microseconds latency{0};
  double price = 0;
  double availability = 1;
  double hours = 0;
  double trainer_up_mbit = 0;
  double trainer_down_mbit = 0;
  std::chrono::microseconds trainer_latency{0};
  std::chrono::microseconds message{
      static_cast<int64_t>(planner::message_seconds_default * 1e6 + 0.5)};
  double byte_ns = planner::byte_seconds_default * 1e9;
  double step_ns = planner::step_seconds_per_parameter_default * 1e9;
  std::chrono::milliseconds call_timeout = 10s;
  bool json = false;
};

double seconds(std::chrono::duration<double> time) {
  return time.count();
}

int complain(const std::string& sentence, int code) {
  std::fprintf(stderr, "swarm plan: %s\n", one_line(sentence).c_str());
  return code;
}

void add_run(option_table& table, plan_options& options) {
  auto& work = options.asked.work;
  auto& model = work.model;
  table.add(model.layers, "layers", "Transformer blocks of the model.", "blocks", 1, 1'024)
      .add(model.heads, "heads", "Attention heads of a block; must divide --width.", "heads", 1,
           1'024)
      .add(model.width, "width", "Size of the hidden state.", "floats", 1, sizes_max)
      .add(model.context, "context", "Length of a sequence.", "tokens", 1, sizes_max)
      .add(model.vocabulary, "vocabulary", "Tokens the model knows.", "tokens", 1, sizes_max)
      .add(model.bias, "bias", "Biases in Linear and LayerNorm.")
      .add(model.tied_head, "tied-head", "The head shares the token embedding; needs --stages=1.")
      .add(work.reproducible, "reproducible", "Sums gradients in fixed point.")
      .add(work.rows, "rows", "Sequences of a microbatch.", "sequences", 1, sizes_max)
      .add(work.microbatches, "microbatches", "Microbatches of a step; the global batch.",
           "microbatches", 1, sizes_max)
      .add(options.asked.stages, "stages", "Pipeline stages; 0: as many as are fastest.", "stages",
           0, planner::stages_max)
      .add(work.trainers, "trainers", "Trainers.", "processes", 1, 1'024)
      .add(work.in_flight, "in-flight", "Microbatches of a trainer in the pipeline at a time.",
           "microbatches", 1, sizes_max)
      .add(options.asked.token_budget, "tokens", "Tokens to train; 0: no hours and no money.",
           "tokens", 0.0, 1e18);
}

void add_fleet(option_table& table, plan_options& options) {
  table
      .add(options.fleet, "fleet",
           "CSV file, a line per kind of peer; the options below then do not count.", "path")
      .add(options.peers, "peers", "Peers of a uniform fleet, without trainers.", "peers", 1,
           planner::peers_max)
      .add(options.gflops, "gflops", "What a peer sustains in training.", "GFLOP/s", 1e-3,
           numbers_max)
      .add(options.memory_gib, "memory", "What a peer has for its stage.", "GiB", 1e-3, 1e6)
      .add(options.up_mbit, "up", "A peer's upload; 0: no limit.", "Mbit/s", 0.0, numbers_max)
      .add(options.down_mbit, "down", "A peer's download; 0: no limit.", "Mbit/s", 0.0, numbers_max)
      .add(options.latency, "latency",
           "One way, from a peer to the middle: between two peers it counts twice.", 0us, 100s)
      .add(options.price, "price", "Of a peer, per hour.", "money", 0.0, numbers_max)
      .add(options.availability, "availability", "Share of the time that a peer is there.", "",
           1e-3, 1.0)
      .add(options.hours, "hours", "Mean time between a peer's preemptions; 0: never.", "hours",
           0.0, numbers_max)
      .add(options.trainer_up_mbit, "trainer-up", "A trainer's upload; 0: no limit.", "Mbit/s", 0.0,
           numbers_max)
      .add(options.trainer_down_mbit, "trainer-down", "A trainer's download; 0: no limit.",
           "Mbit/s", 0.0, numbers_max)
      .add(options.trainer_latency, "trainer-latency", "One way, to the middle.", 0us, 100s)
      .add(options.asked.trainer_price_per_hour, "trainer-price", "Of a trainer, per hour.",
           "money", 0.0, numbers_max)
      .add(options.asked.cores, "cores",
           "All processes share one machine with so many cores; 0: each has its own.", "cores", 0.0,
           4'096.0);
}

void add_costs(option_table& table, plan_options& options) {
  table.add(options.message, "message", "A core's time at either end of a message.", 0us, 10s)
      .add(options.byte_ns, "byte", "And of each of its bytes.", "ns", 0.0, 1e6)
      .add(options.step_ns, "step-cost",
           "A core's time per parameter and step: optimizer, norm, hashes.", "ns", 0.0, 1e6)
      .add(options.call_timeout, "call-timeout", "As train will be given it.", 100ms, 1h)
      .add(options.json, "json", "Prints the plan as one JSON object instead.");
}

std::variant<planner::fleet, std::string> fleet_of(const plan_options& options) {
  if (!options.fleet.empty()) {
    std::ifstream file{user_path(options.fleet)};
    std::ostringstream text;
    text << file.rdbuf();
    if (!file) return "--fleet: cannot read " + options.fleet + ".";
    auto read = planner::parse_fleet(text.str());
    if (const auto* why = std::get_if<std::string>(&read))
      return "--fleet: " + options.fleet + ", " + *why;
    return read;
  }
  planner::peer_kind kind;
  kind.name = "peer";
  kind.count = options.peers;
  kind.flop_per_s = options.gflops * 1e9;
  kind.memory_bytes = options.memory_gib * gibibyte;
  kind.up_bits_per_s = options.up_mbit * 1e6;
  kind.down_bits_per_s = options.down_mbit * 1e6;
  kind.latency_s = seconds(options.latency);
  kind.price_per_hour = options.price;
  kind.availability = options.availability;
  kind.hours_between_preemptions = options.hours;
  planner::complete(kind);
  return planner::fleet{kind};
}

int plan(plan_options& options) {
  auto peers = fleet_of(options);
  if (const auto* why = std::get_if<std::string>(&peers)) return complain(*why, exit_usage);
  auto& asked = options.asked;
  asked.peers = std::get<planner::fleet>(peers);
  asked.trainer = {seconds(options.trainer_latency), options.trainer_up_mbit * bytes_per_mbit,
                   options.trainer_down_mbit * bytes_per_mbit};
  asked.message_s = seconds(options.message);
  asked.byte_s = options.byte_ns / 1e9;
  asked.step_seconds_per_parameter = options.step_ns / 1e9;
  asked.call_timeout_s = seconds(options.call_timeout);
  const auto made = planner::make_plan(asked);
  if (const auto* why = std::get_if<std::string>(&made)) return complain(*why, exit_failure);
  const auto& good = std::get<planner::plan>(made);
  std::fputs(options.json ? json_line(planner::to_json(asked, good)).c_str()
                          : planner::to_text(asked, good).c_str(),
             stdout);
  return exit_success;
}

}  // namespace

int run_plan(int argc, const char* const* argv) {
  plan_options options;
  option_table table{"swarm plan",
                     "Plans a run: stages, who serves which, how fast, how long, for how much."};
  add_run(table, options);
  add_fleet(table, options);
  add_costs(table, options);
  return run_main(argc, argv, table, [&] { return plan(options); });
}

}  // namespace swarm::tools
