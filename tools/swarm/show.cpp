#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "actors/peer/peer_ids.hpp"
#include "tools/options/option_table.hpp"
#include "tools/processes/state_folder.hpp"
#include "tools/report/one_line.hpp"
#include "tools/report/result_file.hpp"
#include "tools/report/table.hpp"
#include "tools/run/run_files.hpp"
#include "tools/swarm/commands.hpp"

namespace swarm::tools {

namespace {

constexpr int64_t seconds_per_day = 24 * 3600;

/// One line, for programs.
int print(const nlohmann::json& object) {
  std::fputs(json_line(object).c_str(), stdout);
  return exit_success;
}

int show_token(const identity::join_token& token, int64_t unix_ms, bool json) {
  const auto days = (token.not_after_s - unix_ms / 1000) / seconds_per_day;
  const auto run_key = identity::to_hex(identity::view(token.run_key));
  const auto id = identity::peer_id_of(token.peer.key());
  const auto peer_key = identity::to_hex(identity::view(token.peer.key()));
  if (json) {
    return print({{"run", token.run_name},
                  {"run_key", run_key},
                  {"peer", std::to_string(id.value())},
                  {"name", peer::short_name(id)},
                  {"id", peer::full_name(id)},
                  {"peer_key", peer_key},
                  {"not_after_unix_s", token.not_after_s},
                  {"valid_days", days},
                  {"addresses", token.addresses}});
  }
  table out{{"token", ""}};
  out.add({"run", one_line(token.run_name)});
  out.add({"run key", run_key});
  out.add({"peer", peer::short_name(id)});
  out.add({"peer id", peer::full_name(id)});
  out.add({"peer key", peer_key});
  out.add({"valid for", std::to_string(days) + " days"});
  for (const auto& address : token.addresses)
    out.add({"address", one_line(address)});
  std::printf("%s", out.text().c_str());
  return exit_success;
}

/// What two descriptions, such as those of a peer that is refused and of who refuses it, differ in.
int show_difference(const identity::run_description& run, const identity::run_description& other,
                    bool json) {
  const auto difference = identity::explain_difference(run, other);
  if (json) {
    print({{"same", !difference},
           {"difference", difference ? nlohmann::json(*difference) : nlohmann::json()}});
  } else {
    std::printf("%s\n", difference ? one_line(*difference).c_str() : "the same run description");
  }
  return difference ? exit_failure : exit_success;
}

nlohmann::json to_json(const identity::run_description& run) {
  const auto& model = run.model;
  const auto& optimizer = run.optimizer;
  return {{"run", run.name},
          {"description", identity::description_hash(run)},
          {"protocol", run.protocol},
          {"model",
           {{"layers", model.layers},
            {"heads", model.heads},
            {"width", model.width},
            {"context", model.context},
            {"vocabulary", model.vocabulary},
            {"dropout", model.dropout},
            {"bias", model.bias},
            {"tied_head", model.tied_head}}},
          {"optimizer",
           {{"lr", optimizer.learning_rate},
            {"lr_min", optimizer.learning_rate_min},
            {"warmup", optimizer.warmup_steps},
            {"decay_steps", optimizer.decay_steps},
            {"beta1", optimizer.beta1},
            {"beta2", optimizer.beta2},
            {"epsilon", optimizer.epsilon},
            {"weight_decay", optimizer.weight_decay},
            {"clip", optimizer.clip_norm}}},
          {"stages", run.stages},
          {"microbatches", run.microbatches},
          {"rows", run.rows},
          {"steps", run.steps},
          {"seed", run.seed},
          {"reproducible", run.reproducible},
          {"data",
           {{"source", run.data_source},
            {"hash", run.data_hash},
            {"tokens", run.data_tokens},
            {"validation_fraction", run.validation_fraction}}},
          {"created_unix_ms", run.created_unix_ms}};
}

int show_description(const identity::run_description& run, bool json) {
  if (json) return print(to_json(run));
  table out{{"run", one_line(run.name)}};
  out.add({"description", identity::description_hash(run)});
  out.add({"protocol version", std::to_string(run.protocol)});
  out.add({"model", std::to_string(run.model.layers) + " layers, " +
                        std::to_string(run.model.heads) + " heads, width " +
                        std::to_string(run.model.width) + ", context " +
                        std::to_string(run.model.context) + ", vocabulary " +
                        std::to_string(run.model.vocabulary)});
  out.add({"stages", std::to_string(run.stages)});
  out.add({"global batch", std::to_string(run.microbatches) + " microbatches of " +
                               std::to_string(run.rows) + " sequences"});
  out.add({"steps", std::to_string(run.steps)});
  out.add({"seed", std::to_string(run.seed)});
  out.add({"reproducible", run.reproducible ? "yes" : "no"});
  if (!run.kernels.empty()) out.add({"kernels", one_line(run.kernels)});
  out.add({"data", one_line(run.data_source)});
  out.add({"data hash", one_line(run.data_hash)});
  out.add({"tokens of the data", std::to_string(run.data_tokens)});
  std::printf("%s", out.text().c_str());
  return exit_success;
}

int complain(const std::string& why) {
  std::fprintf(stderr, "swarm show: %s\n", one_line(why).c_str());
  return exit_failure;
}

int show(const std::string& run, const std::string& against, bool json) {
  const auto loaded = load_description(run, std::nullopt);
  if (const auto* why = std::get_if<std::string>(&loaded)) return complain(*why);
  const auto& mine = std::get<loaded_description>(loaded).run;
  if (against.empty()) return show_description(mine, json);
  const auto other = load_description(against, std::nullopt);
  if (const auto* why = std::get_if<std::string>(&other)) return complain(*why);
  return show_difference(mine, std::get<loaded_description>(other).run, json);
}

}  // namespace

int run_show(int argc, const char* const* argv) {
  std::string token;
  std::string run;
  std::string against;
  bool json = false;
  option_table table{"swarm show", "Prints a run's description or a token, without its secret."};
  table.add(token, "token", "A token: its file, or its line.", "path")
      .add(run, "run", "A run's description: the file run.swarm.", "path")
      .add(against, "against",
           "Another description: prints the first field in which --run differs from it, and ends "
           "with 1 if one does.",
           "path")
      .add(json, "json", "Prints one JSON object in one line instead.");
  table.add_check([&]() -> std::optional<std::string> {
    if (token.empty() == run.empty()) return "Give either --token or --run.";
    if (run.empty() && !against.empty()) return "--against needs --run.";
    return std::nullopt;
  });
  return run_main(argc, argv, table, [&] {
    if (token.empty()) return show(run, against, json);
    const auto now = unix_now_ms();
    const auto loaded = load_token(token, now);
    if (const auto* why = std::get_if<std::string>(&loaded)) return complain(*why);
    return show_token(std::get<identity::join_token>(loaded), now, json);
  });
}

}  // namespace swarm::tools
