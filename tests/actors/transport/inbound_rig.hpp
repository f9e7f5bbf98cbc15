#pragma once

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <string>
#include <vector>

#include "actors/transport/inbound.hpp"
#include "actors/transport/send_queue.hpp"
#include "tests/actors/transport/frames.hpp"
#include "tests/actors/transport/packets.hpp"

namespace swarm::transport::test {

struct arrival {
  heading head;
  bool bulk = false;
  size_t bytes = 0;
  uint64_t checksum = 0;  ///< 0: no body
  std::optional<wire::errc> wrong;
};

/// Remembers what came.
class collector final : public inbound::sink {
 public:
  explicit collector(inbound& of) : of_(of) {}

  void on_packet(packet_kind kind, const uint8_t* content, size_t bytes) override {
    packets.emplace_back(kind, std::string{reinterpret_cast<const char*>(content), bytes});
    if (kind == packet_kind::welcome) of_.accept_messages();
  }
  void on_body(const heading& head, std::variant<wire::frame_ptr, wire::errc> body,
               size_t body_bytes, bool bulk) override {
    arrival came{head, bulk, body_bytes, 0, std::nullopt};
    if (const auto* wrong = std::get_if<wire::errc>(&body)) {
      came.wrong = *wrong;
    } else if (const auto& frame = std::get<wire::frame_ptr>(body)) {
      came.checksum = checksum(*frame);
    }
    bodies.push_back(came);
  }

  std::vector<std::pair<packet_kind, std::string>> packets;
  std::vector<arrival> bodies;

 private:
  inbound& of_;
};

/// Feeds all of it in chunks whose sizes `next_size` gives. The fault, if any.
template <class NextSize>
std::optional<std::string> feed(inbound& to, collector& into, const bytes& all,
                                NextSize next_size) {
  for (size_t at = 0; at < all.size() && !to.ended();) {
    const auto wanted = to.want();
    size_t left = std::min<size_t>({next_size(), all.size() - at, wanted[0].size + wanted[1].size});
    BOOST_REQUIRE(left > 0U);
    const size_t first = std::min(left, wanted[0].size);
    std::memcpy(wanted[0].data, all.data() + at, first);
    if (left > first) std::memcpy(wanted[1].data, all.data() + at + first, left - first);
    at += left;
    if (auto wrong = to.filled(left, into)) return wrong;
  }
  return std::nullopt;
}

/// Everything that a queue has, with an unlimited allowance.
inline bytes drain(send_queue& from) {
  bytes all;
  allowance free;
  free.bulk_bytes = SIZE_MAX / 2;
  for (;;) {
    std::vector<readable_span> spans;
    from.gather(free, spans);
    if (spans.empty()) return all;
    size_t total = 0;
    for (const auto& span : spans) {
      append(all, span.data, span.size);
      total += span.size;
    }
    from.wrote(total);
  }
}

}  // namespace swarm::transport::test
