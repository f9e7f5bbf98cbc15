// What a single process makes of a run: prints the hash of its weights after all steps.

#include <cstdio>
#include <string>
#include <utility>
#include <variant>

#include "actors/identity/keys.hpp"
#include "tensors/engine/cpu_kernels.hpp"
#include "tools/run/run_files.hpp"
#include "tools/run/training_setup.hpp"

int main(int argc, char** argv) {
  using namespace swarm;
  // The kernels that the run's processes use: sums differ between kernels.
  tensors::tune_and_reexec(argc, argv);
  if (argc != 2) return 2;
  auto loaded = tools::load_description(argv[1], std::nullopt);
  if (const auto* why = std::get_if<std::string>(&loaded)) {
    std::fprintf(stderr, "%s\n", why->c_str());
    return 1;
  }
  const auto& run = std::get<tools::loaded_description>(loaded).run;
  tools::run_options model;
  tools::apply(run, model);
  model.data = run.data_source;
  auto data = tools::load_run_corpus(model);
  if (const auto* why = std::get_if<std::string>(&data)) {
    std::fprintf(stderr, "%s\n", why->c_str());
    return 1;
  }
  const tools::training_setup setup{model, std::move(std::get<tensors::corpus>(data))};
  auto trainer = setup.reference(1);
  for (int64_t i = 0; i < model.steps; ++i)
    trainer.step();
  const auto flat = trainer.parameters();
  std::printf("%s\n", identity::fingerprint({reinterpret_cast<const char*>(flat.data()),
                                             static_cast<size_t>(flat.bytes())})
                          .c_str());
  return 0;
}
