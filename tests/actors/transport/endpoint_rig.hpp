#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "actors/identity/certificate.hpp"
#include "actors/identity/keys.hpp"
#include "actors/transport/endpoint.hpp"

namespace swarm::transport::test {

/// Nothing here takes that long; it ends a test that hangs.
inline constexpr std::chrono::seconds patience{20};

/// Writes down what an endpoint tells, and waits for it.
class witness final : public events {
 public:
  struct message {
    link_id link;
    heading head;
    std::optional<wire::errc> wrong;
    uint64_t checksum = 0;
    size_t bytes = 0;
  };
  struct ending {
    down_reason reason;
    std::string sentence;
  };

  std::optional<std::string> on_greeting(const remote& who) override;
  void on_up(link_id which) override;
  void on_message(link_id which, const heading& head,
                  std::variant<wire::frame_ptr, wire::errc> body) override;
  void on_down(link_id which, down_reason reason, const std::string& sentence) override;

  /// False when `done` did not become true in time. It is called under the lock.
  bool wait(const std::function<bool()>& done);
  /// The first link that came up, or nothing in time.
  std::optional<link_id> wait_up(size_t count = 1);
  std::optional<ending> wait_down(link_id which);
  bool wait_messages(size_t count);
  /// A millisecond, or less when something happens.
  void wait_for_a_moment();

  template <class F>
  auto look(F f) {
    const std::lock_guard<std::mutex> guard{mutex};
    return f(*this);
  }

  std::mutex mutex;
  std::condition_variable changed;
  std::vector<remote> greeted;
  std::vector<link_id> up;
  std::vector<message> messages;
  std::map<link_id, ending> down;
  int endings = 0;
  /// What on_greeting answers.
  std::optional<std::string> refusal;
  /// Called for each message, by the endpoint's thread.
  std::function<void(link_id, const heading&)> answer;
};

/// An endpoint and what it told; ends before its witness.
struct party {
  witness saw;
  std::unique_ptr<endpoint> end;

  /// Fails the test when it cannot be opened.
  explicit party(endpoint_options options);
};

/// On loopback, any port.
endpoint_options listening();

/// Certificates of one run; valid from 2001 on.
class authority {
 public:
  authority();
  tls_options issue(int64_t valid_from_s = long_ago_s, int64_t valid_s = century_s) const;
  /// The key of the last one that was issued.
  mutable identity::public_key last_key{};

  static constexpr int64_t long_ago_s = 1'000'000'000;
  static constexpr int64_t century_s = int64_t{100} * 365 * 86'400;

 private:
  identity::key_pair run_;
  std::string der_;
};

/// Two endpoints, the first of which has dialled the second.
struct linked_pair {
  party a;
  party b;
  link_id at_a;
  link_id at_b;

  linked_pair(endpoint_options of_a, endpoint_options of_b);
};

/// For what an endpoint tells nobody. False when it did not become true in time.
bool eventually(const std::function<bool()>& done);

heading head_with(uint64_t request, uint64_t type = 1);

}  // namespace swarm::transport::test
