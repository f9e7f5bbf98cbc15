// What a single process makes of a run: prints the hash of its weights after all steps.

#include <cstdio>
#include <string>
#include <utility>
#include <variant>

#include "tensors/engine/kernels_in_use.hpp"
#include "tools/run/run_files.hpp"
#include "tools/run/training_setup.hpp"

int main(int argc, char** argv) {
  using namespace swarm;
  if (argc != 2) return 2;
  auto loaded = tools::load_description(argv[1], std::nullopt);
  if (const auto* why = std::get_if<std::string>(&loaded)) {
    std::fprintf(stderr, "%s\n", why->c_str());
    return 1;
  }
  const auto& run = std::get<tools::loaded_description>(loaded).run;
  // The kernels that the run's processes use: sums differ between kernels.
  if (const auto why = tensors::use_kernels(run.kernels)) {
    std::fprintf(stderr, "%s\n", why->c_str());
    return 1;
  }
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
  std::printf("%s\n", trainer.weights_hash().c_str());
  return 0;
}
