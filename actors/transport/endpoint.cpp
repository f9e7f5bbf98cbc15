#include "actors/transport/endpoint.hpp"

#include "actors/transport/exchange.hpp"

namespace swarm::transport {

namespace {

std::optional<std::string> check(const endpoint_options& options) {
  if (options.greeting.size() > greeting_bytes_max)
    return "greeting: it has more than greeting_bytes_max bytes";
  if (options.heartbeat_interval.count() <= 0 ||
      options.silence_timeout < 2 * options.heartbeat_interval)
    return "silence_timeout: it has to be at least twice heartbeat_interval, and both positive";
  if (options.dial_timeout.count() <= 0) return "dial_timeout: it has to be positive";
  if (options.queueing_target.count() <= 0) return "queueing_target: it has to be positive";
  return std::nullopt;
}

}  // namespace

const char* to_string(down_reason reason) {
  switch (reason) {
    case down_reason::closed:
      return "closed";
    case down_reason::lost:
      return "lost";
    case down_reason::silent:
      return "silent";
    case down_reason::refused:
      return "refused";
    case down_reason::unreachable:
      return "unreachable";
    case down_reason::protocol:
      return "protocol";
  }
  return "unknown";
}

std::variant<std::unique_ptr<endpoint>, std::string> endpoint::open(endpoint_options options,
                                                                    events& user) {
  if (auto wrong = check(options)) return std::move(*wrong);
  std::shared_ptr<tls_context> tls;
  if (options.tls) {
    auto made = tls_context::make(*options.tls);
    if (auto* sentence = std::get_if<std::string>(&made)) return std::move(*sentence);
    tls = std::get<std::shared_ptr<tls_context>>(std::move(made));
  }
  const bool listens = !options.bind.empty();
  auto opened = std::make_unique<exchange>(std::move(options), std::move(tls), user);
  if (listens) {
    if (auto wrong = opened->listen()) {
      opened->start();
      return std::move(*wrong);
    }
  }
  opened->start();
  return std::unique_ptr<endpoint>{std::move(opened)};
}

}  // namespace swarm::transport
