#include "tests/chaos/hosts.hpp"

#include <unistd.h>

#include <array>
#include <boost/test/unit_test.hpp>
#include <utility>

#include "tests/skip.hpp"

namespace swarm::chaos {

namespace {

std::string find_program(const std::string& name) {
  for (const char* folder : {"/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"})
    if (access((folder + name).c_str(), X_OK) == 0) return folder + name;
  return name;
}

std::string namespace_of(pid_t process) {
  const auto path = "/proc/" + std::to_string(process) + "/ns/net";
  std::array<char, 128> name{};
  const auto length = readlink(path.c_str(), name.data(), name.size());
  return length > 0 ? std::string(name.data(), static_cast<size_t>(length)) : std::string{};
}

std::string cable(size_t host) {
  return "port" + std::to_string(host);
}

}  // namespace

bool hosts::has_tools() {
  return find_program("ip").front() == '/';
}

std::string hosts::address(size_t host) {
  return "10.77.0." + std::to_string(host + 1);
}

std::optional<std::string> hosts::run(std::vector<std::string> command) {
  fleet one;
  std::string line;
  for (const auto& part : command)
    line += part + " ";
  const auto main = find_program(command.front());
  command.erase(command.begin());
  const auto id = one.start("command", main, command);
  const auto how = one.until_ended(id);
  if (how && how->signal == 0 && how->exit_code == 0) return std::nullopt;
  return line + "failed: " + (one.lines(id).empty() ? "no reason given" : one.lines(id).back());
}

std::optional<std::string> hosts::ip(fleet::id in, std::vector<std::string> arguments) {
  auto command = std::vector<std::string>{
      "nsenter", "--net=/proc/" + std::to_string(all_.pid(in)) + "/ns/net", "--", "ip"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return run(std::move(command));
}

std::optional<std::string> hosts::make(const std::string& name) {
  const auto id =
      all_.start(name, find_program("unshare"), {"--net", "--", "tail", "-f", "/dev/null"});
  const auto ours = namespace_of(getpid());
  all_.until([&] {
    const auto theirs = namespace_of(all_.pid(id));
    return all_.ended(id) || (!theirs.empty() && theirs != ours);
  });
  if (all_.ended(id))
    return "no network namespace: " + (all_.lines(id).empty() ? "" : all_.lines(id).back());
  holders_.push_back(id);
  return ip(id, {"link", "set", "lo", "up"});
}

std::optional<std::string> hosts::open(size_t count) {
  if (auto why = make("switch")) return why;
  const auto middle = holders_[0];
  if (auto why = ip(middle, {"link", "add", "bridge0", "type", "bridge"})) return why;
  if (auto why = ip(middle, {"link", "set", "bridge0", "up"})) return why;
  for (size_t h = 0; h < count; ++h) {
    if (auto why = make("host-" + std::to_string(h))) return why;
    const auto far = std::to_string(all_.pid(holders_.back()));
    const std::vector<std::vector<std::string>> there{
        {"addr", "add", address(h) + "/24", "dev", "net0"}, {"link", "set", "net0", "up"}};
    if (auto why = ip(middle, {"link", "add", cable(h), "type", "veth", "peer", "name", "net0",
                               "netns", far}))
      return why;
    if (auto why = ip(middle, {"link", "set", cable(h), "master", "bridge0", "up"})) return why;
    for (const auto& arguments : there)
      if (auto why = ip(holders_.back(), arguments)) return why;
  }
  return std::nullopt;
}

bool hosts::open_or_skip(size_t count) {
  const auto why = open(count);
  if (why) tests::skip(has_tools() ? "network namespaces" : "iproute2", *why);
  return !why;
}

std::vector<std::string> hosts::prefix(size_t host) const {
  return {find_program("nsenter"),
          "--net=/proc/" + std::to_string(all_.pid(holders_.at(host + 1))) + "/ns/net", "--"};
}

void hosts::cut(size_t host) {
  // Out of the bridge, not down: nobody's own end notices.
  const auto why = ip(holders_[0], {"link", "set", cable(host), "nomaster"});
  BOOST_REQUIRE_MESSAGE(!why, why.value_or(""));
}

void hosts::mend(size_t host) {
  const auto why = ip(holders_[0], {"link", "set", cable(host), "master", "bridge0"});
  BOOST_REQUIRE_MESSAGE(!why, why.value_or(""));
}

void hosts::narrow(size_t host, size_t packet_bytes_max) {
  // The bridge drops what is too large for a port; its own ends go by their own size.
  const auto why =
      ip(holders_[0], {"link", "set", cable(host), "mtu", std::to_string(packet_bytes_max)});
  BOOST_REQUIRE_MESSAGE(!why, why.value_or(""));
}

}  // namespace swarm::chaos
