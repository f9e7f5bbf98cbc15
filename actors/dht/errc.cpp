#include "actors/dht/errc.hpp"

#include <caf/atom.hpp>
#include <caf/make_message.hpp>
#include <caf/message.hpp>
#include <string>

namespace swarm::dht {

const char* to_sentence(errc code) {
  switch (code) {
    case errc::rate_limited:
      return "The DHT node answers one sender only so often; ask later, or another node.";
    case errc::bad_request:
      return "The DHT request has a field of the wrong size; the sender is broken, report it.";
    case errc::too_large:
      return "The value or its subkey is too large for a DHT record; store a reference instead.";
    case errc::bad_lifetime:
      return "A DHT record's lifetime must be positive and at most lifetime_max; shorten it.";
    case errc::unreachable:
      return "No other DHT node answers; check the bootstrap addresses. It goes on trying.";
    case errc::not_stored:
      return "No DHT node accepted the record; check the clock. It is tried again by and by.";
    case errc::busy:
      return "The DHT node has too many lookups under way; wait for some of them.";
  }
  return "Unknown DHT error.";
}

caf::error make_error(errc code) {
  return {static_cast<uint8_t>(code), caf::atom("dht"),
          caf::make_message(std::string{to_sentence(code)})};
}

bool is_refusal(const caf::error& error) {
  return error.category() == caf::atom("dht");
}

}  // namespace swarm::dht
