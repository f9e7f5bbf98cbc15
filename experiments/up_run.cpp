#include "experiments/up_run.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "experiments/stopwatch.hpp"
#include "tools/processes/process_group.hpp"

namespace swarm::experiments {

namespace {

class listener {
 public:
  listener(up_outcome& out, bool verbose) : out_(out), verbose_(verbose) {}

  void on_line(const std::string& line) {
    const bool step = after(line, "| step ").has_value();
    if (verbose_ && !step) std::printf("  %s\n", line.c_str());
    if (const auto text = after(line, "| step ")) {
      on_step(std::atoll(text->c_str()));
      leader_ = line.substr(0, line.find(' '));
    }
    if (const auto text = after(line, "* "); text && line.find(" is killed") != std::string::npos) {
      ++out_.kills;
      if (text->substr(0, text->find(' ')) == leader_) ++out_.kills_of_leaders;
    }
    if (const auto text = after(line, "finished: ")) on_result(*text);
    if (line.compare(0, 9, "swarm up:") == 0) out_.complaint = line;
  }

 private:
  static std::optional<std::string> after(const std::string& line, const std::string& mark) {
    const auto at = line.find(mark);
    if (at == std::string::npos) return std::nullopt;
    return line.substr(at + mark.size());
  }

  void on_step(int64_t step) {
    const double now = watch_.seconds();
    if (out_.printed == 0) out_.first_step_seconds = now;
    if (step <= out_.last_step) ++out_.taken_back;
    if (out_.printed != 0) out_.longest_pause_s = std::max(out_.longest_pause_s, now - last_);
    ++out_.printed;
    out_.last_step = std::max(out_.last_step, step);
    out_.seconds = now - out_.first_step_seconds;
    last_ = now;
  }

  void on_result(const std::string& text) {
    const auto result = nlohmann::json::parse(text, nullptr, false);
    if (result.is_discarded()) return;
    out_.hashes.push_back(result.value("weights_hash", std::string{}));
    out_.validation_loss = result.value("validation_loss", 0.0);
  }

  up_outcome& out_;
  bool verbose_;
  stopwatch watch_;
  double last_ = 0;
  std::string leader_;
};

}  // namespace

up_outcome run_up(const std::vector<std::string>& arguments, bool verbose) {
  up_outcome result;
  listener hears{result, verbose};
  tools::process_spec spec;
  spec.name = "up";
  spec.arguments = {"up"};
  spec.arguments.insert(spec.arguments.end(), arguments.begin(), arguments.end());
  spec.keep = false;
  tools::process_group group{
      tools::tree_program("tools/swarm/swarm"),
      tools::process_table{{spec}, {}},
      {[&](const std::string&, const std::string& line) { hears.on_line(line); },
       [](const std::string&) {},
       {}}};
  const auto outcome = group.run(std::nullopt);
  group.stop(std::chrono::seconds{30});
  result.finished = outcome == tools::process_group::outcome::all_ended && !result.hashes.empty();
  return result;
}

}  // namespace swarm::experiments
