#include <algorithm>
#include <caf/all.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "actors/peer/event_sentence.hpp"
#include "actors/peer/peer_ids.hpp"
#include "actors/peer/questions.hpp"
#include "actors/peer/status_board.hpp"
#include "actors/peer/training_peer.hpp"
#include "actors/training/errc.hpp"
#include "tensors/engine/flat.hpp"
#include "tools/options/option_table.hpp"
#include "tools/report/one_line.hpp"
#include "tools/report/output_file.hpp"
#include "tools/report/user_path.hpp"
#include "tools/run/run_files.hpp"
#include "tools/run/training_setup.hpp"
#include "tools/swarm/commands.hpp"
#include "tools/swarm/computing_session.hpp"
#include "tools/swarm/train_options.hpp"

namespace swarm::tools {

using namespace std::chrono_literals;

namespace {

constexpr auto wake = 100ms;
/// Who is started together comes together, but not at once.
constexpr auto settle = 1s;
constexpr int64_t result_tries = 20;

int complain(const std::string& sentence) {
  std::fprintf(stderr, "swarm train: %s\n", one_line(sentence).c_str());
  return exit_failure;
}

/// The corpus, if it is the run's. A sentence with both hashes if it is not.
std::variant<tensors::corpus, std::string> load_data(const train_options& options,
                                                     const identity::run_description& run,
                                                     run_options& described) {
  described.data = options.data.empty() ? run.data_source : options.data;
  // A path of another machine, or of another folder of this one.
  const std::string origin =
      options.data.empty() ? "; the path is the run description's, as it was given where the run "
                             "was made: name the corpus' place here with --data"
                           : "";
  auto loaded = load_run_corpus(described);
  if (auto* why = std::get_if<std::string>(&loaded)) {
    if (!origin.empty() && !why->empty() && why->back() == '.') why->pop_back();
    return *why + origin;
  }
  const auto hash = corpus_hash(std::get<tensors::corpus>(loaded));
  if (hash != run.data_hash) {
    return "--data: " + one_line(described.data) + " has hash " + hash + ", the run's data " +
           run.data_hash + ": give the file that the run was made with" + origin;
  }
  return loaded;
}

peer::training_peer_options training_options(const train_options& options, const session& here,
                                             const training_setup& setup, int64_t steps) {
  const auto swarm = setup.swarm();
  peer::training_peer_options result;
  result.id = here.id();
  result.first_incarnation = incarnation_id{static_cast<uint32_t>(here.life())};
  training::coordinator_options coordinator;
  coordinator.first = options.begin;
  coordinator.target = step_id{steps};
  coordinator.settle = settle;
  coordinator.stages = swarm.stages;
  coordinator.microbatches = swarm.microbatches_per_step;
  coordinator.tokens_per_microbatch = swarm.tokens_per_microbatch;
  coordinator.optimizer = swarm.optimizer;
  coordinator.uniform_loss = swarm.uniform_loss;
  coordinator.election_timeout = options.election_timeout;
  coordinator.gather_timeout = options.call_timeout;
  coordinator.rescue_after = options.rescue_after;
  coordinator.keep_every = options.copy_every;
  coordinator.backup_wait = options.copy_wait;
  result.coordinator = coordinator;
  result.trainer.stages = swarm.stages;
  result.trainer.source = swarm.microbatches;
  result.trainer.in_flight = static_cast<uint32_t>(options.in_flight);
  result.trainer.routing_seed = here.id().value();
  result.trainer.call_timeout = options.call_timeout;
  result.evaluator.stages = swarm.stages;
  result.evaluator.context = swarm.context;
  result.evaluator.batches = [source = swarm.validation](int64_t index) {
    return source(0, index);
  };
  result.restart.intensity = 10;
  result.restart.period = std::chrono::minutes(1);
  return result;
}

/// The weights of all stages at the end, as one process would have them.
std::optional<std::string> weights_hash(session& here, const training_setup& setup,
                                        int64_t version) {
  for (int64_t i = 0; i < result_tries; ++i) {
    std::vector<tensors::host_tensor> stages;
    const auto members = here.node().members();
    for (int32_t s = 0; s < setup.options().stages; ++s) {
      auto flat = peer::fetch_parameters(here.self(), members, stage_id{s}, version);
      if (flat) stages.push_back(std::move(*flat));
    }
    if (stages.size() == static_cast<size_t>(setup.options().stages)) {
      return tensors::weights_hash(setup.combine(stages));
    }
    // A worker that has just come back serves in a moment.
    here.events(wake, {});
  }
  return std::nullopt;
}

void print_step(const telemetry::event& e, int64_t every) {
  const auto number = [&](const char* key) {
    const auto* value = telemetry::find(e, key);
    if (value == nullptr) return 0.0;
    if (const auto* integer = std::get_if<int64_t>(value)) return static_cast<double>(*integer);
    const auto* real = std::get_if<double>(value);
    return real == nullptr ? 0.0 : *real;
  };
  for (const char* told :
       {"coordinator_leads", "copies_late", "copies_missing", "rescued", "resumed", "stage_lost",
        "stage_needs_peer", "peer_dropped", "promise_withdrawn", "promise_regained"}) {
    const auto sentence = e.name == told ? peer::event_sentence(e) : std::nullopt;
    if (sentence) std::printf("%s\n", one_line(*sentence).c_str());
  }
  if (e.name != "step") return;
  const auto step = static_cast<long long>(number("step"));
  if (step != 0 && (step + 1) % every != 0) return;
  const auto* workers = telemetry::find(e, "workers");
  char loss[32];
  std::snprintf(loss, sizeof(loss), "%.4f", number("loss"));
  // Nothing counted, or another leader had counted it.
  const bool known = telemetry::find(e, "loss") != nullptr;
  std::printf("step %5lld  loss %s  %7.0f tokens/s  workers %s\n", step, known ? loss : "unknown",
              number("tokens") / std::max(number("seconds"), 1e-9),
              workers == nullptr ? "?" : std::get<std::string>(*workers).c_str());
}

/// Once: numbers that depend on the machine are no fault of a run that is not reproducible.
void print_other_kernels(const telemetry::event& e, bool& told) {
  if (e.name != "kernels_differ" || std::exchange(told, true)) return;
  const auto* peer = telemetry::find(e, "peer");
  const auto* text = telemetry::find(e, "text");
  if (peer == nullptr || text == nullptr) return;
  std::printf(
      "peer %s computes with kernels %s: the weights depend on who computes what, unless the "
      "run is made with --reproducible\n",
      peer::short_name(peer_id{static_cast<uint64_t>(std::get<int64_t>(*peer))}).c_str(),
      one_line(std::get<std::string>(*text)).c_str());
}

enum class ending : uint8_t { reached, diverged, asked_to_stop, turned_out };

/// Blocks until the run has its steps, or has none to come.
ending wait_for_end(const train_options& options, session& here, const caf::actor& root,
                    stop_signals& signals, int64_t steps) {
  bool reached = false;
  bool diverged = false;
  bool told_kernels = false;
  caf::actor asked;
  const auto current = [&] {
    caf::actor found;
    here.self()
        ->request(root, 5s, supervision::children_atom::value)
        .receive(
            [&](const supervision::children_status& children) {
              for (const auto& c : children)
                if (c.id == "coordinator") found = c.handle;
            },
            [](const caf::error&) {});
    return found;
  };
  while (!reached && !diverged) {
    here.events(0ms, [&](const telemetry::event& e) {
      print_step(e, options.line_every);
      print_other_kernels(e, told_kernels);
    });
    if (!here.token_in_use().empty()) return ending::turned_out;
    // A candidate that stands by answers, too, when the leader has got there.
    const auto coordinator = current();
    if (coordinator && coordinator != asked) {
      asked = coordinator;
      here.system().spawn(
          [coordinator, steps, me = caf::actor{here.self()}](caf::event_based_actor* asker) {
            asker
                ->request(caf::actor_cast<training::coordinator_actor>(coordinator), caf::infinite,
                          training::advance_atom::value, steps)
                .then([=](int64_t) { asker->send(me, caf::atom("reached")); },
                      [=](const caf::error& why) {
                        if (training::is_divergence(why))
                          asker->send(me, *training::sentence_of(why));
                      });
          });
    }
    here.self()->receive([&](caf::atom_value) { reached = true; },
                         [&](const std::string& why) {
                           diverged = true;
                           std::printf("%s\n", one_line(why).c_str());
                         },
                         caf::after(0ms) >> [] {});
    if (!reached && !diverged && signals.wait(wake)) return ending::asked_to_stop;
  }
  return diverged ? ending::diverged : ending::reached;
}

std::optional<std::string> write_result(const train_options& options, session& here,
                                        const training_setup& setup, const caf::actor& root) {
  const auto steps = setup.options().steps;
  nlohmann::json result{
      {"steps", steps}, {"peer", here.id().value()}, {"name", peer::short_name(here.id())}};
  const auto evaluator = peer::evaluator_of(here.self(), root);
  if (evaluator && options.eval_batches > 0) {
    here.self()
        ->request(evaluator, 60s, training::evaluate_atom::value, options.eval_batches)
        .receive([&](double loss) { result["validation_loss"] = loss; }, [](const caf::error&) {});
  }
  const auto hash = weights_hash(here, setup, steps);
  if (hash) result["weights_hash"] = *hash;
  std::printf("finished: %s\n", result.dump().c_str());
  if (options.result.empty()) return std::nullopt;
  const auto failed =
      replace_file(user_path(options.result), result.dump() + "\n", audience::everybody);
  if (!failed) return std::nullopt;
  return "--result: the file " + options.result + " cannot be written: " + failed.message();
}

int train(const train_options& options, stop_signals& signals) {
  session::role role;
  role.agent = "swarm train";
  role.description_file = options.run;
  const auto say = [](const std::string& line) { std::printf("%s\n", line.c_str()); };
  auto opened = open_computing(options.net, role, "trainer", say, signals, options.join_timeout);
  if (const auto* why = std::get_if<session_failure>(&opened)) {
    complain(why->sentence);
    return why->exit_code;
  }
  auto& here = *std::get<computing_session>(opened).here;
  const auto& run = std::get<computing_session>(opened).run;
  run_options numbers;
  numbers.scope = run_scope::described;
  numbers.in_flight = options.in_flight;
  apply(run, numbers);
  auto data = load_data(options, run, numbers);
  if (const auto* why = std::get_if<std::string>(&data)) return complain(*why);
  const training_setup setup{numbers, std::get<tensors::corpus>(std::move(data))};
  const auto added =
      here.node().add("training", [given = training_options(options, here, setup, run.steps)](
                                      caf::actor_system& system, const peer::node_services& use) {
        auto mine = given;
        mine.directory = use.directory;
        mine.coordinator->telemetry = use.telemetry;
        return peer::spawn_training_peer(system, std::move(mine));
      });
  if (!added) return complain("the trainer does not start");
  if (options.begin) std::printf("leads\n");
  int code = exit_success;
  switch (wait_for_end(options, here, *added, signals, run.steps)) {
    case ending::reached:
      if (const auto why = write_result(options, here, setup, *added)) code = complain(*why);
      break;
    case ending::diverged:
      code = exit_failure;
      break;
    case ending::asked_to_stop:
      std::printf("leaves\n");
      break;
    case ending::turned_out:
      complain(here.token_in_use());
      code = exit_token_in_use;
      break;
  }
  // A second signal does not wait.
  signals.release();
  here.node().stop(options.leave_timeout);
  return code;
}

}  // namespace

int run_train(int argc, const char* const* argv) {
  train_options options;
  auto table = train_table(options);
  return run_main(
      argc, argv, table,
      [&] {
        std::setvbuf(stdout, nullptr, _IOLBF, 0);
        stop_signals signals;
        return train(options, signals);
      },
      output_role::company);
}

}  // namespace swarm::tools
