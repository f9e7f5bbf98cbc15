#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "tools/options/option_table.hpp"
#include "tools/processes/state_folder.hpp"
#include "tools/report/one_line.hpp"
#include "tools/report/user_path.hpp"
#include "tools/run/run_files.hpp"
#include "tools/swarm/addresses.hpp"
#include "tools/swarm/commands.hpp"

namespace swarm::tools {

namespace {

struct keygen_options {
  run_options run;
  std::string dir;
  std::string name = "run";
  int64_t peers = 4;
  int64_t add = 0;
  int64_t validity_days = 90;
  std::string join;
};

constexpr int64_t seconds_per_day = 24 * 3600;

int complain(const std::string& sentence) {
  std::fprintf(stderr, "swarm keygen: %s\n", one_line(sentence).c_str());
  return exit_failure;
}

int add(const new_run& what, int64_t unix_ms) {
  const auto added = add_tokens(what, unix_ms);
  if (const auto* why = std::get_if<std::string>(&added)) return complain(*why);
  for (const auto number : std::get<std::vector<int64_t>>(added))
    std::printf("%s\n", one_line(token_file(what.folder, number)).c_str());
  return exit_success;
}

int make(const new_run& what, keygen_options& options, int64_t unix_ms) {
  auto loaded = load_run_corpus(options.run);
  if (const auto* why = std::get_if<std::string>(&loaded)) {
    std::fprintf(stderr, "swarm keygen: %s\n", one_line(*why).c_str());
    return exit_usage;
  }
  const auto& data = std::get<tensors::corpus>(loaded);
  if (const auto why = make_run(what, options.run, data, unix_ms)) return complain(*why);
  const auto described = load_description(description_file(what.folder), std::nullopt);
  const auto hash = identity::description_hash(std::get<loaded_description>(described).run);
  const auto shown = one_line(what.folder);
  const auto* dir = shown.c_str();
  std::printf("run '%s', description %s\n", one_line(what.name).c_str(), hash.c_str());
  std::printf("%s/run.key      the run's secret: keep it here\n", dir);
  std::printf("%s/run.swarm    its description: give it to the trainers\n", dir);
  std::printf("%s/peer-N.token one for each peer, 1 to %lld: keep them like passwords\n\n", dir,
              static_cast<long long>(what.peers));
  std::printf("on one machine:   swarm up --dir=%s\n", dir);
  std::printf(
      "a trainer:        swarm train --token=%s/peer-1.token --run=%s/run.swarm "
      "--bind=HOST:PORT --begin\n",
      dir, dir);
  std::printf(
      "a stage worker:   swarm peer --token=%s/peer-2.token --join=HOST:PORT "
      "--bind=HOST2:PORT\n",
      dir);
  return exit_success;
}

}  // namespace

int run_keygen(int argc, const char* const* argv) {
  keygen_options options;
  // Who trains says how much is in flight.
  options.run.scope = run_scope::described;
  options.run.in_flight = 1;
  option_table table{"swarm keygen",
                     "Makes a run: its key, its description, and a token for each peer."};
  add_description_options(table, options.run);
  table.add(options.dir, "dir", "Folder of the run's files.", "path")
      .add(options.name, "name", "What people call the run; at most 64 bytes.")
      .add(options.peers, "peers", "Tokens to make: one per process, trainers included.", "tokens",
           1, tokens_max)
      .add(options.add, "add",
           "Makes so many further tokens for the run in --dir, and nothing else.", "tokens", 0,
           tokens_max)
      .add(options.validity_days, "validity", "How long certificates are valid.", "days", 1, 3'650)
      .add(options.join, "join", "Addresses to put into the tokens, separated by commas.",
           "address");
  table.add_check([&]() -> std::optional<std::string> {
    if (options.dir.empty()) return "--dir names no folder.";
    if (options.name.empty() || options.name.size() > identity::run_name_bytes_max)
      return "--name has 1 to 64 bytes.";
    const auto addresses = split_addresses(options.join);
    const bool too_long = std::any_of(addresses.begin(), addresses.end(), [](const auto& each) {
      return each.size() > identity::address_bytes_max;
    });
    if (too_long || addresses.size() > identity::token_addresses_max) {
      return "--join: a token holds at most " + std::to_string(identity::token_addresses_max) +
             " addresses of at most " + std::to_string(identity::address_bytes_max) + " bytes.";
    }
    return check_addresses("--join", options.join);
  });
  return run_main(argc, argv, table, [&] {
    new_run what;
    what.folder = user_path(options.dir);
    what.name = options.name;
    what.peers = options.add != 0 ? options.add : options.peers;
    what.valid_s = options.validity_days * seconds_per_day;
    what.addresses = split_addresses(options.join);
    const auto now = unix_now_ms();
    return options.add != 0 ? add(what, now) : make(what, options, now);
  });
}

}  // namespace swarm::tools
