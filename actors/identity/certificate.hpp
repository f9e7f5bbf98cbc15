#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "actors/identity/keys.hpp"

/// X.509 certificates of a run: its own authority, and one per peer (RFC 5280, RFC 8410). Times are
/// seconds since 1970 and the caller's.
namespace swarm::identity {

/// Certificates are valid from so long before they were made, for clocks that go late.
inline constexpr int64_t backdate_s = 24 * 3600;

/// An authority outlives the certificates it is for.
inline constexpr int64_t authority_valid_s = int64_t{3650} * 24 * 3600;

/// Signed by itself; it may sign others. DER.
std::string make_authority(const key_pair& run, const std::string& run_name, int64_t now_s,
                           int64_t valid_s);

/// Signed by the run's key; names the peer by its key. For both ends of a connection. DER.
std::string make_certificate(const key_pair& run, const std::string& authority_der,
                             const public_key& peer, int64_t now_s, int64_t valid_s);

struct certificate_facts {
  public_key key{};
  int64_t not_before_s = 0;
  int64_t not_after_s = 0;
};
/// Nothing if it is not a certificate of an Ed25519 key.
std::optional<certificate_facts> read_certificate(const std::string& der);

/// Signed by this key.
bool is_signed_by(const std::string& der, const public_key& signer);

/// As TLS libraries take them.
std::string certificate_pem(const std::string& der);
std::string private_key_pem(const key_seed& seed);

}  // namespace swarm::identity
