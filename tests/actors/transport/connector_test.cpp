// A name with several addresses, of which some swallow what is sent to them.

#include "actors/transport/connector.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>
#include <optional>

#include "actors/transport/clock.hpp"

using namespace swarm;
using namespace swarm::transport;
using namespace std::chrono_literals;

namespace {

using tcp = boost::asio::ip::tcp;

tcp::endpoint at(const char* host, uint16_t port) {
  return {boost::asio::ip::make_address(host), port};
}

/// Listens and accepts nobody: its queue is full, so that the kernel drops who dials, as a firewall
/// does.
class deaf_port {
 public:
  explicit deaf_port(const char* host) {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in where{};
    where.sin_family = AF_INET;
    inet_pton(AF_INET, host, &where.sin_addr);
    socklen_t size = sizeof(where);
    auto* plain = reinterpret_cast<sockaddr*>(&where);
    BOOST_REQUIRE(::bind(listener_, plain, size) == 0);
    BOOST_REQUIRE(::listen(listener_, 0) == 0);
    BOOST_REQUIRE(::getsockname(listener_, plain, &size) == 0);
    address = {boost::asio::ip::make_address(host), ntohs(where.sin_port)};
    for (auto& each : waiting_) {
      each = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
      ::connect(each, plain, size);
    }
  }
  ~deaf_port() {
    for (const int each : waiting_)
      ::close(each);
    ::close(listener_);
  }
  deaf_port(const deaf_port&) = delete;
  deaf_port& operator=(const deaf_port&) = delete;

  tcp::endpoint address;

 private:
  int listener_ = -1;
  int waiting_[4] = {-1, -1, -1, -1};
};

struct dial {
  boost::asio::io_context context;
  std::optional<tcp::socket> got;
  std::shared_ptr<connector> connecting;

  dial(const std::vector<tcp::endpoint>& where, std::chrono::milliseconds limit) {
    connecting = std::make_shared<connector>(context, where, limit,
                                             [this](tcp::socket s) { got.emplace(std::move(s)); });
    connecting->start();
  }
  ~dial() { connecting->cancel(); }

  bool run(std::chrono::milliseconds limit) {
    const auto from = now();
    while (!got && now() - from < limit)
      context.run_one_for(10ms);
    return got.has_value();
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(the_next_address_is_tried_when_the_first_swallows_packets) {
  const deaf_port first{"127.0.0.1"};
  boost::asio::io_context context;
  tcp::acceptor second{context, at("127.0.0.1", 0)};
  dial what{{first.address, second.local_endpoint()}, 5s};
  const auto from = now();
  BOOST_REQUIRE(what.run(20s));
  BOOST_TEST(what.got->is_open());
  BOOST_TEST((what.got->remote_endpoint() == second.local_endpoint()));
  BOOST_TEST((now() - from < 3s), (now() - from).count());
  // The other way round nobody waits.
  dial turned{{second.local_endpoint(), first.address}, 5s};
  BOOST_REQUIRE(turned.run(20s));
  BOOST_TEST(turned.got->is_open());
}

BOOST_AUTO_TEST_CASE(when_none_answers_all_are_named) {
  const deaf_port first{"127.0.0.1"};
  uint16_t nobodys = 0;
  {
    boost::asio::io_context context;
    nobodys = tcp::acceptor{context, at("127.0.0.1", 0)}.local_endpoint().port();
  }
  dial what{{first.address, at("127.0.0.1", nobodys)}, 500ms};
  BOOST_TEST(!what.run(600ms));
  const auto story = what.connecting->story();
  BOOST_TEST(story.find(std::to_string(first.address.port()) + ": no answer") != std::string::npos,
             story);
  BOOST_TEST(story.find(std::to_string(nobodys) + ": Connection refused") != std::string::npos,
             story);
}

BOOST_AUTO_TEST_CASE(when_all_refuse_it_is_over_at_once) {
  uint16_t nobodys = 0;
  {
    boost::asio::io_context context;
    nobodys = tcp::acceptor{context, at("127.0.0.1", 0)}.local_endpoint().port();
  }
  dial what{{at("127.0.0.1", nobodys), at("::1", nobodys)}, 5s};
  BOOST_REQUIRE(what.run(20s));
  BOOST_TEST(!what.got->is_open());
  BOOST_TEST(what.connecting->reason() == "none of its addresses can be reached");
}
