#include "actors/dht/record.hpp"

#include <sodium.h>

#include <algorithm>
#include <tuple>

#include "actors/invariant.hpp"

namespace swarm::dht {

namespace {

constexpr std::string_view record_domain = "swarm dht record 1\n";
constexpr std::string_view proof_domain = "swarm dht proof 1\n";
/// Fields of fixed size, and what a store keeps beside a record.
constexpr size_t record_overhead_bytes = 256;

/// It chooses the processor's fastest code; further calls do nothing.
void start_sodium() {
  SWARM_INVARIANT(sodium_init() >= 0, "libsodium works on this machine");
}

const uint8_t* bytes(std::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

template <size_t N>
void append(std::string& text, const std::array<uint8_t, N>& raw) {
  text.append(reinterpret_cast<const char*>(raw.data()), N);
}

void append(std::string& text, uint64_t number) {
  for (int shift = 0; shift < 64; shift += 8)
    text.push_back(static_cast<char>(number >> shift));
}

/// With its length in front: no two lists of texts give the same bytes.
void append_text(std::string& text, std::string_view part) {
  append(text, part.size());
  text.append(part);
}

std::string signed_text(const signed_record& record) {
  std::string text{record_domain};
  text.reserve(text.size() + bytes_of(record));
  append(text, record.key.bytes);
  append_text(text, record.subkey);
  append_text(text, record.value);
  append(text, record.sequence);
  append(text, static_cast<uint64_t>(record.expires_unix_ms));
  append(text, record.owner);
  return text;
}

std::string proof_text(std::string_view nonce, std::string_view address) {
  std::string text{proof_domain};
  append_text(text, nonce);
  append_text(text, address);
  return text;
}

bool verify(const public_key& key, std::string_view text, const signature_bytes& signature) {
  return crypto_sign_verify_detached(signature.data(), bytes(text), text.size(), key.data()) == 0;
}

}  // namespace

signing_key::signing_key(const std::array<uint8_t, seed_bytes>& seed) {
  static_assert(std::tuple_size_v<decltype(secret_)> == crypto_sign_SECRETKEYBYTES);
  start_sodium();
  crypto_sign_seed_keypair(public_.data(), secret_.data(), seed.data());
}

signing_key signing_key::generate() {
  start_sodium();
  signing_key key;
  crypto_sign_keypair(key.public_.data(), key.secret_.data());
  return key;
}

signing_key::~signing_key() {
  sodium_memzero(secret_.data(), secret_.size());
}

signature_bytes signing_key::sign(std::string_view text) const {
  signature_bytes result;
  crypto_sign_detached(result.data(), nullptr, bytes(text), text.size(), secret_.data());
  return result;
}

std::array<uint8_t, 32> signing_key::draw(uint64_t seed, uint64_t counter) const {
  std::string text;
  append(text, seed);
  append(text, counter);
  std::array<uint8_t, 32> result;
  crypto_generichash(result.data(), result.size(), bytes(text), text.size(), secret_.data(),
                     seed_bytes);
  return result;
}

bool operator==(const signed_record& a, const signed_record& b) {
  const auto fields = [](const signed_record& x) {
    return std::tie(x.signature, x.sequence, x.expires_unix_ms, x.key, x.owner, x.subkey, x.value);
  };
  return fields(a) == fields(b);
}

std::string subkey_of(const public_key& owner, std::string_view text) {
  std::string result;
  append(result, owner);
  result.append(text);
  return result;
}

std::string_view text_of(const signed_record& record) {
  std::string_view subkey{record.subkey};
  subkey.remove_prefix(std::min(subkey.size(), record.owner.size()));
  return subkey;
}

bool is_owners(const signed_record& record) {
  return record.subkey.size() >= record.owner.size() &&
         std::equal(record.owner.begin(), record.owner.end(), bytes(record.subkey));
}

bool fits(const signed_record& record) {
  return record.value.size() <= value_bytes_max &&
         record.subkey.size() <= record.owner.size() + subkey_text_bytes_max;
}

void sign(signed_record& record, const signing_key& key) {
  record.owner = key.open_half();
  record.signature = key.sign(signed_text(record));
}

bool signature_holds(const signed_record& record) {
  SWARM_INVARIANT(fits(record), "the size is checked before the signature");
  return verify(record.owner, signed_text(record), record.signature);
}

bool supersedes(const signed_record& a, const signed_record& b) {
  return std::tie(a.sequence, a.expires_unix_ms, a.signature) >
         std::tie(b.sequence, b.expires_unix_ms, b.signature);
}

size_t bytes_of(const signed_record& record) {
  return record.value.size() + record.subkey.size() + record_overhead_bytes;
}

signature_bytes prove(const signing_key& key, std::string_view nonce, std::string_view address) {
  return key.sign(proof_text(nonce, address));
}

bool proof_holds(const public_key& key, std::string_view nonce, std::string_view address,
                 const signature_bytes& proof) {
  return verify(key, proof_text(nonce, address), proof);
}

}  // namespace swarm::dht
