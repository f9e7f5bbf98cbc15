#include "experiments/detection_rounds.hpp"

#include <signal.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <utility>

#include "actors/random.hpp"
#include "experiments/stopwatch.hpp"
#include "tools/processes/free_ports.hpp"
#include "tools/processes/process_group.hpp"

namespace swarm::experiments {

using namespace std::chrono_literals;
using tools::process_group;
using tools::process_spec;

namespace {

/// Of every wait: nothing takes so long unless it fails.
constexpr auto patience = 30s;
/// A killed process must not be back before it was missed.
constexpr auto restart_after = 150ms;
constexpr size_t progress_every = 20;

struct member {
  process_spec spec;
  int64_t number = 0;
};

std::string flag(const char* name, int64_t value, const char* unit = "") {
  return std::string{"--"} + name + "=" + std::to_string(value) + unit;
}

std::string loopback(uint16_t port) {
  return "127.0.0.1:" + std::to_string(port);
}

member make_member(const detection_options& options, int64_t number, const std::string& bind,
                   const std::string& join) {
  member result;
  result.number = number;
  result.spec.name = std::to_string(number);
  result.spec.arguments = {flag("number", number),
                           flag("heartbeat-interval", options.heartbeat_interval.count(), "ms"),
                           flag("silence-timeout", options.silence_timeout.count(), "ms")};
  if (!bind.empty()) result.spec.arguments.push_back("--bind=" + bind);
  if (!join.empty()) result.spec.arguments.push_back("--join=" + join);
  return result;
}

/// Processes, and what they have said of each other.
class scene {
 public:
  scene(std::vector<process_spec> specs, uint64_t seed)
      : random_(seed),
        group_(tools::tree_program("experiments/detection_member"),
               tools::process_table{std::move(specs), {restart_after}},
               {[this](const std::string& who, const std::string& line) { hear(who, line); },
                [this](const std::string& what) { note(what); },
                {}}) {}
  ~scene() {
    // They are made to be killed.
    for (size_t i = 0; i < group_.table().size(); ++i)
      group_.signal(i, SIGKILL);
    group_.stop(0ms);
  }

  /// False: it did not come about.
  bool until(const std::function<bool()>& condition) {
    return group_.run(patience, [&] { return condition() || !failure_.empty(); }) ==
               process_group::outcome::condition_met &&
           failure_.empty();
  }

  /// At any moment between two heartbeats.
  void pass_some_time(std::chrono::milliseconds most) {
    const auto count = static_cast<uint64_t>(most.count()) + 1;
    group_.run(std::chrono::milliseconds{random_.next() % count});
  }

  /// When it was sent.
  double signal(size_t process, int number) {
    const double now = machine_seconds();
    group_.signal(process, number);
    return now;
  }
  void forget(int64_t who) { seen_.erase(std::to_string(who)); }

  bool sees(int64_t who, int64_t whom) { return sight(who, whom).there; }
  /// When it saw it go last; nothing while it sees it.
  std::optional<double> gone(int64_t who, int64_t whom) {
    const auto& now = sight(who, whom);
    return now.there ? std::nullopt : now.gone;
  }

  /// When the operating system last told that this one had ended.
  double ended(int64_t who) { return ended_[std::to_string(who)]; }

  std::string failure() const {
    return failure_.empty() ? "a process did not see another come or go within 30 s" : failure_;
  }

 private:
  struct seen {
    bool there = false;
    std::optional<double> gone;
  };

  seen& sight(int64_t who, int64_t whom) { return seen_[std::to_string(who)][whom]; }

  void note(const std::string& what) {
    if (what.find("started") == std::string::npos)
      ended_[what.substr(0, what.find(' '))] = machine_seconds();
  }

  void hear(const std::string& who, const std::string& line) {
    const auto first = line.find(' ');
    const auto word = line.substr(0, first);
    if (word == "there" || word == "gone") {
      char* end = nullptr;
      const auto whom = std::strtoll(line.c_str() + first, &end, 10);
      auto& now = seen_[who][whom];
      now.there = word == "there";
      if (!now.there) now.gone = std::strtod(end, nullptr);
    } else if (word != "at") {
      failure_ = "process " + who + ": " + line;
    }
  }

