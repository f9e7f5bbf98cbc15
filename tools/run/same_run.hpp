#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tools/options/run_options.hpp"

namespace swarm::tools {

/// The options of a run that may have been described before. What is not given takes the
/// description's value; what is given is compared with it.
class same_run {
 public:
  /// Declares the options of add_description_options() for `options`; `folder` tells, once all are
  /// read, where the run's files would be. Both outlive the table, as this does.
  same_run(option_table& table, run_options& options, std::function<std::string()> folder);
  ~same_run();
  same_run(const same_run&) = delete;
  same_run& operator=(const same_run&) = delete;

  /// A sentence that names every option that was given and says something else than the
  /// description, and what to do; nothing when all agree or there is no description. --data may
  /// name another place of the same corpus: it is not compared.
  std::optional<std::string> difference() const;

 private:
  struct description;

  void look() const;

  option_table& table_;
  std::function<std::string()> folder_;
  std::unique_ptr<description> described_;
};

}  // namespace swarm::tools
