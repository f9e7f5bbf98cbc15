#include "actors/identity/keys.hpp"

#include <sodium.h>

#include <cassert>
#include <cstdlib>
#include <vector>

namespace swarm::identity {

namespace {

void ready() {
  static const int started = sodium_init();
  // Without randomness no key is worth anything.
  if (started < 0) std::abort();
}

std::string message_of(std::string_view domain, std::string_view bytes) {
  std::string result{domain};
  result += '\0';
  result += bytes;
  return result;
}

const unsigned char* data_of(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace

key_pair key_pair::generate() {
  ready();
  key_seed seed;
  randombytes_buf(seed.data(), seed.size());
  auto result = from_seed(seed);
  sodium_memzero(seed.data(), seed.size());
  return result;
}

key_pair key_pair::from_seed(const key_seed& seed) {
  ready();
  key_pair result;
  result.seed_ = seed;
  std::array<uint8_t, crypto_sign_SECRETKEYBYTES> secret;
  crypto_sign_seed_keypair(result.key_.data(), secret.data(), seed.data());
  sodium_memzero(secret.data(), secret.size());
  return result;
}

key_pair::~key_pair() {
  sodium_memzero(seed_.data(), seed_.size());
}

signature key_pair::sign(std::string_view domain, std::string_view bytes) const {
  public_key unused;
  std::array<uint8_t, crypto_sign_SECRETKEYBYTES> secret;
  crypto_sign_seed_keypair(unused.data(), secret.data(), seed_.data());
  const auto message = message_of(domain, bytes);
  signature result;
  crypto_sign_detached(result.data(), nullptr, data_of(message), message.size(), secret.data());
  sodium_memzero(secret.data(), secret.size());
  return result;
}

bool verify(std::string_view domain, std::string_view bytes, const signature& sig,
            const public_key& signer) {
  ready();
  const auto message = message_of(domain, bytes);
  return crypto_sign_verify_detached(sig.data(), data_of(message), message.size(), signer.data()) ==
         0;
}

peer_id peer_id_of(const public_key& key) {
  ready();
  std::array<uint8_t, crypto_generichash_BYTES_MIN> hash;
  crypto_generichash(hash.data(), hash.size(), key.data(), key.size(), nullptr, 0);
  uint64_t result = 0;
  for (size_t i = 0; i < sizeof(result); ++i)
    result |= uint64_t{hash[i]} << (8 * i);
  result &= ~(uint64_t{1} << 63);
  return peer_id{result == 0 ? 1 : result};
}

std::string fingerprint(std::string_view bytes) {
  ready();
  std::array<uint8_t, 16> hash;
  static_assert(hash.size() >= crypto_generichash_BYTES_MIN);
  crypto_generichash(hash.data(), hash.size(), data_of(bytes), bytes.size(), nullptr, 0);
  return to_hex(view(hash));
}

std::string to_hex(std::string_view bytes) {
  std::string result(bytes.size() * 2 + 1, '\0');
  sodium_bin2hex(result.data(), result.size(), data_of(bytes), bytes.size());
  result.pop_back();
  return result;
}

std::string to_base64url(std::string_view bytes) {
  constexpr int variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
  std::string result(sodium_base64_encoded_len(bytes.size(), variant), '\0');
  sodium_bin2base64(result.data(), result.size(), data_of(bytes), bytes.size(), variant);
  result.pop_back();
  return result;
}

std::optional<std::string> from_base64url(std::string_view text) {
  std::string result(text.size(), '\0');
  size_t size = 0;
  const char* end = nullptr;
  const int failed = sodium_base642bin(reinterpret_cast<unsigned char*>(result.data()),
                                       result.size(), text.data(), text.size(), nullptr, &size,
                                       &end, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
  if (failed != 0 || end != text.data() + text.size()) return std::nullopt;
  result.resize(size);
  return result;
}

}  // namespace swarm::identity
