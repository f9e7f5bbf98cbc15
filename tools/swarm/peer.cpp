#include <cstdio>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "actors/peer/stage_peer.hpp"
#include "actors/rebalancing/plan.hpp"
#include "actors/rebalancing/rebalancer.hpp"
#include "actors/stage/file_state_store.hpp"
#include "actors/stage/unkept_state_store.hpp"
#include "tools/options/option_table.hpp"
#include "tools/planner/workload.hpp"
#include "tools/report/one_line.hpp"
#include "tools/run/run_files.hpp"
#include "tools/run/training_setup.hpp"
#include "tools/swarm/commands.hpp"
#include "tools/swarm/computing_session.hpp"
#include "tools/swarm/peer_options.hpp"

namespace swarm::tools {

using namespace std::chrono_literals;

namespace {

/// How often a worker tells how fast it is.
constexpr auto announce_period = 10s;
/// Until the rosters of those it is connected to have come.
constexpr auto settle = 500ms;
constexpr auto wake = 250ms;

int complain(const std::string& sentence) {
  std::fprintf(stderr, "swarm peer: %s\n", one_line(sentence).c_str());
  return exit_failure;
}

/// Of what it serves, and of what it keeps for others: `what` is "stage" or "copy".
std::string kept_folder(const session& here, const std::string& what, stage_id stage) {
  return here.state_dir() + "/" + what + "-" + std::to_string(stage.value());
}

std::vector<stage_id> kept_stages(const session& here, const std::string& what, int32_t stages) {
  std::vector<stage_id> result;
  for (stage_id s{0}; s.value() < stages; s = s.next())
    if (std::filesystem::exists(kept_folder(here, what, s))) result.push_back(s);
  return result;
}

/// Another stage's state is another folder's.
std::function<std::shared_ptr<stage::state_store>(stage_id)> files_of(
    const session& here, const std::string& what, const identity::run_description& run,
    bool durable) {
  const auto owner = std::stoull(identity::description_hash(run).substr(0, 16), nullptr, 16);
  // At the start it must be there. Later, of another stage, a peer goes on without.
  const auto began = std::make_shared<bool>(!durable);
  return
      [&here, what, owner, durable, began](stage_id stage) -> std::shared_ptr<stage::state_store> {
        stage::file_store_options store;
        store.directory = kept_folder(here, what, stage);
        store.owner.stage = stage;
        store.owner.run = owner;
        store.durable = durable;
        store.complain = [](const std::string& why) {
          std::fprintf(stderr, "swarm peer: %s\n", one_line(why).c_str());
        };
        const auto tell = store.complain;
        try {
          auto opened = stage::open_file_state_store(std::move(store));
          *began = true;
          return opened;
        } catch (const std::runtime_error& failed) {
          if (!*began) throw;
          tell(failed.what());
          return stage::make_unkept_store(failed.what());
        }
      };
}

/// What the stages cost, as the planner counts it.
std::vector<rebalancing::stage_record> stage_records(const identity::run_description& run) {
  planner::workload work;
  work.model = run.model;
  work.rows = run.rows;
  work.microbatches = run.microbatches;
  std::vector<rebalancing::stage_record> result;
  for (const auto& load : planner::loads_of(work, run.stages))
    result.push_back({load.flop(), load.state_bytes});
  return result;
}

stage_id choose_stage(const peer_options& options, session& here,
                      const identity::run_description& run) {
  std::vector<rebalancing::heard_member> heard;
  for (const auto& m : here.node().members())
    heard.push_back({m, {}});
  return rebalancing::choose_stage(
      rebalancing::view_of(stage_records(run), heard, {}), here.id(), 1,
      options.keep_state ? kept_stages(here, "stage", run.stages) : std::vector<stage_id>{});
}

peer::stage_peer_options stage_options(const peer_options& options, const session& here,
                                       const identity::run_description& run, stage_id stage) {
  run_options described;
  apply(run, described);
  const training_setup setup{described, tensors::corpus{{}, {}, run.model.vocabulary}};
  peer::stage_peer_options result;
  result.id = here.id();
  result.first_incarnation = incarnation_id{static_cast<uint32_t>(here.life())};
  result.stage = stage;
  result.start = options.begin ? stage::start_mode::fresh : stage::start_mode::fetch;
  result.make_engine = setup.swarm().make_engine;
  result.slots = std::make_shared<stage::device_slots>(1);
  if (options.keep_state) result.make_store = files_of(here, "stage", run, true);
  const auto backup_bytes =
      options.backup_mib == 0 ? ~uint64_t{0} : static_cast<uint64_t>(options.backup_mib) << 20;
  result.snapshots = options.keep_copies ? std::make_shared<stage::snapshot_store>(
                                               files_of(here, "copy", run, false),
                                               kept_stages(here, "copy", run.stages), backup_bytes)
                                         : std::make_shared<stage::snapshot_store>(backup_bytes);
  result.announce_period = announce_period;
  result.stages = stage_records(run);
  result.policy = *rebalancing::policy_from_name(options.rebalance);
  result.policy_settings.period = options.rebalance_period;
  result.activation_cache_bytes = static_cast<size_t>(options.cache_mib) << 20;
  result.restart.intensity = 10;
  result.restart.period = std::chrono::minutes(1);
  // Between processes a lost answer is not an instant matter, but nobody waits half a minute.
  result.chunk_timeout = 5s;
  return result;
}

std::string number_text(const telemetry::event& e, const char* key) {
  const auto* value = telemetry::find(e, key);
  const auto* number = value == nullptr ? nullptr : std::get_if<int64_t>(value);
  return number == nullptr ? "?" : std::to_string(*number);
}

/// What is worth a line; empty: nothing.
std::string progress_line(const telemetry::event& e) {
  if (e.name == "serving") return "serves";
  if (e.name == "moves") return "moves to stage " + number_text(e, "stage");
  if (e.name == "restored") return "went back to step " + number_text(e, "version");
  return "";
}

int serve(const peer_options& options, stop_signals& signals) {
  session::role role;
  role.agent = "swarm peer";
  role.description_file = options.run;
  std::string last;
  const auto say = [&](const std::string& line) {
    // What is so still is not said again.
    if (!line.empty() && line != last) std::printf("%s\n", line.c_str());
    if (!line.empty()) last = line;
  };
  auto opened = open_computing(options.net, role, "peer", say, signals, options.join_timeout);
  if (const auto* why = std::get_if<session_failure>(&opened)) {
    complain(why->sentence);
    return why->exit_code;
  }
  auto& here = *std::get<computing_session>(opened).here;
  const auto& run = std::get<computing_session>(opened).run;
  if (options.stage >= run.stages) {
    return complain("--stage=" + std::to_string(options.stage) + ": the run has stages 0 to " +
                    std::to_string(run.stages - 1) + ".");
  }
  auto stage = stage_id{static_cast<int32_t>(options.stage)};
  if (options.stage == choose_stage_itself) {
    if (signals.wait(settle)) return exit_success;
    stage = choose_stage(options, here, run);
  }
  std::printf("serves stage %d of run '%s'\n", stage.value(), one_line(run.name).c_str());
  const auto added =
      here.node().add("stage", [given = stage_options(options, here, run, stage)](
                                   caf::actor_system& system, const peer::node_services& use) {
        auto mine = given;
        mine.directory = use.directory;
        mine.telemetry = use.telemetry;
        return peer::spawn_stage_peer(system, std::move(mine));
      });
  if (!added) return complain("the stage does not start");
  const auto show = [&](const telemetry::event& e) { say(progress_line(e)); };
  while (here.token_in_use().empty() && !signals.wait(wake))
    here.events(0ms, show);
  const bool turned_out = !here.token_in_use().empty();
  if (!turned_out) std::printf("leaves\n");
  // A second signal does not wait.
  signals.release();
  here.node().stop(options.leave_timeout);
  if (!turned_out) return exit_success;
  complain(here.token_in_use());
  return exit_token_in_use;
}

}  // namespace

int run_peer(int argc, const char* const* argv) {
  peer_options options;
  auto table = peer_table(options);
  return run_main(
      argc, argv, table,
      [&] {
        std::setvbuf(stdout, nullptr, _IOLBF, 0);
        stop_signals signals;
        return serve(options, signals);
      },
      output_role::company);
}

}  // namespace swarm::tools
