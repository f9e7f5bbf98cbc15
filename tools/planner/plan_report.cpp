#include "tools/planner/plan_report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "tools/report/table.hpp"

namespace swarm::planner {

namespace {

using nlohmann::json;
using tools::fixed;

constexpr double gibibyte = 1024.0 * 1024 * 1024;
constexpr double gigabyte = 1e9;
constexpr double milliseconds = 1e3;

/// Three digits that say something.
std::string short_number(double value) {
  if (value == 0) return "0";
  char text[32];
  std::snprintf(text, sizeof(text),
                std::fabs(value) >= 1e6 || std::fabs(value) < 1e-3 ? "%.2e"
                : std::fabs(value) >= 100                          ? "%.0f"
                                                                   : "%.3g",
                value);
  return text;
}

std::string blocks_of(const stage_load& load) {
  const auto& span = load.span;
  std::string text = std::to_string(span.first_block) + "-" + std::to_string(span.end_block - 1);
  if (span.first) text = "embedding, " + text;
  if (span.last) text += ", head";
  return text;
}

std::string crew_table(const question& asked, const plan& made) {
  tools::table rows{{"stage", "blocks", "M param", "peers", "compute ms", "line ms",
                     "compute hides it", "needs GiB", "has GiB", "busy %"}};
  for (size_t s = 0; s < made.stages.size(); ++s) {
    const auto& stage = made.stages[s];
    for (const auto& crew : stage.crew) {
      const auto& kind = asked.peers[crew.kind];
      rows.add({std::to_string(s), blocks_of(stage.load), fixed(stage.load.parameters / 1e6, 2),
                std::to_string(crew.count) + " x " + kind.name,
                short_number(crew.seconds.compute * milliseconds),
                short_number(crew.seconds.line() * milliseconds),
                crew.seconds.hidden() ? "yes" : "no", short_number(crew.memory.total() / gibibyte),
                short_number(kind.memory_bytes / gibibyte), fixed(100 * stage.busy, 0)});
    }
  }
  return rows.text();
}

std::string traffic_table(const question& asked, const plan& made) {
  tools::table rows{{"stage", "a peer of", "activations GB/h", "all-reduce GB/h", "states GB/h",
                     "all-reduce s", "empty: per hour", "in the run"}};
  for (size_t s = 0; s < made.stages.size(); ++s) {
    const auto& stage = made.stages[s];
    for (const auto& crew : stage.crew)
      rows.add({std::to_string(s), asked.peers[crew.kind].name,
                short_number(crew.passing_per_hour / gigabyte),
                short_number(crew.reduced_per_hour / gigabyte),
                short_number(crew.fetched_per_hour / gigabyte), short_number(stage.all_reduce_s),
                short_number(stage.empty.probability(1)),
                short_number(stage.empty.probability(made.hours))});
  }
  return rows.text();
}

std::string other_stages(const plan& made) {
  tools::table rows{{"stages", "tokens/s", ""}};
  std::string refusals;
  for (const auto& a : made.alternatives) {
    const bool refused = !a.refusal.empty();
    rows.add({std::to_string(a.stages), refused ? "-" : short_number(a.tokens_per_s),
              refused      ? "refused"
              : a.replayed ? "replayed"
                           : "estimated"});
    if (refused) refusals += std::to_string(a.stages) + " stages: " + a.refusal + "\n";
  }
  return rows.text() + refusals;
}

std::string limit_of(const plan& made) {
  return made.step.reduce_s > made.step.compute_s ? "gather and all-reduce" : made.limit.name();
}

std::string cuts_of(const std::vector<tensors::stage_span>& spans) {
  std::string text;
  for (const auto& span : spans)
    text += (text.empty() ? "" : "/") + std::to_string(span.end_block - span.first_block);
  return text;
}

void append(std::string& text, const char* format, ...) __attribute__((format(printf, 2, 3)));
void append(std::string& text, const char* format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof(line), format, arguments);
  va_end(arguments);
  text += line;
}

void add_speed(const question& asked, const plan& made, std::string& text) {
  append(text, "%.0f tokens/s with everybody there, %.0f with the peers' availability; limit: %s\n",
         made.tokens_per_s, made.expected_tokens_per_s, limit_of(made).c_str());
  append(text, "a step: %.3f s = %.3f computing + %.3f gather and all-reduce, for %.0f tokens\n",
         made.step.step_s, made.step.compute_s, made.step.reduce_s, asked.work.tokens_per_step());
  if (made.step.step_s_max > 1.05 * made.step.step_s_min)
    append(text, "the routers have several habits: steps of %.3f to %.3f s\n", made.step.step_s_min,
           made.step.step_s_max);
  if (asked.token_budget > 0)
    append(text, "%.4g tokens: %.1f hours, %.2f in money at %.2f per hour\n", asked.token_budget,
           made.hours, made.price, made.price_per_hour);
  append(text, "some stage becomes empty: probability %.2g per hour", made.empty_per_hour);
  if (asked.token_budget > 0) append(text, ", %.2g over the run", made.empty_in_run);
  append(text, "\na trainer's line: %.3g GB per hour\n", made.trainer_bytes_per_hour / gigabyte);
  for (size_t k = 0; k < asked.peers.size(); ++k)
    if (made.spare[k] > 0)
      append(text, "left out, since no stage fits their memory: %lld x %s\n",
             static_cast<long long>(made.spare[k]), asked.peers[k].name.c_str());
}

void add_comparisons(const plan& made, std::string& text) {
  append(text,
         "codec: raw f32, the only one there is; fp16 would give %.0f tokens/s, 8 bits %.0f\n",
         made.fp16_tokens_per_s, made.int8_tokens_per_s);
  std::vector<tensors::stage_span> own;
  for (const auto& stage : made.stages)
    own.push_back(stage.load.span);
  append(text, "cuts: %s blocks, as keygen makes them by FLOP", cuts_of(own).c_str());
  if (made.fitted_gain > 0.01) {
    append(text, "; %s, fitted to these peers, would make the slowest stage %.0f %% faster\n",
           cuts_of(made.fitted).c_str(), 100 * made.fitted_gain);
  } else {
    append(text, "; others would gain nothing\n");
  }
}

void add_commands(const question& asked, const plan& made, std::string& text) {
  const auto& work = asked.work;
  const auto& model = work.model;
  const auto number = [](int64_t value) { return static_cast<long long>(value); };
  int64_t peers = work.trainers;
  for (const auto& stage : made.stages)
    for (const auto& crew : stage.crew)
      peers += crew.count;
  append(text,
         "swarm keygen --dir=DIR --layers=%lld --heads=%lld --width=%lld --context=%lld "
         "--vocabulary=%lld%s%s%s --rows=%lld --microbatches=%lld --stages=%zu --peers=%lld\n",
         number(model.layers), number(model.heads), number(model.width), number(model.context),
         number(model.vocabulary), model.bias ? "" : " --bias=false",
         model.tied_head ? " --tied-head" : "", work.reproducible ? " --reproducible" : "",
         number(work.rows), number(work.microbatches), made.stages.size(), number(peers));
  append(text, "%lld x swarm train --in-flight=%lld ...\n", number(work.trainers),
         number(work.in_flight));
  for (size_t s = 0; s < made.stages.size(); ++s)
    append(text, "%s: swarm peer --stage=%zu ...\n", crew_names(asked, made.stages[s]).c_str(), s);
}

json to_json(const question& asked, const plan_stage& stage) {
  json crews = json::array();
  for (const auto& crew : stage.crew)
    crews.push_back({{"kind", asked.peers[crew.kind].name},
                     {"count", crew.count},
                     {"compute_s", crew.seconds.compute},
                     {"up_s", crew.seconds.up},
                     {"down_s", crew.seconds.down},
                     {"hidden", crew.seconds.hidden()},
                     {"held_microbatches", crew.held},
                     {"memory_bytes", crew.memory.total()},
                     {"weights_bytes", crew.memory.weights},
                     {"moments_bytes", crew.memory.moments},
                     {"gradients_bytes", crew.memory.gradients},
                     {"activations_bytes", crew.memory.activations},
                     {"memory_bytes_max", asked.peers[crew.kind].memory_bytes},
                     {"activation_bytes_per_hour", crew.passing_per_hour},
                     {"all_reduce_bytes_per_hour", crew.reduced_per_hour},
                     {"state_bytes_per_hour", crew.fetched_per_hour}});
  return {{"first_block", stage.load.span.first_block},
          {"end_block", stage.load.span.end_block},
          {"parameters", stage.load.parameters},
          {"flop_per_microbatch", stage.load.flop()},
          {"microbatches_per_s_max", stage.rate},
          {"all_reduce_s", stage.all_reduce_s},
          {"busy_share", stage.busy},
          {"empty_share", stage.empty.share},
          {"empties_per_hour", stage.empty.per_hour},
          {"peers", crews}};
}

}  // namespace

