#include "experiments/program.hpp"

#include <capnp/common.h>

#include <caf/config.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>
#include <variant>

#include "tensors/engine/kernels_in_use.hpp"
#include "tensors/engine/version.hpp"
#include "tools/report/result_file.hpp"

namespace swarm::experiments {

namespace {

tools::versions library_versions() {
  tools::versions result;
  result.caf = std::to_string(CAF_MAJOR_VERSION) + "." + std::to_string(CAF_MINOR_VERSION) + "." +
               std::to_string(CAF_PATCH_VERSION);
  result.libtorch = tensors::libtorch_version();
  result.capnp = std::to_string(CAPNP_VERSION_MAJOR) + "." + std::to_string(CAPNP_VERSION_MINOR) +
                 "." + std::to_string(CAPNP_VERSION_MICRO);
  return result;
}

}  // namespace

bool is_claimed(const claim& one, const tools::option_table& table) {
  if (one.sizes == claim_of::any_size) return true;
  const std::set<std::string> no_size{"out", "json", "check", "dir", "verbose", "seed"};
  for (const auto& name : table.changed()) {
    if (name == "smoke" && one.sizes == claim_of::both_sizes) continue;
    if (no_size.count(name) == 0) return false;
  }
  return true;
}

int conclude(const std::string& program, const tools::option_table& table,
             const tools::run_options& options, const nlohmann::json& results,
             const std::vector<claim>& claims) {
  const auto document =
      tools::result_document(program, table.to_json(), library_versions(), results);
  int code = tools::exit_success;
  size_t left_out = 0;
  for (const auto& one : claims) {
    if (!is_claimed(one, table)) {
      ++left_out;
      continue;
    }
    std::printf("%s %s\n", one.holds ? "holds:" : "DOES NOT HOLD:", one.sentence.c_str());
    if (options.check && !one.holds) code = tools::exit_failure;
  }
  if (left_out > 0)
    std::printf("not claimed of this size: %zu of %zu claims\n", left_out, claims.size());
  // Before the files: a full disk must not lose what was measured.
  if (options.json) std::fputs(tools::json_line(document).c_str(), stdout);
  if (!options.out.empty()) {
    if (auto failure = tools::write_result(options.out, program + ".json", document)) {
      std::fprintf(stderr, "%s: --out: %s\n", program.c_str(), failure->c_str());
      code = tools::exit_failure;
    }
  }
  return code;
}

int experiment_main(int argc, char** argv, tools::option_table& table, tools::run_options& options,
                    const std::function<int(tensors::corpus)>& body) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  return tools::run_main(argc, argv, table, [&] {
    // Before anything is read or written: it may start the program again.
    const auto overruled = [](const std::string& what) {
      std::fprintf(stderr, "%s\n", what.c_str());
    };
    const auto other_kernels = tensors::use_kernels(tools::kernels_of(options), overruled);
    auto loaded = tools::load_run_corpus(options);
    if (const auto* sentence = std::get_if<std::string>(&loaded)) {
      std::fprintf(stderr, "%s\n", sentence->c_str());
      return tools::exit_usage;
    }
    if (!options.out.empty()) {
      if (auto failure = tools::prepare_folder(options.out)) {
        std::fprintf(stderr, "--out: %s\n", failure->c_str());
        return tools::exit_usage;
      }
    }
    if (other_kernels) {
      std::fprintf(stderr, "%s\n", other_kernels->c_str());
      return tools::exit_failure;
    }
    return body(std::get<tensors::corpus>(std::move(loaded)));
  });
}

}  // namespace swarm::experiments
