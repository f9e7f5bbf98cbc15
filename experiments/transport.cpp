// The connections between processes beside other ways of carrying messages: a plain socket, CAF's
// own network layer, gRPC and Gloo, all between two processes of this machine, in turns; and what a
// small request waits for behind large messages on a slow link.

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "actors/identity/certificate.hpp"
#include "actors/identity/keys.hpp"
#include "actors/identity/secret_file.hpp"
#include "experiments/program.hpp"
#include "experiments/transport_rivals/rival_process.hpp"
#include "experiments/transport_rivals/shaped_link.hpp"
#include "tools/options/option_table.hpp"
#include "tools/processes/child_process.hpp"
#include "tools/report/result_file.hpp"
#include "tools/report/table.hpp"

namespace {

using namespace swarm;
namespace fs = std::filesystem;

constexpr std::array<int, 3> sizes_mib{1, 4, 16};
constexpr std::array<int, 2> request_bytes{64, 1024};
constexpr int link_mbit = 200;
constexpr double behind_slack_ms = 50;
constexpr double ask_us_max = 80;

struct transport_options {
  tools::run_options run;  ///< out, json, check and smoke
  int64_t rounds = 5;
  int64_t mib = 512;
  int64_t requests = 500;
  int64_t behind = 200;
};

struct contestant {
  std::string name;
  experiments::rival_spec spec;
  bool running = true;
  std::map<int, std::vector<double>> mb_per_s;  ///< by size
  std::vector<double> cpu_s_per_gb;             ///< at 4 MiB
  std::map<int, std::vector<double>> ask_us;    ///< by size; the median of each round
};

double quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto last = static_cast<double>(values.size() - 1);
  return values[static_cast<size_t>(share * last + 0.5)];
}

double median(const std::vector<double>& values) {
  return quantile(values, 0.5);
}

/// Certificates of a run of its own, as files. The folder goes with it.
class certificates {
 public:
  certificates() {
    std::string name = (fs::temp_directory_path() / "swarm-transport-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error{"no folder for certificates"};
    folder_ = name;
    // For a century from 2001 on: no clock is asked.
    constexpr int64_t from_s = 1'000'000'000;
    constexpr int64_t valid_s = int64_t{100} * 365 * 86'400;
    const auto run = identity::key_pair::generate();
    const auto peer = identity::key_pair::generate();
    const auto authority = identity::make_authority(run, "transport", from_s, valid_s);
    write("authority.pem", identity::certificate_pem(authority));
    write("certificate.pem", identity::certificate_pem(identity::make_certificate(
                                 run, authority, peer.key(), from_s, valid_s)));
    write("key.pem", identity::private_key_pem(peer.seed()));
  }
  ~certificates() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  certificates(const certificates&) = delete;
  certificates& operator=(const certificates&) = delete;

  std::string setting() const { return "tls=" + folder_.string(); }

 private:
  void write(const char* name, const std::string& text) const {
    identity::write_secret((folder_ / name).string(), text);
  }

  fs::path folder_;
};

/// The programs lie beside this one, or where `bazel run` starts.
std::string program(const char* name) {
  const auto beside = fs::path{tools::own_program()}.parent_path() / "transport_rivals" / name;
  if (fs::exists(beside)) return beside.string();
  return (fs::path{"experiments/transport_rivals"} / name).string();
}

std::vector<contestant> everybody(const certificates& tls) {
  const auto make = [&](const char* name, const char* file, const char* way, bool encrypted) {
    contestant result;
    result.name = name;
    result.spec.program = program(file);
    result.spec.way = way;
    if (encrypted) result.spec.settings = {tls.setting()};
    return result;
  };
  return {make("raw TCP", "contestant", "raw", false),
          make("swarm", "contestant", "ours", false),
          make("swarm, TLS", "contestant", "ours", true),
          make("CAF", "contestant", "caf", false),
          make("CAF, TLS", "contestant", "caf", true),
          make("gRPC", "grpc_contestant", "grpc", false),
          make("Gloo", "gloo_contestant", "gloo", false)};
}

[[noreturn]] void give_up(const std::string& sentence) {
  throw std::runtime_error{sentence};
}

std::vector<double> numbers(experiments::rival_pair& pair, const std::string& command,
                            const std::string& name) {
  auto answer = pair.client.ask(command);
  if (!answer || answer->empty()) give_up(name + " did not finish '" + command + "'");
  return *answer;
}

void measure_round(contestant& one, experiments::rival_pair& pair, const transport_options& options,
                   bool counts) {
  for (const int mib : sizes_mib) {
    const size_t bytes = static_cast<size_t>(mib) << 20;
    const auto messages = std::max<int64_t>(options.mib / mib, 4);
    const double cpu_before = pair.cpu_seconds();
    const auto seconds = numbers(
        pair, "send " + std::to_string(bytes) + " " + std::to_string(messages), one.name)[0];
    const double gb = static_cast<double>(bytes) * static_cast<double>(messages) / 1e9;
    if (!counts) continue;
    one.mb_per_s[mib].push_back(gb * 1e3 / seconds);
    if (mib == 4) one.cpu_s_per_gb.push_back((pair.cpu_seconds() - cpu_before) / gb);
  }
  for (const int bytes : request_bytes) {
    const auto asked = numbers(
        pair, "ask " + std::to_string(bytes) + " " + std::to_string(options.requests), one.name);
    if (counts) one.ask_us[bytes].push_back(median(asked));
  }
}

/// All in turns, so that the machine's moods hit all.
void measure(std::vector<contestant>& all, const transport_options& options) {
  std::map<std::string, experiments::rival_pair> pairs;
  for (auto& one : all) {
    auto started = experiments::start_pair(one.spec);
    if (const auto* sentence = std::get_if<std::string>(&started)) {
      one.running = false;
      if (!sentence->empty()) give_up(*sentence);
      continue;
    }
    pairs.emplace(one.name, std::get<experiments::rival_pair>(std::move(started)));
  }
  // Round 0 warms up.
  for (int64_t round = 0; round <= options.rounds; ++round)
    for (auto& one : all)
      if (one.running) measure_round(one, pairs.at(one.name), options, round > 0);
}

/// Small requests while the link is full of large messages.
struct behind_bulk {
  std::string name;
  double median_ms = 0;
  double p99_ms = 0;
  double max_ms = 0;
};

struct behind_results {
  bool namespaces = false;
  double base_ms = 0;  ///< a request over a plain socket of the empty link
  std::vector<behind_bulk> all;