std::string crew_names(const question& asked, const plan_stage& stage) {
  std::string text;
  for (const auto& crew : stage.crew)
    text += (text.empty() ? "" : " + ") + std::to_string(crew.count) + " x " +
            asked.peers[crew.kind].name;
  return text;
}

std::string to_text(const question& asked, const plan& made) {
  std::string text;
  append(text, "%zu stages\n\n", made.stages.size());
  text += crew_table(asked, made) + "\n";
  add_speed(asked, made, text);
  text += "\n" + traffic_table(asked, made) + "\n";
  if (made.alternatives.size() > 1) text += other_stages(made) + "\n";
  add_comparisons(made, text);
  text += "\n";
  add_commands(asked, made, text);
  return text;
}

json to_json(const question& asked, const plan& made) {
  json stages = json::array();
  for (const auto& stage : made.stages)
    stages.push_back(to_json(asked, stage));
  json others = json::array();
  for (const auto& a : made.alternatives)
    others.push_back({{"stages", a.stages},
                      {"tokens_per_s", a.tokens_per_s},
                      {"replayed", a.replayed},
                      {"refusal", a.refusal}});
  json spare = json::object();
  for (size_t k = 0; k < asked.peers.size(); ++k)
    spare[asked.peers[k].name] = made.spare[k];
  json fitted = json::array();
  for (const auto& span : made.fitted)
    fitted.push_back(span.end_block - span.first_block);
  return {{"stages", stages},
          {"spare_peers", spare},
          {"codec", "raw"},
          {"tokens_per_s", made.tokens_per_s},
          {"expected_tokens_per_s", made.expected_tokens_per_s},
          {"limit", limit_of(made)},
          {"step_s", made.step.step_s},
          {"step_s_min", made.step.step_s_min},
          {"step_s_max", made.step.step_s_max},
          {"compute_s", made.step.compute_s},
          {"reduce_s", made.step.reduce_s},
          {"longest_call_s", made.step.longest_call_s},
          {"hours", made.hours},
          {"price", made.price},
          {"price_per_hour", made.price_per_hour},
          {"trainer_bytes_per_hour", made.trainer_bytes_per_hour},
          {"empty_per_hour", made.empty_per_hour},
          {"empty_in_run", made.empty_in_run},
          {"alternatives", others},
          {"not_available",
           {{"fp16_tokens_per_s", made.fp16_tokens_per_s},
            {"int8_tokens_per_s", made.int8_tokens_per_s},
            {"fitted_blocks", fitted},
            {"fitted_gain", made.fitted_gain}}}};
}

}  // namespace swarm::planner
