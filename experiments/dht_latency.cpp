#include "experiments/dht_latency.hpp"

#include <poll.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>

#include "actors/random.hpp"
#include "experiments/dht_live_nodes.hpp"
#include "experiments/transport_rivals/rival.hpp"
#include "experiments/transport_rivals/rival_process.hpp"
#include "tools/processes/child_process.hpp"

namespace swarm::experiments {

namespace {

/// Nodes that a value is announced to in OpenDHT: dht::TARGET_NODES.
constexpr size_t opendht_copies = 8;

/// Before each call: what the one before has left to do in the background is not measured.
constexpr int pause_ms = 4;

void pause() {
  ::poll(nullptr, 0, pause_ms);
}

void note(call_seconds& calls, std::optional<double> seconds) {
  if (seconds) {
    calls.all.push_back(*seconds);
  } else {
    ++calls.failed;
  }
}

std::optional<double> number(const std::optional<std::vector<double>>& answer, size_t at) {
  if (!answer || answer->size() <= at) return std::nullopt;
  return (*answer)[at];
}

/// The other side; a sentence when there is none.
std::variant<rival_process, std::string> start_opendht(const latency_run& run) {
  auto started = rival_process::start(
      {tools::tree_program("experiments/opendht_peer"), std::to_string(run.nodes)});
  auto* peer = std::get_if<rival_process>(&started);
  if (peer == nullptr || peer->read_line()) return started;
  return peer->exit_code() == exit_not_installed
             ? "OpenDHT is not installed: apt-get install libopendht-dev, bazel sync --configure"
             : "OpenDHT's nodes do not start";
}

class side_by_side {
 public:
  side_by_side(const latency_run& run, live_nodes& ours, rival_process* opendht)
      : run_(run), ours_(ours), opendht_(opendht), random_(run.seed) {}

  latency_findings go(const std::function<void(const std::string&)>& tell) {
    tell("warming up");
    calls(0, run_.warm_up);
    findings_ = {};
    tell("measuring latencies");
    calls(run_.warm_up, run_.warm_up + run_.operations);
    // OpenDHT's two kinds of put have one counterpart.
    findings_.put_signed.ours = findings_.put.ours;
    return std::move(findings_);
  }

 private:
  size_t any_node() { return random_.below(run_.nodes); }

  static std::string line(const char* what, size_t node, const std::string& name) {
    return std::string{what} + " " + std::to_string(node) + " " + name;
  }

  void calls(size_t begin, size_t end) {
    for (auto i = begin; i < end; ++i) {
      put(name_of(i));
      get(name_of(i));
    }
  }

  std::string name_of(size_t i) const {
    return "value-" + std::to_string(run_.seed) + "-" + std::to_string(i);
  }

  void put(const std::string& name) {
    const auto node = any_node();
    pause();
    note(findings_.put.ours, ours_.put(node, name, std::string(run_.value_bytes, 'v')));
    if (opendht_ == nullptr) return;
    const auto bytes = " " + std::to_string(run_.value_bytes);
    pause();
    note(findings_.put.opendht, number(opendht_->ask(line("put", node, name) + bytes), 0));
    const auto other = line("sign", node, "signed-" + name);
    pause();
    note(findings_.put_signed.opendht, number(opendht_->ask(other + bytes), 0));
  }

  void get(const std::string& name) {
    const auto node = any_node();
    pause();
    note(findings_.get_all.ours, ours_.get(node, name, dht::read_mode::all));
    pause();
    note(findings_.get_first.ours, ours_.get(any_node(), name, dht::read_mode::any));
    if (opendht_ == nullptr) return;
    pause();
    const auto answer = opendht_->ask(line("get", node, name));
    note(findings_.get_first.opendht, number(answer, 0));
    note(findings_.get_all.opendht, number(answer, 1));
  }

  latency_run run_;
  live_nodes& ours_;
  rival_process* opendht_;
  splitmix64 random_;
  latency_findings findings_;
};

}  // namespace

double call_seconds::quantile(double q) const {
  if (all.empty()) return 0;
  auto sorted = all;
  std::sort(sorted.begin(), sorted.end());
  const auto rank = std::ceil(q * static_cast<double>(sorted.size()));
  return sorted[static_cast<size_t>(std::max(rank, 1.0)) - 1];
}

bool latency_pair::ours_is_not_slower() const {
  return ours.failed + opendht.failed == 0 && ours.quantile(0.5) <= opendht.quantile(0.5) &&
         ours.quantile(0.99) <= opendht.quantile(0.99);
}

std::variant<latency_findings, std::string> measure_latencies(
    const latency_run& run, const std::function<void(const std::string&)>& tell) {
  tell("starting nodes of OpenDHT");
  auto opendht = start_opendht(run);
  tell("starting nodes on loopback");
  auto made = live_nodes::start({run.nodes, opendht_copies, run.seed});
  if (auto* sentence = std::get_if<std::string>(&made)) return std::move(*sentence);
  auto& ours = *std::get<std::unique_ptr<live_nodes>>(made);
  auto found = side_by_side{run, ours, std::get_if<rival_process>(&opendht)}.go(tell);
  if (auto* sentence = std::get_if<std::string>(&opendht)) found.alone = std::move(*sentence);
  return found;
}

}  // namespace swarm::experiments
