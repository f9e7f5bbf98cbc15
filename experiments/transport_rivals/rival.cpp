#include "experiments/transport_rivals/rival.hpp"

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>

namespace swarm::experiments {

namespace {

constexpr int exit_usage = 2;

void print(const std::vector<double>& numbers) {
  std::string line;
  for (const double number : numbers)
    line += (line.empty() ? "" : " ") + std::to_string(number);
  std::puts(line.c_str());
  std::fflush(stdout);
}

void obey(rival_client& client) {
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words{line};
    std::string what;
    size_t bulk_bytes = 0;
    size_t bytes = 0;
    int count = 0;
    words >> what;
    if (what == "behind") words >> bulk_bytes;
    words >> bytes >> count;
    if (!words) return;
    if (what == "send") print({client.send(bytes, count)});
    if (what == "ask") print(client.ask(bytes, count));
    if (what == "behind") print(client.ask_behind(bulk_bytes, bytes, count));
  }
}

}  // namespace

int rival_main(int argc, char** argv, const std::map<std::string, rival_way>& ways) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const auto found = words.size() < 3 ? ways.end() : ways.find(words[1]);
  if (found == ways.end()) {
    std::fprintf(stderr, "%s is started by //experiments:transport\n", argv[0]);
    return exit_usage;
  }
  rival_settings settings;
  for (const auto& word : words)
    if (const auto equals = word.find('='); equals != std::string::npos)
      settings[word.substr(0, equals)] = word.substr(equals + 1);
  if (words[0] == "serve") return found->second.serve(words[2], settings);
  const auto client = found->second.make_client(words[2], settings);
  announce("ready");
  obey(*client);
  return 0;
}

void announce(const std::string& address) {
  std::puts(address.c_str());
  std::fflush(stdout);
}

void wait_for_the_end() {
  while (std::getchar() != EOF) {
  }
}

void give_up(const std::string& sentence) {
  std::fprintf(stderr, "%s\n", sentence.c_str());
  std::exit(1);
}

}  // namespace swarm::experiments
