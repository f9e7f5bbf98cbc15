#include "tests/actors/transport/endpoint_rig.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/actors/transport/frames.hpp"

namespace swarm::transport::test {

std::optional<std::string> witness::on_greeting(const remote& who) {
  const std::lock_guard<std::mutex> guard{mutex};
  greeted.push_back(who);
  changed.notify_all();
  return refusal;
}

void witness::on_up(link_id which) {
  const std::lock_guard<std::mutex> guard{mutex};
  up.push_back(which);
  changed.notify_all();
}

void witness::on_message(link_id which, const heading& head,
                         std::variant<wire::frame_ptr, wire::errc> body) {
  message came{which, head, std::nullopt, 0, 0};
  if (const auto* wrong = std::get_if<wire::errc>(&body)) {
    came.wrong = *wrong;
  } else if (const auto& frame = std::get<wire::frame_ptr>(body)) {
    came.checksum = checksum(*frame);
    came.bytes = frame->body_bytes();
  }
  std::function<void(link_id, const heading&)> reply;
  {
    const std::lock_guard<std::mutex> guard{mutex};
    messages.push_back(came);
    reply = answer;
    changed.notify_all();
  }
  if (reply) reply(which, head);
}

void witness::on_down(link_id which, down_reason reason, const std::string& sentence) {
  const std::lock_guard<std::mutex> guard{mutex};
  down.emplace(which, ending{reason, sentence});
  ++endings;
  changed.notify_all();
}

bool witness::wait(const std::function<bool()>& done) {
  std::unique_lock<std::mutex> lock{mutex};
  return changed.wait_for(lock, patience, done);
}

std::optional<link_id> witness::wait_up(size_t count) {
  if (!wait([&] { return up.size() >= count; })) return std::nullopt;
  return look([](witness& w) { return w.up.front(); });
}

std::optional<witness::ending> witness::wait_down(link_id which) {
  if (!wait([&] { return down.count(which) != 0; })) return std::nullopt;
  return look([&](witness& w) { return w.down.at(which); });
}

bool witness::wait_messages(size_t count) {
  return wait([&] { return messages.size() >= count; });
}

void witness::wait_for_a_moment() {
  std::unique_lock<std::mutex> lock{mutex};
  changed.wait_for(lock, std::chrono::milliseconds{1});
}

party::party(endpoint_options options) {
  auto opened = endpoint::open(std::move(options), saw);
  if (const auto* sentence = std::get_if<std::string>(&opened)) BOOST_FAIL(*sentence);
  end = std::get<std::unique_ptr<endpoint>>(std::move(opened));
}

endpoint_options listening() {
  endpoint_options result;
  result.bind = "127.0.0.1:0";
  return result;
}

authority::authority()
    : run_(identity::key_pair::generate()),
      der_(identity::make_authority(run_, "test", long_ago_s, century_s)) {}

tls_options authority::issue(int64_t valid_from_s, int64_t valid_s) const {
  const auto peer = identity::key_pair::generate();
  last_key = peer.key();
  return {identity::certificate_pem(der_),
          identity::certificate_pem(
              identity::make_certificate(run_, der_, peer.key(), valid_from_s, valid_s)),
          identity::private_key_pem(peer.seed())};
}

linked_pair::linked_pair(endpoint_options of_a, endpoint_options of_b)
    : a(std::move(of_a)), b(std::move(of_b)) {
  at_a = a.end->dial(b.end->address());
  const auto up_a = a.saw.wait_up();
  const auto up_b = b.saw.wait_up();
  BOOST_REQUIRE(up_a);
  BOOST_REQUIRE(up_b);
  BOOST_TEST(*up_a == at_a);
  at_b = *up_b;
}

bool eventually(const std::function<bool()>& done) {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock<std::mutex> lock{mutex};
  for (auto waited = std::chrono::milliseconds{0}; waited < patience; ++waited) {
    if (done()) return true;
    never.wait_for(lock, std::chrono::milliseconds{1});
  }
  return false;
}

heading head_with(uint64_t request, uint64_t type) {
  heading head;
  head.request = request;
  head.type = type;
  return head;
}

}  // namespace swarm::transport::test
