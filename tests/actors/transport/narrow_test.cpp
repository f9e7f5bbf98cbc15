// Ways that swallow some of what is sent, and what a dialler is told of them.

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include "actors/transport/tls.hpp"
#include "tests/actors/transport/endpoint_rig.hpp"
#include "tests/actors/transport/packets.hpp"

using namespace swarm;
using namespace swarm::transport;
using namespace swarm::transport::test;

namespace {

constexpr size_t record_header = 5;

std::shared_ptr<tls_context> context_of(const tls_options& options) {
  auto made = tls_context::make(options);
  BOOST_REQUIRE(std::holds_alternative<std::shared_ptr<tls_context>>(made));
  return std::get<std::shared_ptr<tls_context>>(std::move(made));
}

bytes read_some(int socket) {
  bytes result(16'384);
  const auto got = ::recv(socket, result.data(), result.size(), 0);
  result.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return result;
}

size_t record_size(const bytes& from) {
  BOOST_REQUIRE(from.size() >= record_header);
  return record_header + (size_t{from[3]} << 8) + from[4];
}

/// What a peer answers to this client hello, packet by packet.
std::vector<bytes> answer_to(const bytes& hello, const tls_options& options) {
  // Packets keep their bounds there; the reader asks for a record's header first.
  int ends[2];
  BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends) == 0);
  const auto context = context_of(options);
  const auto server = context->make_channel(ends[0], false);
  ::send(ends[1], hello.data(), record_header, 0);
  ::send(ends[1], hello.data() + record_header, hello.size() - record_header, 0);
  BOOST_TEST((server->handshake().state == io_state::wait_read));
  std::vector<bytes> result;
  for (auto packet = read_some(ends[1]); !packet.empty(); packet = read_some(ends[1]))
    result.push_back(packet);
  ::close(ends[0]);
  ::close(ends[1]);
  return result;
}

/// A listening socket of no endpoint.
class port {
 public:
  port() {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(where);
    auto* plain = reinterpret_cast<sockaddr*>(&where);
    BOOST_REQUIRE(::bind(listener_, plain, size) == 0);
    BOOST_REQUIRE(::listen(listener_, 4) == 0);
    BOOST_REQUIRE(::getsockname(listener_, plain, &size) == 0);
    address = "127.0.0.1:" + std::to_string(ntohs(where.sin_port));
  }
  ~port() {
    if (accepted_ >= 0) ::close(accepted_);
    ::close(listener_);
  }
  port(const port&) = delete;
  port& operator=(const port&) = delete;

  int accept() { return accepted_ = ::accept(listener_, nullptr, nullptr); }

  std::string address;

 private:
  int listener_ = -1;
  int accepted_ = -1;
};

endpoint_options hasty(const authority& run) {
  endpoint_options result;
  result.tls = run.issue();
  result.dial_timeout = std::chrono::milliseconds{500};
  return result;
}

bool says(const std::string& sentence, const std::string& words) {
  BOOST_TEST_MESSAGE(sentence);
  return sentence.find(words) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_CASE(an_answer_begins_with_a_small_packet) {
  const authority run;
  int ends[2];
  BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
  const auto context = context_of(run.issue());
  const auto client = context->make_channel(ends[0], true);
  client->handshake();
  const auto hello = read_some(ends[1]);
  const auto packets = answer_to(hello, run.issue());
  BOOST_REQUIRE(packets.size() == 2U);
  BOOST_TEST(packets[0].size() == record_size(packets[0]));
  BOOST_TEST(packets[0].size() < 200U);
  BOOST_TEST(packets[1].size() > 600U);
  ::close(ends[0]);
  ::close(ends[1]);
}

BOOST_AUTO_TEST_CASE(a_way_that_loses_large_packets_is_told) {
  const authority run;
  port far;
  party here{hasty(run)};
  const auto link = here.end->dial(far.address);
  const int socket = far.accept();
  const auto packets = answer_to(read_some(socket), run.issue());
  ::send(socket, packets[0].data(), packets[0].size(), 0);
  const auto told = here.saw.wait_down(link);
  BOOST_REQUIRE(told);
  BOOST_TEST((told->reason == down_reason::unreachable));
  BOOST_TEST(says(told->sentence, far.address));
  BOOST_TEST(says(told->sentence, "small packets pass"));
  BOOST_TEST(says(told->sentence, "MTU"));
}

BOOST_AUTO_TEST_CASE(somebody_who_listens_and_says_nothing_is_told_apart) {
  const authority run;
  for (const bool tls : {true, false}) {
    port far;
    auto options = hasty(run);
    if (!tls) options.tls.reset();
    party here{options};
    const auto link = here.end->dial(far.address);
    read_some(far.accept());
    const auto told = here.saw.wait_down(link);
    BOOST_REQUIRE(told);
    BOOST_TEST(says(told->sentence, "says nothing within 0.5 s"));
    BOOST_TEST(!says(told->sentence, "MTU"));
  }
}

BOOST_AUTO_TEST_CASE(a_name_that_leads_nowhere_names_the_addresses) {
  const authority run;
  party here{hasty(run)};
  std::string nobody;
  { nobody = port{}.address; }
  const auto by_name = "localhost" + nobody.substr(nobody.rfind(':'));
  const auto told = here.saw.wait_down(here.end->dial(by_name));
  BOOST_REQUIRE(told);
  BOOST_TEST(says(told->sentence, by_name));
  BOOST_TEST(says(told->sentence, nobody + ": Connection refused"));
}
