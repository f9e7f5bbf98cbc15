#include "tests/chaos/rig.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <utility>
#include <variant>

#include "tools/processes/free_ports.hpp"
#include "tools/processes/process_group.hpp"
#include "tools/processes/state_folder.hpp"
#include "tools/run/run_files.hpp"

namespace swarm::chaos {

namespace {

/// For newcomers, besides those that begin.
constexpr int64_t spare_tokens = 6;
constexpr int64_t validity_s = 24 * 3600;

tensors::corpus corpus_of(tools::run_options& model) {
  auto loaded = tools::load_run_corpus(model);
  if (const auto* why = std::get_if<std::string>(&loaded)) BOOST_FAIL(*why);
  return std::move(std::get<tensors::corpus>(loaded));
}

}  // namespace

std::string program() {
  return tools::tree_program("tools/swarm/swarm");
}

std::string scratch(const std::string& name) {
  namespace fs = std::filesystem;
  const char* given = std::getenv("TEST_TMPDIR");
  const auto path =
      (given == nullptr ? fs::temp_directory_path() / "swarm-chaos" : fs::path{given}) / name;
  fs::remove_all(path);
  fs::create_directories(path);
  return path.string();
}

tools::run_options small_model(int64_t stages, int64_t steps) {
  tools::run_options model;
  model.reproducible = true;
  model.stages = stages;
  model.steps = steps;
  model.model.layers = std::max<int64_t>(stages, 2);
  model.model.width = 32;
  model.model.heads = 2;
  model.model.context = 16;
  model.microbatches = 4;
  model.optimizer.decay_steps = 1'000;
  return model;
}

std::vector<std::string> flags_of(const tools::run_options& model) {
  const auto number = [](int64_t value) { return std::to_string(value); };
  return {"--reproducible",
          "--stages=" + number(model.stages),
          "--steps=" + number(model.steps),
          "--layers=" + number(model.model.layers),
          "--width=" + number(model.model.width),
          "--heads=" + number(model.model.heads),
          "--context=" + number(model.model.context),
          "--microbatches=" + number(model.microbatches),
          "--decay-steps=" + number(model.optimizer.decay_steps)};
}

std::string reference_hash(const std::string& description) {
  fleet one;
  const auto id =
      one.start("reference", tools::tree_program("tests/chaos/reference"), {description});
  one.until_ended(id);
  BOOST_REQUIRE_MESSAGE(one.ended(id) && !one.lines(id).empty(), one.story());
  return one.lines(id).back();
}

void make_run(const std::string& folder, const tools::run_options& given, int64_t tokens) {
  auto model = given;
  const auto data = corpus_of(model);
  tools::new_run what;
  what.folder = folder;
  what.name = "chaos";
  what.peers = tokens;
  what.valid_s = validity_s;
  const auto failed = tools::make_run(what, model, data, tools::unix_now_ms());
  if (failed) BOOST_FAIL(*failed);
}

printed run_once(const std::vector<std::string>& arguments) {
  fleet one;
  const auto id = one.start(arguments.at(0), program(), arguments);
  const auto how = one.until_ended(id);
  printed result;
  for (const auto& line : one.lines(id))
    result.text += line + "\n";
  result.exit_code = how && how->signal == 0 ? how->exit_code : -1;
  return result;
}

rig::rig(const std::string& name, shape what) : what_(std::move(what)), folder_(scratch(name)) {
  const auto count = static_cast<size_t>(what_.trainers + what_.stages * what_.peers);
  make_run(folder_, small_model(what_.stages, what_.steps),
           static_cast<int64_t>(count) + spare_tokens);
  const auto ports = tools::free_ports(count);
  for (size_t i = 0; i < count; ++i) {
    const auto host = what_.address ? what_.address(i) : std::string{"127.0.0.1"};
    addresses_.push_back(host + ":" + std::to_string(ports.at(i)));
  }
}

std::string rig::token(int64_t number) const {
  return tools::token_file(folder_, number);
}

std::string rig::description() const {
  return tools::description_file(folder_);
}

fleet::id rig::peer(int64_t stage, int64_t number) const {
  return static_cast<fleet::id>(what_.trainers + stage * what_.peers + number);
}

std::string rig::join() const {
  if (what_.one_seed) return addresses_.at(peer(0, 0));
  std::string result;
  for (const auto& address : addresses_)
    result += (result.empty() ? "" : ",") + address;
  return result;
}

std::vector<std::string> rig::common(const std::string& command, const std::string& name,
                                     size_t number, const std::string& join) const {
  const auto text = [](std::chrono::milliseconds t) { return std::to_string(t.count()) + "ms"; };
  std::vector<std::string> result{command,
                                  "--token=" + token(static_cast<int64_t>(number) + 1),
                                  "--join=" + join,
                                  "--state-dir=" + folder_ + "/" + name,
                                  "--heartbeat-interval=" + text(heartbeat_interval),
                                  "--silence-timeout=" + text(silence_timeout)};
  result.insert(result.end(), what_.flags.begin(), what_.flags.end());
  return result;
}

fleet::id rig::launch(const std::string& name, const std::vector<std::string>& arguments,
                      const std::vector<std::string>& first) {
  auto line = what_.prefix ? what_.prefix(arguments_.size()) : std::vector<std::string>{};
  line.push_back(program());
  line.insert(line.end(), arguments.begin(), arguments.end());
  const auto main = line.front();
  line.erase(line.begin());
  arguments_.push_back(line);
  line.insert(line.end(), first.begin(), first.end());
  read_.push_back(0);
  return all_.start(name, main, line);
}

void rig::begin() {
  for (int64_t t = 0; t < what_.trainers; ++t) {
    const auto number = static_cast<size_t>(t);
    const auto name = "trainer-" + std::to_string(t);
    auto arguments = common("train", name, number, join());
    arguments.push_back("--run=" + description());
    arguments.push_back("--bind=" + addresses_.at(number));
    arguments.push_back("--result=" + folder_ + "/" + name + ".json");
    arguments.emplace_back("--line-every=1");
    launch(name, arguments,
           t == 0 ? std::vector<std::string>{"--begin"} : std::vector<std::string>{});
  }
  for (int64_t s = 0; s < what_.stages; ++s) {
    for (int64_t p = 0; p < what_.peers; ++p) {
      const auto number = peer(s, p);
      const auto name = "peer-" + std::to_string(s) + "-" + std::to_string(p);
      auto arguments = common("peer", name, number, join());
      arguments.push_back("--run=" + description());
      arguments.push_back("--bind=" + addresses_.at(number));
      arguments.push_back("--stage=" + std::to_string(s));
      arguments.insert(arguments.end(), what_.peer_flags.begin(), what_.peer_flags.end());
      launch(name, arguments, {"--begin"});
    }
  }
  BOOST_REQUIRE_MESSAGE(until_step(0), all_.story());
}

fleet::id rig::add_peer(const std::string& name, int64_t stage, const std::string& join,
                        const std::vector<std::string>& flags, bool bind) {
  const auto number = arguments_.size();
  auto arguments = common("peer", name, number, join);
  addresses_.push_back("127.0.0.1:" + std::to_string(tools::free_ports(1).at(0)));
  if (bind) arguments.push_back("--bind=" + addresses_.back());
  arguments.push_back("--stage=" + std::to_string(stage));
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  return launch(name, arguments, {});
}

void rig::again(fleet::id which) {
  read_.at(which) = 0;
  all_.again(which, arguments_.at(which));
}

int64_t rig::step() {
  for (int64_t t = 0; t < what_.trainers; ++t) {
    const auto who = trainer(t);
    const auto& lines = all_.lines(who);
    for (; read_.at(who) < lines.size(); ++read_.at(who)) {
      const auto& line = lines[read_.at(who)];
      if (line.compare(0, 5, "step ") != 0) continue;
      step_ = std::max<int64_t>(step_, std::atoll(line.c_str() + 5));
      leader_ = who;
    }
  }
  return step_;
}

fleet::id rig::leader() {
  step();
  return leader_;
}

bool rig::until_step(int64_t step) {
  return all_.until([&] { return this->step() >= step; });
}

bool rig::until_full() {
  std::string workers = "workers ";
  for (int64_t s = 0; s < what_.stages; ++s)
    workers += (s == 0 ? "" : "/") + std::to_string(what_.peers);
  return all_.until([&] {
    for (int64_t t = 0; t < what_.trainers; ++t)
      if (all_.said(trainer(t), workers)) return true;
    return false;
  });
}

bool rig::until_serving(fleet::id which) {
  return all_.until([&] {
    const auto& lines = all_.lines(which);
    return all_.ended(which) || std::find(lines.begin(), lines.end(), "serves") != lines.end();
  }) && !all_.ended(which);
}

void rig::finish() {
  // Stages change nothing of the result, but there are more layers when there are more of them.
  static std::map<std::pair<int64_t, int64_t>, std::string> known;
  auto& expected = known[{what_.stages, what_.steps}];
  if (expected.empty()) expected = reference_hash(description());
  size_t finished = 0;
  for (int64_t t = 0; t < what_.trainers; ++t) {
    const auto who = trainer(t);
    const auto how = all_.until_ended(who);
    BOOST_REQUIRE_MESSAGE(how, "a trainer does not finish; " << all_.story());
    if (how->signal != 0) continue;
    BOOST_TEST(how->exit_code == 0, all_.story());
    BOOST_TEST(all_.line_with(who, "finished: ").find(expected) != std::string::npos,
               "expected " << expected << "; " << all_.story());
    ++finished;
  }
  BOOST_TEST(finished > 0U, all_.story());
}

}  // namespace swarm::chaos
