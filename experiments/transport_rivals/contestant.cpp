// One process of //experiments:transport: serves or asks, in one of the ways that are compared.
//
//     contestant serve WAY HOST [KEY=VALUE ...]       prints its address
//     contestant ask WAY ADDRESS [KEY=VALUE ...]      obeys (rival.hpp)
//
// Keys: tls=FOLDER with authority.pem, certificate.pem, key.pem; cap=BYTES_PER_SECOND.

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>

#include "experiments/transport_rivals/ours.hpp"
#include "experiments/transport_rivals/raw_tcp.hpp"

namespace {

using namespace swarm;

using settings = std::map<std::string, std::string>;

settings read_settings(int argc, char** argv) {
  settings result;
  for (int i = 0; i < argc; ++i) {
    const std::string text = argv[i];
    const auto equals = text.find('=');
    if (equals != std::string::npos) result[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return result;
}

std::string read_file(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

transport::endpoint_options our_options(const settings& given) {
  transport::endpoint_options result;
  // Namespaces on one machine are not loopback.
  result.insecure = true;
  if (const auto tls = given.find("tls"); tls != given.end()) {
    const auto in = [&](const char* name) { return read_file(tls->second + "/" + name); };
    result.tls = {in("authority.pem"), in("certificate.pem"), in("key.pem")};
  }
  if (const auto cap = given.find("cap"); cap != given.end())
    result.bytes_per_s_max = std::strtoull(cap->second.c_str(), nullptr, 10);
  if (const auto target = given.find("target"); target != given.end())
    result.queueing_target = std::chrono::milliseconds{std::atoi(target->second.c_str())};
  return result;
}

int serve(const std::string& way, const std::string& host, const settings& given) {
  if (way == "raw") {
    experiments::serve_raw_tcp(host);
  } else if (way == "ours") {
    auto options = our_options(given);
    options.bind = host + ":0";
    experiments::serve_ours(std::move(options));
  } else {
    return 2;
  }
  return 0;
}

int ask(const std::string& way, const std::string& address, const settings& given) {
  std::unique_ptr<experiments::rival_client> client;
  if (way == "raw") client = experiments::raw_tcp_client(address);
  if (way == "ours") client = experiments::our_client(address, our_options(given));
  if (!client) return 2;
  experiments::obey(*client);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "started by //experiments:transport\n");
    return 2;
  }
  const auto given = read_settings(argc - 4, argv + 4);
  return std::string{argv[1]} == "serve" ? serve(argv[2], argv[3], given)
                                         : ask(argv[2], argv[3], given);
}
