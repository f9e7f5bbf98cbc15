#include "actors/simulation/scenario.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace swarm::simulation {

namespace {

using json = nlohmann::json;

/// Where in the file, and what is wrong there.
[[noreturn]] void complain(const std::string& where, const std::string& what) {
  throw std::invalid_argument(where + ": " + what);
}

knob read_knob(const std::string& where, const json& value, double low, double high) {
  knob result;
  if (value.is_number()) {
    result = {value.get<double>(), value.get<double>()};
  } else if (value.is_array() && value.size() == 2 && value[0].is_number() &&
             value[1].is_number()) {
    result = {value[0].get<double>(), value[1].get<double>()};
  } else {
    complain(where, "give a number or [low, high]");
  }
  if (!(result.low <= result.high)) complain(where, "low is above high");
  if (result.low < low || result.high > high)
    complain(where, "outside [" + std::to_string(low) + ", " + std::to_string(high) + "]");
  return result;
}

struct entry {
  knob* target;
  double low;
  double high;
};

void read_knobs(const std::string& where, const json& object,
                const std::map<std::string, entry>& known) {
  if (!object.is_object()) complain(where, "give an object");
  for (const auto& [key, value] : object.items()) {
    const auto found = known.find(key);
    if (found == known.end()) complain(where + "." + key, "there is no such knob");
    *found->second.target =
        read_knob(where + "." + key, value, found->second.low, found->second.high);
  }
}

std::map<std::string, entry> network_entries(scenario::network_knobs& k) {
  constexpr double minute_ms = 60'000;
  return {{"latency_ms", {&k.latency_ms, 0, minute_ms}},
          {"jitter_ms", {&k.jitter_ms, 0, minute_ms}},
          {"tail", {&k.tail, 0, 1}},
          {"mbit_per_s", {&k.mbit_per_s, 0, 1e6}},
          {"loss", {&k.loss, 0, 0.5}},
          {"duplication", {&k.duplication, 0, 0.5}},
          {"reordering", {&k.reordering, 0, 1}},
          {"corruption", {&k.corruption, 0, 0.5}},
          {"truncation", {&k.truncation, 0, 0.5}}};
}

std::map<std::string, entry> compute_entries(scenario::compute_knobs& k) {
  constexpr double share_max = 0.5;
  return {{"forward_ms", {&k.forward_ms, 0, 10'000}},
          {"non_finite", {&k.non_finite, 0, share_max}},
          {"wrong_shape", {&k.wrong_shape, 0, share_max}},
          {"out_of_memory", {&k.out_of_memory, 0, share_max}},
          {"stall", {&k.stall, 0, share_max}},
          {"lost_reply", {&k.lost_reply, 0, share_max}},
          {"cache_bytes", {&k.cache_bytes, 0, 1e12}},
          {"saved_bytes", {&k.saved_bytes, 0, 1e12}}};
}

std::map<std::string, entry> size_entries(scenario::size_knobs& k) {
  return {{"parameters", {&k.parameters, 1, 1e12}},
          {"gradient_bytes", {&k.gradient_bytes, 1, 16}},
          {"state_bytes", {&k.state_bytes, 1, 64}},
          {"elements", {&k.elements, 1, 1e6}},
          {"words", {&k.words, 1, 1e5}},
          {"rows", {&k.rows, 1, 4096}},
          {"context", {&k.context, 1, 1e6}},
          {"width", {&k.width, 1, 1e6}},
          {"graph_bytes", {&k.graph_bytes, 0, 1e12}}};
}

std::map<std::string, entry> host_entries(scenario::host_knobs& k) {
  return {{"latency_ms", {&k.latency_ms, 0, 60'000}},
          {"up_mbit_per_s", {&k.up_mbit_per_s, 0, 1e6}},
          {"down_mbit_per_s", {&k.down_mbit_per_s, 0, 1e6}},
          {"tera_flop_per_s", {&k.tera_flop_per_s, 0, 1e6}}};
}

std::map<std::string, entry> knobs_of(scenario& s) {
  return {{"stages", {&s.stages, stages_range[0], stages_range[1]}},
          {"workers_per_stage",
           {&s.workers_per_stage, workers_per_stage_range[0], workers_per_stage_range[1]}},
          {"trainers", {&s.trainers, trainers_range[0], trainers_range[1]}},
          {"microbatches", {&s.microbatches, microbatches_range[0], microbatches_range[1]}},
          {"in_flight", {&s.in_flight, 1, 256}},
          {"fault_s", {&s.fault_s, 0, 86'400}},
          {"keep_state", {&s.keep_state, 0, 1}},
          {"keep_every", {&s.keep_every, 0, 1000}},
          {"rebalance_s", {&s.rebalance_s, 0, 3600}},
          {"chunk_bytes", {&s.chunk_bytes, 0, 1e9}},
          {"mean_life_s", {&s.mean_life_s, 0, 1e9}},
          {"absent_s", {&s.absent_s, 0, 86'400}},
          {"burst_share", {&s.burst_share, 0, 1}},
          {"silence_ms", {&s.silence_ms, 0, 600'000}},
          {"silent_deaths", {&s.silent_deaths, 0, 1}},
          {"production_times", {&s.production_times, 0, 1}},
          {"announce_s", {&s.announce_s, 0, 3600}},
          {"backup_s", {&s.backup_s, 0.01, 3600}},
          {"resume_s", {&s.resume_s, 1, 86'400}}};
}

void read_faults(const json& object, std::map<std::string, knob>& out) {
  constexpr double per_minute_max = 6'000;
  if (!object.is_object()) complain("faults_per_minute", "give an object");
  for (const auto& [key, value] : object.items())
    out[key] = read_knob("faults_per_minute." + key, value, 0, per_minute_max);
}

scenario read(const std::string& name, const json& file) {
  if (!file.is_object()) complain(name, "give one object");
  scenario result;
  result.name = name;
  const auto knobs = knobs_of(result);
  for (const auto& [key, value] : file.items()) {
    const auto found = knobs.find(key);
    if (found != knobs.end()) {
      *found->second.target = read_knob(key, value, found->second.low, found->second.high);
    } else if (key == "about" || key == "model") {
      if (!value.is_string()) complain(key, "give a string");
      (key == "about" ? result.about : result.model) = value.get<std::string>();
    } else if (key == "network") {
      read_knobs(key, value, network_entries(result.network));
    } else if (key == "compute") {
      read_knobs(key, value, compute_entries(result.compute));
    } else if (key == "size") {
      read_knobs(key, value, size_entries(result.size));
      if (!result.has_size()) complain(key, "say how many parameters a stage has");
    } else if (key == "workers" || key == "training") {
      auto& hosts = key == "workers" ? result.workers : result.training;
      read_knobs(key, value, host_entries(hosts));
      hosts.given = true;
    } else if (key == "faults_per_minute") {
      read_faults(value, result.faults_per_minute);
    } else {
      complain(key, "there is no such knob");
    }
  }
  if (result.workers.tera_flop_per_s.high > 0 && !result.has_size())
    complain("workers.tera_flop_per_s", "without a size nobody knows what there is to compute");
  const auto& n = result.network;
  if (result.silence_ms.high > 0 &&
      (n.loss.high > 0 || n.corruption.high > 0 || n.truncation.high > 0))
    complain("silence_ms", "the network may not lose single messages: nobody repeats who is there");
  return result;
}

constexpr double bytes_per_mbit = 125'000;

moment from_ms(double ms) {
  return moment{static_cast<int64_t>(ms * 1e6)};
}

}  // namespace

double knob::draw_rate(splitmix64& random) const {
  return 1 / (1 / high + (1 / low - 1 / high) * random.unit());
}

int64_t knob::draw_whole(splitmix64& random) const {
  const auto first = static_cast<int64_t>(std::ceil(low));
  const auto last = static_cast<int64_t>(std::floor(high));
  if (last <= first) return first;
  return first + static_cast<int64_t>(random.below(static_cast<size_t>(last - first + 1)));
}

std::optional<scenario> parse_scenario(const std::string& name, const std::string& text,
                                       std::string& complaint) {
  try {
    return read(name, json::parse(text, nullptr, true, true));
  } catch (const std::exception& error) {
    complaint = name + ": " + error.what();
    return std::nullopt;
  }
}

path_conditions draw_path(const scenario::network_knobs& knobs, splitmix64& random) {
  path_conditions result;
  result.latency = from_ms(knobs.latency_ms.draw(random));
  result.jitter = from_ms(knobs.jitter_ms.draw(random));
  result.tail = knobs.tail.draw(random);
  result.loss = knobs.loss.draw(random);
  result.duplication = knobs.duplication.draw(random);
  result.reordering = knobs.reordering.draw(random);
  result.reorder_window = 4 * result.latency;
  result.corruption = knobs.corruption.draw(random);
  result.truncation = knobs.truncation.draw(random);
  return result;
}

host_conditions draw_host(const scenario::network_knobs& knobs, splitmix64& random) {
  host_conditions result;
  result.up_bytes_per_s = knobs.mbit_per_s.draw(random) * bytes_per_mbit;
  result.down_bytes_per_s = knobs.mbit_per_s.draw(random) * bytes_per_mbit;
  return result;
}

host_conditions draw_host(const scenario::host_knobs& knobs, const host_conditions& usual,
                          splitmix64& random) {
  auto result = usual;
  result.latency += from_ms(knobs.latency_ms.draw(random));
  if (knobs.up_mbit_per_s.low > 0)
    result.up_bytes_per_s = knobs.up_mbit_per_s.draw_rate(random) * bytes_per_mbit;
  if (knobs.down_mbit_per_s.low > 0)
    result.down_bytes_per_s = knobs.down_mbit_per_s.draw_rate(random) * bytes_per_mbit;
  return result;
}

}  // namespace swarm::simulation
