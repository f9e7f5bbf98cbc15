#pragma once

#include <caf/error.hpp>
#include <cstdint>

namespace swarm::dht {

/// Why a node did not do what it was asked. Nothing has changed then, but for not_stored.
enum class errc : uint8_t {
  rate_limited = 1,  ///< ask less often, or another node
  bad_request,       ///< a field has the wrong size: the sender is broken
  too_large,         ///< value or subkey text above its limit
  bad_lifetime,      ///< not positive, or above lifetime_max
  unreachable,       ///< no other node answers; it goes on trying
  not_stored,        ///< nobody accepted the record; it is stored again with the next republishing
  busy               ///< too many lookups under way: wait for some
};

/// A sentence, with what to do.
const char* to_sentence(errc code);

caf::error make_error(errc code);

/// The far node answered, though with a refusal: it is alive.
bool is_refusal(const caf::error& error);

}  // namespace swarm::dht