  std::map<std::string, std::map<int64_t, seen>> seen_;
  std::map<std::string, double> ended_;
  std::string failure_;
  splitmix64 random_;
  process_group group_;
};

using progress_function = std::function<void(const std::string&)>;

void tell(const progress_function& progress, const char* what, size_t round) {
  if (round % progress_every == 0 && progress)
    progress(std::string{what} + ": " + std::to_string(round) + " rounds");
}

/// Several watchers, one victim, which listens itself.
class by_signal {
 public:
  explicit by_signal(const detection_options& options) : options_(options) {
    const auto ports = tools::free_ports(1);
    const auto seed = ports.empty() ? "" : loopback(ports[0]);
    std::vector<process_spec> specs;
    for (int64_t w = 1; w <= options.watchers; ++w) {
      specs.push_back(
          make_member(options, w, w == 1 ? seed : "127.0.0.1:0", w == 1 ? "" : seed).spec);
    }
    victim_ = options.watchers + 1;
    place_ = specs.size();
    specs.push_back(make_member(options, victim_, "127.0.0.1:0", seed).spec);
    scene_ = std::make_unique<scene>(std::move(specs), options.seed);
  }

  std::optional<std::string> run(int number, std::vector<double>& times,
                                 std::vector<double>* control, const char* what,
                                 const progress_function& progress) {
    for (int64_t round = 0; round < options_.rounds; ++round) {
      if (!scene_->until([&] { return all([&](int64_t w) { return scene_->sees(w, victim_); }); }))
        return scene_->failure();
      scene_->pass_some_time(options_.heartbeat_interval);
      const double start = scene_->signal(place_, number);
      const auto missed = [&] {
        return all([&](int64_t w) { return !scene_->sees(w, victim_); }) &&
               (control == nullptr || scene_->ended(victim_) >= start);
      };
      if (!scene_->until(missed)) return scene_->failure();
      if (control != nullptr) control->push_back(scene_->ended(victim_) - start);
      for (int64_t w = 1; w <= options_.watchers; ++w)
        times.push_back(*scene_->gone(w, victim_) - start);
      if (number != SIGKILL) scene_->signal(place_, SIGKILL);
      scene_->forget(victim_);
      tell(progress, what, static_cast<size_t>(round) + 1);
    }
    return std::nullopt;
  }

 private:
  bool all(const std::function<bool(int64_t)>& holds) const {
    for (int64_t w = 1; w <= options_.watchers; ++w)
      if (!holds(w)) return false;
    return true;
  }

  const detection_options options_;
  int64_t victim_ = 0;
  size_t place_ = 0;
  std::unique_ptr<scene> scene_;
};

/// Two processes and a relay between them, the only way from one to the other.
std::optional<std::string> freeze_cable(const detection_options& options,
                                        std::vector<double>& times,
                                        const progress_function& progress) {
  constexpr int64_t host = 1;
  constexpr int64_t guest = 2;
  constexpr size_t relay_place = 1;
  constexpr size_t guest_place = 2;
  const auto ports = tools::free_ports(2);
  if (ports.size() < 2) return "no free ports on loopback";
  auto listens = make_member(options, host, loopback(ports[0]), "").spec;
  // Else the guest would learn the way round the relay.
  listens.arguments.push_back("--announce=" + loopback(ports[1]));
  process_spec relay;
  relay.name = "relay";
  relay.arguments = {flag("relay-port", ports[1]), flag("relay-to", ports[0])};
  scene two{{listens, relay, make_member(options, guest, "", loopback(ports[1])).spec},
            options.seed};
  for (int64_t round = 0; round < options.rounds; ++round) {
    if (!two.until([&] { return two.sees(host, guest) && two.sees(guest, host); }))
      return two.failure();
    two.pass_some_time(options.heartbeat_interval);
    const double start = two.signal(relay_place, SIGSTOP);
    if (!two.until([&] { return !two.sees(host, guest) && !two.sees(guest, host); }))
      return two.failure();
    times.push_back(*two.gone(host, guest) - start);
    times.push_back(*two.gone(guest, host) - start);
    two.signal(guest_place, SIGKILL);
    two.signal(relay_place, SIGKILL);
    two.forget(guest);
    tell(progress, "silent cable", static_cast<size_t>(round) + 1);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> measure_detection(const detection_options& options,
                                             detection_times& found,
                                             const progress_function& progress) {
  {
    by_signal crowd{options};
    if (auto why = crowd.run(SIGKILL, found.kill, &found.parent, "SIGKILL", progress)) return why;
    if (auto why = crowd.run(SIGSTOP, found.freeze, nullptr, "SIGSTOP", progress)) return why;
  }
  return freeze_cable(options, found.silence, progress);
}

}  // namespace swarm::experiments
