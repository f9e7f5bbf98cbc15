#include "tools/processes/free_ports.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <set>

using namespace swarm;

namespace {

int bound_to(uint16_t port) {
  const int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  BOOST_REQUIRE(bind(s, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  return s;
}

}  // namespace

BOOST_AUTO_TEST_CASE(ports_are_different) {
  const auto ports = tools::free_ports(20);
  BOOST_TEST(ports.size() == 20U);
  BOOST_TEST(std::set<uint16_t>(ports.begin(), ports.end()).size() == 20U);
}

BOOST_AUTO_TEST_CASE(a_port_is_taken_while_somebody_has_it) {
  const auto port = tools::free_ports(1).at(0);
  BOOST_TEST(tools::is_free(port));
  const int holder = bound_to(port);
  BOOST_TEST(!tools::is_free(port));
  BOOST_REQUIRE(listen(holder, 1) == 0);
  BOOST_TEST(!tools::is_free(port));
  close(holder);
  BOOST_TEST(tools::is_free(port));
}
