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
  const std::map<std::string, entry> knobs{
      {"stages", {&result.stages, stages_range[0], stages_range[1]}},
      {"workers_per_stage",
       {&result.workers_per_stage, workers_per_stage_range[0], workers_per_stage_range[1]}},
      {"trainers", {&result.trainers, trainers_range[0], trainers_range[1]}},
      {"microbatches", {&result.microbatches, microbatches_range[0], microbatches_range[1]}},
      {"in_flight", {&result.in_flight, 1, 64}},
      {"fault_s", {&result.fault_s, 0, 86'400}},
      {"keep_state", {&result.keep_state, 0, 1}},
      {"keep_every", {&result.keep_every, 0, 1000}},
      {"rebalance_s", {&result.rebalance_s, 0, 3600}},
      {"chunk_bytes", {&result.chunk_bytes, 0, 1e6}}};
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
    } else if (key == "faults_per_minute") {
      read_faults(value, result.faults_per_minute);
    } else {
      complain(key, "there is no such knob");
    }
  }
  return result;
}

moment from_ms(double ms) {
  return moment{static_cast<int64_t>(ms * 1e6)};
}

}  // namespace

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
  constexpr double bytes_per_mbit = 125'000;
  host_conditions result;
  result.up_bytes_per_s = knobs.mbit_per_s.draw(random) * bytes_per_mbit;
  result.down_bytes_per_s = knobs.mbit_per_s.draw(random) * bytes_per_mbit;
  return result;
}

}  // namespace swarm::simulation
