#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "tools/options/run_options.hpp"

namespace swarm::experiments {

/// Which sizes a claim is about.
enum class claim_of {
  any_size,    ///< follows from how things are built: nothing that is lost, equal bits
  own_size,    ///< a figure of the program as it comes, without options
  both_sizes,  ///< the same, and of --smoke
};

/// One thing an experiment claims, and whether the run bears it out.
struct claim {
  std::string sentence;
  bool holds = false;
  claim_of sizes = claim_of::own_size;
};

/// The claim is about what `table` was told to run: options that only say where results go, and
/// seeds, change no size.
bool is_claimed(const claim& one, const tools::option_table& table);

/// What every experiment does with its outcome: with --json the numbers are the last line of
/// standard output, with --out they are written beside the effective configuration, versions and
/// hardware, and with --check a claim that does not hold is named and fails the run; those that are
/// not about this run's size are left out, with a line. Files that cannot be written fail it too,
/// after all is printed.
int conclude(const std::string& program, const tools::option_table& table,
             const tools::run_options& options, const nlohmann::json& results,
             const std::vector<claim>& claims);

/// The main of an experiment: reads the options, checks them, takes the run's kernels, loads the
/// corpus, creates the folder of --out and calls `body`. Bad input, such as a folder that cannot be
/// written, is one sentence and exit code 2; nothing is written.
int experiment_main(int argc, char** argv, tools::option_table& table, tools::run_options& options,
                    const std::function<int(tensors::corpus)>& body);

}  // namespace swarm::experiments
