#include "tools/run/same_run.hpp"

#include <algorithm>
#include <utility>
#include <variant>

#include "tools/report/one_line.hpp"
#include "tools/run/run_files.hpp"

namespace swarm::tools {

namespace {

const std::string data_option = "data";
const std::string decay_option = "decay-steps";

const option& named(const option_table& table, const std::string& name) {
  const auto& all = table.options();
  return *std::find_if(all.begin(), all.end(), [&](const option& o) { return o.name == name; });
}

std::string flag(const std::string& name, const option_value& value) {
  return "--" + name + "=" + to_config_text(value);
}

}  // namespace

/// The description's values as options of the same names.
struct same_run::description {
  run_options options;
  option_table table{"", ""};
  std::optional<std::string> folder;  ///< that was looked into
  bool known = false;

  description() { add_description_options(table, options); }
};

same_run::same_run(option_table& table, run_options& options, std::function<std::string()> folder)
    : table_(table), folder_(std::move(folder)), described_(std::make_unique<description>()) {
  add_description_options(table, options);
  for (const auto& each : described_->table.options()) {
    const auto name = each.name;
    table.add_derived_default(
        name, name == decay_option ? "--steps" : to_config_text(named(table, name).value),
        [this, name] {
          look();
          return current_value(named(described_->known ? described_->table : table_, name));
        });
  }
}

same_run::~same_run() = default;

void same_run::look() const {
  const auto folder = folder_();
  // Every option that is not given asks.
  if (described_->folder == folder) return;
  described_->folder = folder;
  described_->known = false;
  if (folder.empty()) return;
  const auto loaded = load_description(description_file(folder), std::nullopt);
  const auto* found = std::get_if<loaded_description>(&loaded);
  if (found == nullptr) return;
  apply(found->run, described_->options);
  described_->options.data = found->run.data_source;
  described_->known = true;
}

std::optional<std::string> same_run::difference() const {
  look();
  if (!described_->known) return std::nullopt;
  std::string given;
  std::string there;
  for (const auto& each : described_->table.options()) {
    if (each.name == data_option || !table_.was_given(each.name)) continue;
    const auto mine = current_value(named(table_, each.name));
    const auto its = current_value(each);
    // 0 is the corpus' own vocabulary, which is the run's.
    const bool any = each.name == "vocabulary" && mine == option_value{int64_t{0}};
    if (mine == its || any) continue;
    given += (given.empty() ? "" : " ") + flag(each.name, mine);
    there += (there.empty() ? "" : " ") + flag(each.name, its);
  }
  if (given.empty()) return std::nullopt;
  return given + ": the run in " + one_line(folder_()) + " was made with " + there +
         "; leave out what differs to go on with it, or choose another --dir for a new run.";
}

}  // namespace swarm::tools