  double allowed_ms() const { return 2 * base_ms + behind_slack_ms; }
};

behind_results measure_behind(const std::vector<contestant>& all,
                              const transport_options& options) {
  const auto link = experiments::shaped_link::make(link_mbit);
  behind_results result;
  result.namespaces = link != nullptr;
  const auto find = [&](const std::string& name) {
    auto spec = std::find_if(all.begin(), all.end(), [&](const auto& one) {
                  return one.name == name;
                })->spec;
    if (link) {
      spec.host = link->address();
      spec.server_prefix = link->enter_first();
      spec.client_prefix = link->enter_second();
    } else {
      spec.settings.push_back("cap=" + std::to_string(link_mbit * 125'000));
    }
    return spec;
  };
  const auto ask = [&](const std::string& name, const std::string& command) {
    auto started = experiments::start_pair(find(name));
    if (const auto* sentence = std::get_if<std::string>(&started)) give_up(*sentence);
    return numbers(std::get<experiments::rival_pair>(started), command, name);
  };
  result.base_ms = median(ask("raw TCP", "ask 1024 200")) / 1e3;
  const auto behind = [&](const std::string& name, int64_t requests) {
    const auto us =
        ask(name, "behind " + std::to_string(16 << 20) + " 1024 " + std::to_string(requests));
    result.all.push_back({name, median(us) / 1e3, quantile(us, 0.99) / 1e3, quantile(us, 1) / 1e3});
  };
  behind("swarm", options.behind);
  behind("swarm, TLS", options.behind);
  // CAF has no cap to be set, and takes seconds for each.
  if (link) behind("CAF", 3);
  return result;
}

void print(const std::vector<contestant>& all) {
  tools::table rows{
      {"", "1 MiB MB/s", "4 MiB MB/s", "16 MiB MB/s", "CPU s/GB", "64 B us", "1 KiB us"}};
  for (const auto& one : all) {
    if (!one.running) {
      std::printf("%s is not installed: not measured\n", one.name.c_str());
      continue;
    }
    rows.add({one.name, tools::fixed(median(one.mb_per_s.at(1)), 0),
              tools::fixed(median(one.mb_per_s.at(4)), 0),
              tools::fixed(median(one.mb_per_s.at(16)), 0),
              tools::fixed(median(one.cpu_s_per_gb), 2), tools::fixed(median(one.ask_us.at(64)), 0),
              tools::fixed(median(one.ask_us.at(1024)), 0)});
  }
  std::fputs(rows.text().c_str(), stdout);
}

void print(const behind_results& behind) {
  if (behind.namespaces) {
    std::printf("1 KiB requests behind 16 MiB messages on a link of %d Mbit/s", link_mbit);
  } else {
    std::printf(
        "No network namespaces here (root, ip, tc): 1 KiB requests behind 16 MiB messages "
        "under a cap of %d Mbit/s on loopback",
        link_mbit);
  }
  std::printf("; %.2f ms when it is empty, at most %.1f ms allowed\n", behind.base_ms,
              behind.allowed_ms());
  tools::table rows{{"", "median ms", "p99 ms", "longest ms"}};
  for (const auto& one : behind.all)
    rows.add({one.name, tools::fixed(one.median_ms, 1), tools::fixed(one.p99_ms, 1),
              tools::fixed(one.max_ms, 1)});
  std::fputs(rows.text().c_str(), stdout);
}

nlohmann::json to_json(const std::vector<contestant>& all, const behind_results& behind) {
  nlohmann::json result;
  for (const auto& one : all) {
    if (!one.running) continue;
    auto& entry = result["ways"][one.name];
    for (const auto& [mib, values] : one.mb_per_s)
      entry["mb_per_s"][std::to_string(mib) + " MiB"] = median(values);
    entry["cpu_s_per_gb"] = median(one.cpu_s_per_gb);
    for (const auto& [bytes, values] : one.ask_us)
      entry["ask_us"][std::to_string(bytes) + " B"] = median(values);
  }
  result["behind"] = {{"namespaces", behind.namespaces},
                      {"base_ms", behind.base_ms},
                      {"allowed_ms", behind.allowed_ms()}};
  for (const auto& one : behind.all)
    result["behind"][one.name] = {
        {"median_ms", one.median_ms}, {"p99_ms", one.p99_ms}, {"max_ms", one.max_ms}};
  return result;
}

std::vector<experiments::claim> judge(const std::vector<contestant>& all,
                                      const behind_results& behind) {
  std::map<std::string, const contestant*> by_name;
  for (const auto& one : all)
    if (one.running) by_name[one.name] = &one;
  const auto faster = [&](const char* us, const char* them) {
    return std::all_of(sizes_mib.begin(), sizes_mib.end(), [&](int mib) {
      return median(by_name.at(us)->mb_per_s.at(mib)) > median(by_name.at(them)->mb_per_s.at(mib));
    });
  };
  std::vector<experiments::claim> result;
  if (by_name.count("gRPC") != 0)
    result.push_back({"faster than gRPC at every size", faster("swarm", "gRPC")});
  result.push_back({"faster than CAF's own network layer at every size", faster("swarm", "CAF")});
  result.push_back(
      {"with TLS faster than CAF's own network layer with TLS", faster("swarm, TLS", "CAF, TLS")});
  result.push_back({"a request of 1 KiB is answered within 80 us",
                    median(by_name.at("swarm")->ask_us.at(1024)) <= ask_us_max});
  for (const auto& one : behind.all)
    if (one.name != "CAF")
      result.push_back({one.name +
                            ": behind bulk, 99 of 100 requests are answered within twice the "
                            "empty link's time and 50 ms",
                        one.p99_ms <= behind.allowed_ms()});
  return result;
}

int run(const transport_options& options, const tools::option_table& table) {
  if (!options.run.out.empty()) {
    if (auto failure = tools::prepare_folder(options.run.out)) {
      std::fprintf(stderr, "--out: %s\n", failure->c_str());
      return tools::exit_usage;
    }
  }
  const certificates tls;
  auto all = everybody(tls);
  measure(all, options);
  print(all);
  const auto behind = measure_behind(all, options);
  print(behind);
  return experiments::conclude("transport", table, options.run, to_json(all, behind),
                               judge(all, behind));
}

void declare(tools::option_table& table, transport_options& options) {
  table.add(options.rounds, "rounds", "Measurements of each, in turns.", "rounds", 1, 1'000)
      .add(options.mib, "mib", "Sent in each measurement.", "MiB", 4, 65'536)
      .add(options.requests, "requests", "Small requests in each measurement.", "requests", 1,
           100'000)
      .add(options.behind, "behind", "Small requests behind large messages.", "requests", 1, 10'000)
      .add(options.run.out, "out", "Folder for the results; empty: none are written.", "folder")
      .add(options.run.json, "json", "Print the results as one line of JSON at the end.")
      .add(options.run.check, "check", "Fail when a claim does not hold.")
      .add(options.run.smoke, "smoke", "The small size of the test suite.")
      .add_preset("smoke", {"--rounds=1", "--mib=32", "--requests=50", "--behind=20"});
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  transport_options options;
  tools::option_table table{"transport",
                            "Messages between two processes, beside other ways to carry them."};
  declare(table, options);
  return tools::run_main(argc, argv, table, [&] { return run(options, table); });
}
