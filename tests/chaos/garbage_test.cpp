#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "actors/random.hpp"
#include "tests/chaos/rig.hpp"

// Bytes that mean nothing are sent to the port of a peer at work: it neither fails nor grows.

using namespace swarm;
using namespace std::chrono_literals;

namespace {

constexpr size_t connections = 64;
constexpr size_t burst_bytes = size_t{64} << 10;
/// What all of them may take together: a quarter of a MiB each, work of the peer's own included.
constexpr int64_t grown_kib_max = 16 * 1024;

int64_t resident_kib(pid_t process) {
  std::ifstream in{"/proc/" + std::to_string(process) + "/status"};
  for (std::string line; std::getline(in, line);)
    if (line.compare(0, 6, "VmRSS:") == 0) return std::atoll(line.c_str() + 6);
  return 0;
}

/// A connection that sends its beginning and then the same burst as long as it is let; with an
/// empty burst it stalls.
class knocker {
 public:
  knocker(const std::string& address, std::string beginning, const std::string& burst)
      : left_(std::move(beginning)), burst_(burst) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port =
        htons(static_cast<uint16_t>(std::atoi(address.substr(address.rfind(':') + 1).c_str())));
    socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0) shut();
    if (socket_ >= 0) fcntl(socket_, F_SETFL, O_NONBLOCK);
  }
  knocker(const knocker&) = delete;
  knocker& operator=(const knocker&) = delete;
  ~knocker() { shut(); }

  bool is_open() const { return socket_ >= 0; }
  size_t sent() const { return sent_; }

  /// As much as is taken at once.
  void push() {
    std::array<char, 4096> thrown_away;
    ssize_t read = 0;
    while (socket_ >= 0 && (read = recv(socket_, thrown_away.data(), thrown_away.size(), 0)) > 0) {
    }
    if (socket_ >= 0 && (read == 0 || errno != EAGAIN)) shut();
    while (socket_ >= 0) {
      if (left_.empty()) left_ = burst_;
      if (left_.empty()) return;
      const auto count = send(socket_, left_.data(), left_.size(), MSG_NOSIGNAL);
      if (count <= 0) {
        if (errno != EAGAIN) shut();
        return;
      }
      sent_ += static_cast<size_t>(count);
      left_.erase(0, static_cast<size_t>(count));
    }
  }

 private:
  void shut() {
    if (socket_ >= 0) close(socket_);
    socket_ = -1;
  }

  int socket_ = -1;
  size_t sent_ = 0;
  std::string left_;
  const std::string& burst_;
};

/// The beginnings: nothing known, TLS records of the largest size, half a greeting of HTTP.
std::vector<std::string> beginnings(const std::string& noise) {
  return {noise, std::string{"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03", 11},
          "GET / HTTP/1.1\r\n", std::string(1024, '\xff')};
}

}  // namespace

BOOST_AUTO_TEST_CASE(garbage_endless_streams_and_stalled_connections_change_nothing) {
  chaos::rig::shape shape;
  shape.peers = 1;
  shape.trainers = 1;
  chaos::rig run{"garbage", shape};
  run.begin();
  BOOST_REQUIRE_MESSAGE(run.until_full(), run.all().story());
  const auto target = run.peer(0, 0);
  splitmix64 random{7};
  std::string noise(burst_bytes, '\0');
  for (auto& c : noise)
    c = static_cast<char>(random.next());
  const std::string nothing;
  const auto kinds = beginnings(noise);
  for (const std::string* burst : {&std::as_const(noise), &nothing}) {
    const auto before = resident_kib(run.all().pid(target));
    std::vector<std::unique_ptr<knocker>> all;
    for (size_t i = 0; i < connections; ++i)
      all.push_back(
          std::make_unique<knocker>(run.address(target), kinds[i % kinds.size()], *burst));
    int64_t most = before;
    const auto turned_away = run.all().until([&] {
      size_t open = 0;
      for (auto& k : all) {
        k->push();
        open += k->is_open() ? 1 : 0;
      }
      most = std::max(most, resident_kib(run.all().pid(target)));
      return open == 0;
    });
    BOOST_TEST(turned_away, "a connection that never greets is still open");
    size_t sent = 0;
    for (const auto& k : all)
      sent += k->sent();
    std::printf("%zu connections sent %zu KiB; resident: %lld KiB before, %lld at most\n",
                connections, sent >> 10, static_cast<long long>(before),
                static_cast<long long>(most));
    BOOST_TEST(sent > 0U);
    BOOST_TEST(most - before <= grown_kib_max);
    BOOST_TEST(!run.all().ended(target), run.all().story());
  }
  run.finish();
}
