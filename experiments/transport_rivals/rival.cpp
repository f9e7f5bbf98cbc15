#include "experiments/transport_rivals/rival.hpp"

#include <cstdio>
#include <iostream>
#include <sstream>

namespace swarm::experiments {

namespace {

void print(const std::vector<double>& numbers) {
  std::string line;
  for (const double number : numbers)
    line += (line.empty() ? "" : " ") + std::to_string(number);
  std::puts(line.c_str());
  std::fflush(stdout);
}

}  // namespace

void obey(rival_client& client) {
  std::puts("ready");
  std::fflush(stdout);
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

void announce_and_wait(const std::string& address) {
  std::puts(address.c_str());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
}

}  // namespace swarm::experiments
